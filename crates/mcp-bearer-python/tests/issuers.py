"""Issuers that publish keys: up, down, or held by the test."""

import asyncio
import contextlib
import http.server
import threading
from collections.abc import Callable, Iterator

JWKS_URI = "https://idp.example.com/jwks.json"
STATES = ["held", "up", "down"]


class Issuer:
    """Publishes a JWKS; `asked` counts the requests. A held issuer answers once it is released."""

    def __init__(self, jwks: bytes, state: str) -> None:
        self.jwks, self.state = jwks, state
        self.asked = 0
        self.released = threading.Event()

    def options(self) -> dict[str, object]:
        """The arguments of a provider that uses it."""
        raise NotImplementedError

    def close(self) -> None:
        self.released.set()


class HookIssuer(Issuer):
    """Reached by a `fetch` function."""

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
                    with contextlib.suppress(ConnectionError):  # the client that waited for held keys may have given up
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


@contextlib.contextmanager
def starter(jwks: bytes) -> Iterator[Callable[..., Issuer]]:
    """A function that starts an issuer in a state. They end with the context."""
    with contextlib.ExitStack() as stack:

        def start(state: str, transport: str = "hook") -> Issuer:
            return stack.enter_context(contextlib.closing(TRANSPORTS[transport](jwks, state)))

        yield start
