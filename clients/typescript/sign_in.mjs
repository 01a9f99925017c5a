// Calls a tool with the official TypeScript SDK, which holds an expired token and may get another
// one. Prints one JSON object per case. It only observes: clients/sign_in.py defines what is right.
//
// Usage: node sign_in.mjs CASES.json

import { readFile } from "node:fs/promises";
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

// Starts with a token and no registered client, and acts as the browser.
class Provider {
  redirectUrl = "http://127.0.0.1:1/callback"; // nobody listens
  clientMetadata = { redirect_uris: [this.redirectUrl], token_endpoint_auth_method: "none" };
  #client;
  #tokens;
  #verifier;

  constructor(token) {
    this.#tokens = { access_token: token, token_type: "Bearer" };
  }
  clientInformation() {
    return this.#client;
  }
  saveClientInformation(client) {
    this.#client = client;
  }
  tokens() {
    return this.#tokens;
  }
  saveTokens(tokens) {
    this.#tokens = tokens;
  }
  codeVerifier() {
    return this.#verifier;
  }
  saveCodeVerifier(verifier) {
    this.#verifier = verifier;
  }
  async redirectToAuthorization(url) {
    const response = await fetch(url, { redirect: "manual" });
    this.code = new URL(response.headers.get("location")).searchParams.get("code");
  }
}

async function observe({ name, mode, url, token }) {
  const seen = { case: name, mode, answers: [], challenge: null };
  const authProvider = new Provider(token);
  const connect = async () => {
    const transport = new StreamableHTTPClientTransport(new URL(url), {
      authProvider,
      fetch: async (input, init) => {
        const response = await fetch(input, init);
        seen.answers.push([init?.method ?? "GET", String(input), response.status]);
        if (response.status === 401) {
          seen.challenge ??= response.headers.get("www-authenticate");
        }
        return response;
      },
    });
    const client = new Client({ name: "mcp-bearer-check", version: "1.0.0" });
    try {
      await client.connect(transport);
      return client;
    } catch (error) {
      if (error instanceof UnauthorizedError && authProvider.code !== undefined) {
        await transport.finishAuth(authProvider.code);
        authProvider.code = undefined;
        return connect();
      }
      throw error;
    }
  };
  try {
    const client = await connect();
    const { content } = await client.callTool({ name: "whoami", arguments: {} });
    await client.close();
    return { ...seen, whoami: content.map((part) => part.text).join("") };
  } catch (error) {
    return { ...seen, error: String(error) };
  }
}

for (const one of JSON.parse(await readFile(process.argv[2], "utf8"))) {
  console.log(JSON.stringify(await observe(one)));
}
