// Drives an MCP server with the official TypeScript SDK and prints one JSON object per case. It only
// observes: clients/drive.py defines what is right. It does not retry, and has no auth provider to
// get a token by itself.
//
// Usage: node client.mjs CASES.json

import { readFile } from "node:fs/promises";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import {
  StreamableHTTPClientTransport,
  StreamableHTTPError,
} from "@modelcontextprotocol/sdk/client/streamableHttp.js";

async function observe(url, { name, token, tool }) {
  const refusals = [];
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    requestInit: token === null ? {} : { headers: { Authorization: `Bearer ${token}` } },
    // The SDK's error has the status but not the header: its own hook for `fetch` sees both.
    fetch: async (input, init) => {
      const response = await fetch(input, init);
      if ([400, 401, 403, 503].includes(response.status)) {
        refusals.push([response.status, response.headers.get("www-authenticate")]);
      }
      return response;
    },
  });
  const client = new Client({ name: "mcp-bearer-check", version: "1.0.0" });
  const seen = { case: name, mode: "initialize", refusals };
  try {
    await client.connect(transport);
    if (tool !== undefined) {
      const answer = await client.callTool({ name: tool, arguments: {} });
      return { ...seen, error_status: null, answer: text(answer) };
    }
    const who = await client.callTool({ name: "whoami", arguments: {} });
    const sum = await client.callTool({ name: "add", arguments: { a: 2, b: 3 } });
    return { ...seen, error_status: null, whoami: text(who), sum: text(sum) };
  } catch (error) {
    const status = error instanceof StreamableHTTPError ? error.code : null;
    return { ...seen, error_status: status, error: String(error) };
  } finally {
    await client.close();
  }
}

function text(result) {
  return result.content.map((part) => part.text).join("");
}

const { url, cases } = JSON.parse(await readFile(process.argv[2], "utf8"));
for (const one of cases) {
  console.log(JSON.stringify(await observe(url, one)));
}
