// Signs in with the official TypeScript SDK and calls a tool, then a tool that needs a further scope.
// Prints one JSON object. It only observes: clients/step_up.py defines what is right.
//
// Usage: node step_up.mjs URL [--list-first]
// With the option it lists the tools before anything else.

import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import {
  StreamableHTTPClientTransport,
  StreamableHTTPError,
} from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const REDIRECT = "http://127.0.0.1:1/callback"; // nobody listens: this program is also the browser

const seen = { answers: [], challenges: [], requested: [] };

// A host application: it keeps what the SDK gives it, and shows pages to the user.
class Provider {
  redirectUrl = REDIRECT;
  clientMetadata = {
    redirect_uris: [REDIRECT],
    token_endpoint_auth_method: "none",
    grant_types: ["authorization_code"],
    response_types: ["code"],
  };
  #cookies = new Map();
  #kept = {};

  clientInformation() {
    return { client_id: "host" };
  }
  tokens() {
    return this.#kept.tokens;
  }
  saveTokens(tokens) {
    this.#kept.tokens = tokens;
  }
  codeVerifier() {
    return this.#kept.verifier;
  }
  saveCodeVerifier(verifier) {
    this.#kept.verifier = verifier;
  }
  async redirectToAuthorization(url) {
    seen.requested.push(url.searchParams.get("scope"));
    let next = url;
    for (let pages = 0; pages < 10 && !next.href.startsWith(REDIRECT); pages += 1) {
      const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
      const response = await fetch(next, { redirect: "manual", headers: { cookie } });
      for (const line of response.headers.getSetCookie()) {
        const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
        this.#cookies.set(name, value);
      }
      next = new URL(response.headers.get("location"), next);
    }
    this.code = next.searchParams.get("code");
  }
}

const url = new URL(process.argv[2]);
const authProvider = new Provider();
let transport;

async function connected() {
  transport = new StreamableHTTPClientTransport(url, {
    authProvider,
    fetch: async (input, init) => {
      const response = await fetch(input, init);
      seen.answers.push([init?.method ?? "GET", String(input), response.status]);
      if ([401, 403].includes(response.status)) {
        seen.challenges.push([response.status, response.headers.get("www-authenticate")]);
      }
      return response;
    },
  });
  const client = new Client({ name: "mcp-bearer-check", version: "1.0.0" });
  await client.connect(transport);
  return client;
}

// Does something again once the user has signed in, as host applications do.
async function signedIn(attempt) {
  try {
    return await attempt();
  } catch (error) {
    if (!(error instanceof UnauthorizedError) || authProvider.code === undefined) {
      throw error;
    }
    const { code } = authProvider;
    authProvider.code = undefined;
    await transport.finishAuth(code);
    return attempt();
  }
}

try {
  let client = await signedIn(connected);
  if (process.argv[3] === "--list-first") {
    const { tools } = await client.listTools();
    seen.listed = tools.map(({ name }) => name).sort();
    // The authorization server is asked once the first call is made, not before.
    seen.requested_before_the_call = [...seen.requested];
  }
  for (const name of ["whoami", "delete_all", "delete_all", "whoami"]) {
    const { content } = await signedIn(async () => {
      const request = { name, arguments: {} };
      try {
        return await client.callTool(request);
      } catch (error) {
        if (!(error instanceof StreamableHTTPError) || error.code !== 404) {
          throw error;
        }
        // The session is over, so a new one begins.
        seen.sessions_over = (seen.sessions_over ?? 0) + 1;
        client = await connected();
        return client.callTool(request);
      }
    });
    (seen.called ??= []).push([name, content.map((part) => part.text).join("")]);
  }
  await client.close();
} catch (error) {
  seen.error = String(error);
}
console.log(JSON.stringify(seen));
