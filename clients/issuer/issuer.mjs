// An OAuth authorization server (oidc-provider) on loopback, with RSA, EC and Ed25519 keys that are
// rotated while it runs. clients/issuer.py starts it and defines what is right. It listens on
// loopback only.
//
// Usage: node issuer.mjs
// Prints {"issuer","kids"} once it accepts connections, and again after each command on stdin:
//   add       new keys sign; the old ones stay published
//   withdraw  new keys sign; all others are withdrawn

import { generateKeyPairSync, randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import Provider from "oidc-provider";

const ALGORITHMS = ["RS256", "ES256", "Ed25519"];

const server = createServer((request, response) => handle(request, response));
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;
let keys = newKeys();
let handle = new Provider(issuer, configuration(keys)).callback();
tell();

for await (const command of createInterface({ input: process.stdin })) {
  keys = command === "add" ? [...newKeys(), ...keys] : newKeys();
  // A provider cannot change its keys: a new one replaces it.
  handle = new Provider(issuer, configuration(keys)).callback();
  tell();
}
process.exit(0);

function newKeys() {
  const pairs = {
    RS256: generateKeyPairSync("rsa", { modulusLength: 2048 }),
    ES256: generateKeyPairSync("ec", { namedCurve: "P-256" }),
    Ed25519: generateKeyPairSync("ed25519"),
  };
  return ALGORITHMS.map((alg) => ({
    ...pairs[alg].privateKey.export({ format: "jwk" }),
    kid: `${alg}-${randomUUID()}`,
    use: "sig",
    alg,
  }));
}

// One client per algorithm: the resource's rule chooses how a token is signed, and the rule here
// depends on the client.
function configuration(keys) {
  return {
    jwks: { keys },
    clients: ALGORITHMS.map((alg) => ({
      client_id: alg.toLowerCase(),
      client_secret: "loopback-check",
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
      scope: "mcp:read mcp:write",
    })),
    scopes: ["mcp:read", "mcp:write"],
    ttl: { ClientCredentials: 600 },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context, resource, client) => ({
          audience: resource,
          scope: "mcp:read mcp:write",
          accessTokenFormat: "jwt",
          accessTokenTTL: 600,
          jwt: { sign: { alg: ALGORITHMS.find((alg) => alg.toLowerCase() === client.clientId) } },
        }),
      },
    },
  };
}

function tell() {
  console.log(JSON.stringify({ issuer, kids: keys.map((key) => key.kid) }));
}
