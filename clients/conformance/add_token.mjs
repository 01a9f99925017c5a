// A proxy on loopback that adds a token to requests that have none, because the conformance suite
// sends none. Everything else passes as it came: header names and values, bodies, streams.
//
// Usage: node add_token.mjs URL
// The token is in the variable TOKEN, a fixed port in ADD_TOKEN_PORT. Prints {"url"} once it accepts connections.

import { createServer, request as open } from "node:http";

const target = new URL(process.argv[2]);
const server = createServer((incoming, outgoing) => {
  const headers = [...incoming.rawHeaders];
  if (incoming.headers.authorization === undefined) {
    headers.push("Authorization", `Bearer ${process.env.TOKEN}`);
  }
  const { hostname, port } = target;
  const onward = open({ hostname, port, method: incoming.method, path: incoming.url, headers }, (answer) => {
    outgoing.writeHead(answer.statusCode, answer.statusMessage, answer.rawHeaders);
    outgoing.flushHeaders();
    answer.pipe(outgoing);
    answer.on("error", () => outgoing.destroy());
  });
  onward.on("error", () => outgoing.destroy());
  outgoing.on("close", () => onward.destroy());
  incoming.pipe(onward);
});
server.listen(Number(process.env.ADD_TOKEN_PORT ?? 0), "127.0.0.1", () => {
  console.log(JSON.stringify({ url: `http://127.0.0.1:${server.address().port}${target.pathname}` }));
});
