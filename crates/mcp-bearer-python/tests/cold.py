"""What the tests of cold servers share: tokens that no key could save, and issuers that are up, down or held by the test."""

import asyncio
import contextlib
import http.server
import threading
import time
from collections.abc import Callable

from conftest import AUDIENCE, ISSUER, JWKS_URI, sign

from mcp_bearer import RSAKeyPair

STATES = ["held", "up", "down"]

CONDEMNED: dict[str, tuple[str, Callable[[RSAKeyPair], str]]] = {
    "expired": ("expired", lambda pair: sign(pair, exp=time.time() - 3600)),
    "not yet valid": ("not_yet_valid", lambda pair: sign(pair, nbf=time.time() + 3600)),
    "another audience": ("wrong_audience", lambda pair: sign(pair, aud="https://other.example.com/mcp")),
    "issuer one slash off": ("wrong_issuer", lambda pair: sign(pair, iss=ISSUER.removesuffix("/"))),
    "no exp": ("missing_claim", lambda pair: sign(pair, exp=None)),
    "bound to a key": ("sender_constrained", lambda pair: sign(pair, cnf={"jkt": "a" * 43})),
    "ID token": ("wrong_token_type", lambda pair: sign(pair, at_hash="a" * 22)),
}
"""The kind of the refusal, and how such a token is made. Its signature is good."""

ISSUERS = {"one": ISSUER, "several": [ISSUER, "https://partner.example.com/"]}
"""What a provider may be told of its issuers."""


class Issuer:
    """Publishes the key of a pair; `asked` counts the requests. A held one answers once it is released."""

    def __init__(self, jwks: bytes, state: str) -> None:
        self.jwks, self.state = jwks, state
        self.asked = 0
        self.released = threading.Event()

    def options(self) -> dict[str, object]:
        """The arguments of a provider that asks it."""
        raise NotImplementedError

    def close(self) -> None:
        self.released.set()


class HookIssuer(Issuer):
    """Behind a `fetch` function."""

    def options(self) -> dict[str, object]:
        return {"jwks_uri": JWKS_URI, "fetch": self}

    async def __call__(self, url: str) -> bytes:
        self.asked += 1
        while self.state == "held" and not self.released.is_set():
            await asyncio.sleep(0.01)
        if self.state == "down":
            raise ConnectionError("the issuer is down")
        return self.jwks


class HttpIssuer(Issuer):
    """On a port of loopback. One that is down closes each connection without an answer."""

    def __init__(self, jwks: bytes, state: str) -> None:
        super().__init__(jwks, state)
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked += 1
                if issuer.state == "held":
                    issuer.released.wait(20)
                if issuer.state != "down":
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(issuer.jwks)))
                    self.end_headers()
                    with contextlib.suppress(ConnectionError):  # who asked for held keys may have given up
                        self.wfile.write(issuer.jwks)

            def log_message(self, *arguments: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def options(self) -> dict[str, object]:
        return {"jwks_uri": f"http://127.0.0.1:{self.server.server_port}/jwks.json"}

    def close(self) -> None:
        super().close()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


TRANSPORTS: dict[str, type[Issuer]] = {"hook": HookIssuer, "http": HttpIssuer}


def good(pair: RSAKeyPair) -> str:
    return sign(pair, aud=AUDIENCE)
