// An OAuth authorization server (oidc-provider) on loopback, with RSA, EC and Ed25519 keys that are
// rotated while it runs. The user of the client "host" is signed in as alice, and consents to every
// scope that is requested. clients/issuer.py and clients/step_up.py start it and define what is right. It
// listens on loopback only.
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
const SCOPES = ["mcp:read", "mcp:write", "mcp:admin"];

const server = createServer((request, response) => handle(request, response));
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const issuer = `http://127.0.0.1:${server.address().port}`;
let keys = newKeys();
let handle = handler(keys);
tell();

for await (const command of createInterface({ input: process.stdin })) {
  keys = command === "add" ? [...newKeys(), ...keys] : newKeys();
  // A provider cannot change its keys: a new one replaces it.
  handle = handler(keys);
  tell();
}
process.exit(0);

function handler(keys) {
  const provider = new Provider(issuer, configuration(keys));
  const answer = provider.callback();
  return (request, response) =>
    request.url.startsWith("/interaction/") ? interact(provider, request, response) : answer(request, response);
}

// What a user would do: sign in, then consent to everything.
async function interact(provider, request, response) {
  const { prompt, params, session, grantId } = await provider.interactionDetails(request, response);
  if (prompt.name === "login") {
    return provider.interactionFinished(request, response, { login: { accountId: "alice" } });
  }
  const grant = grantId
    ? await provider.Grant.find(grantId)
    : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  for (const [resource, scopes] of Object.entries(prompt.details.missingResourceScopes ?? {})) {
    grant.addResourceScope(resource, scopes.join(" "));
  }
  grant.addOIDCScope((prompt.details.missingOIDCScope ?? []).join(" "));
  const consent = { grantId: await grant.save() };
  return provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
}

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
// depends on the client. The client "host" is for users, and gets the first algorithm. It is not
// registered by itself: SDKs register with the scopes of the first challenge, and this issuer gives
// a client no other scopes than those.
function configuration(keys) {
  return {
    jwks: { keys },
    clients: [
      ...ALGORITHMS.map((alg) => ({
        client_id: alg.toLowerCase(),
        client_secret: "loopback-check",
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
        scope: SCOPES.join(" "),
      })),
      {
        client_id: "host",
        token_endpoint_auth_method: "none",
        application_type: "native",
        grant_types: ["authorization_code"],
        redirect_uris: ["http://127.0.0.1:1/callback"],
        response_types: ["code"],
        scope: SCOPES.join(" "),
      },
    ],
    scopes: SCOPES,
    ttl: { AccessToken: 600, ClientCredentials: 600, Grant: 600, Interaction: 600, Session: 600 },
    findAccount: (_context, id) => ({ accountId: id, claims: () => ({ sub: id }) }),
    interactions: { url: (_context, { uid }) => `/interaction/${uid}` },
    cookies: { keys: [randomUUID()] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_context, resource, client) => ({
          audience: resource,
          scope: SCOPES.join(" "),
          accessTokenFormat: "jwt",
          accessTokenTTL: 600,
          jwt: { sign: { alg: algorithmOf(client) } },
        }),
      },
    },
  };
}

function algorithmOf(client) {
  return ALGORITHMS.find((alg) => alg.toLowerCase() === client.clientId) ?? ALGORITHMS[0];
}

function tell() {
  console.log(JSON.stringify({ issuer, kids: keys.map((key) => key.kid) }));
}
