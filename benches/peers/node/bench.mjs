// The npm peers on the token of the Rust run: signature, algorithm, exp, nbf, issuer, audience.
// Must never: be given fewer checks than the library offers of those.
//
// Usage: node bench.mjs rust.json     prints {"name": microseconds of CPU for one}

import { readFileSync } from "node:fs";
import { createVerifier } from "fast-jwt";
import { importSPKI, jwtVerify } from "jose";

const { token, public_key, issuer, audience } = JSON.parse(readFileSync(process.argv[2], "utf8"));
const key = await importSPKI(public_key, "RS256");
const rules = { algorithms: ["RS256"], issuer, audience, requiredClaims: ["exp"] };
const fast = { key: public_key, algorithms: ["RS256"], allowedIss: issuer, allowedAud: audience, requiredClaims: ["exp"] };
const plain = createVerifier(fast);
const cached = createVerifier({ ...fast, cache: true });

const contenders = {
  "jose": [() => jwtVerify(token, key, rules), 200],
  "fast-jwt": [() => plain(token), 200],
  "fast-jwt, from its cache": [() => cached(token), 2000],
};
const times = {};
for (let round = 0; round < 40; round++) {
  for (const [name, [verify, count]] of Object.entries(contenders)) {
    const before = process.cpuUsage();
    for (let n = 0; n < count; n++) await verify();
    const { user, system } = process.cpuUsage(before);
    // The first rounds are for the compiler.
    if (round >= 10) (times[name] ??= []).push((user + system) / count);
  }
}
const median = (list) => list.sort((a, b) => a - b)[Math.floor(list.length / 2)];
console.log(JSON.stringify(Object.fromEntries(Object.entries(times).map(([name, list]) => [name, median(list)]))));
