// Drives an MCP server with the official TypeScript SDK and prints one JSON object per case. It only
// observes: clients/gateway.py defines what is right.
//
// Usage: node gateway.mjs CASES.json

import { readFile } from "node:fs/promises";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const SECONDS = 10;

async function observe({ name, mode, url, token, tool, slow, resource, prompt, announcer, announcement }) {
  const headers = token === null ? {} : { Authorization: `Bearer ${token}` };
  const transport = new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
  const client = new Client({ name: "mcp-bearer-check", version: "1.0.0" });
  const seen = { case: name, mode };
  const heard = [];
  client.fallbackNotificationHandler = async ({ method }) => {
    heard.push(method);
  };
  try {
    await client.connect(transport);
    seen.tools = (await client.listTools()).tools.map((one) => one.name).sort();
    seen.resources = (await client.listResources()).resources.map((one) => one.uri).sort();
    seen.prompts = (await client.listPrompts()).prompts.map((one) => one.name).sort();
    seen.answer = text(await client.callTool({ name: tool[0], arguments: tool[1] }));
    seen.progress = [];
    const onprogress = ({ progress, total }) => seen.progress.push([progress, total]);
    await client.callTool({ name: slow[0], arguments: slow[1] }, undefined, { onprogress });
    seen.resource = (await client.readResource({ uri: resource })).contents.map((part) => part.text);
    const { messages } = await client.getPrompt({ name: prompt[0], arguments: prompt[1] });
    seen.prompt = messages.map((message) => message.content.text);
    if (announcement !== null) {
      seen.heard = await untilHeard(client, announcer, heard, announcement);
    }
    // The session ends at the server: its id is of no use any more.
    const session = transport.sessionId;
    await transport.terminateSession();
    const version = transport.protocolVersion;
    const after = await fetch(url, {
      method: "POST",
      headers: {
        ...headers,
        "Content-Type": "application/json",
        Accept: "application/json, text/event-stream",
        "Mcp-Session-Id": session,
        "MCP-Protocol-Version": version,
      },
      body: JSON.stringify({ jsonrpc: "2.0", id: 99, method: "tools/list" }),
    });
    await after.text();
    seen.ended = after.status;
  } catch (error) {
    seen.error = String(error);
  } finally {
    await client.close();
  }
  return seen;
}

// The stream of notifications may open after the first announcement.
async function untilHeard(client, [name, args], heard, announcement) {
  for (let round = 0; round < SECONDS; round++) {
    await client.callTool({ name, arguments: args });
    for (let wait = 0; wait < 20 && !heard.includes(announcement); wait++) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    if (heard.includes(announcement)) {
      return announcement;
    }
  }
  return "nothing";
}

function text(result) {
  return result.content.map((part) => part.text).join("");
}

for (const one of JSON.parse(await readFile(process.argv[2], "utf8"))) {
  console.log(JSON.stringify(await observe(one)));
}
