"""PyJWT on the token of the Rust run: signature, algorithm, exp, nbf, issuer, audience.

Usage: bench.py rust.json     prints {"name": microseconds of CPU for one}
"""

import json
import statistics
import sys
import time

import jwt


def main() -> None:
    with open(sys.argv[1]) as file:
        given = json.load(file)
    key = jwt.PyJWK.from_dict(
        json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(
            jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256).prepare_key(given["public_key"])
        )),
        "RS256",
    )  # fmt: skip
    times = []
    for _ in range(40):
        start = time.thread_time()
        for _ in range(100):
            jwt.decode(
                given["token"],
                key,
                algorithms=["RS256"],
                issuer=given["issuer"],
                audience=given["audience"],
                options={"require": ["exp", "iss", "aud"]},
            )
        times.append((time.thread_time() - start) / 100 * 1e6)
    print(json.dumps({"PyJWT": statistics.median(times)}))


if __name__ == "__main__":
    main()
