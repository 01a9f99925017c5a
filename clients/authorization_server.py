"""An OAuth authorization server on loopback that signs everyone in at once, for clients/sign_in.py.

It registers clients (RFC 7591), gives codes (RFC 6749 section 4.1) and JWT access tokens, and
publishes its metadata (RFC 8414) and keys. It checks nothing, because only the client and the MCP server are under
test. It listens on loopback only.
"""

import contextlib
import enum
import http.server
import json
import secrets
import threading
import urllib.parse
from collections.abc import Callable, Iterator

HELD_SECONDS = 20


class Keys(enum.Enum):
    """How the address of its keys answers."""

    UP = "up"
    DOWN = "down"
    HELD = "held"
    """It answers only after a token was requested."""


class AuthorizationServer:
    """`make_token(issuer, resource, scope)` signs an access token."""

    def __init__(self, keys: Keys, jwks: dict, make_token: Callable[[str, str, str], str]) -> None:
        self.keys, self.jwks, self.make_token = keys, jwks, make_token
        self.token_asked = threading.Event()
        self.key_requests = 0
        self.grants: dict[str, tuple[str, str]] = {}
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler_of(self))
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"

    def get(self, path: str, query: dict[str, str]) -> tuple[int, dict]:
        """The status and the answer: a document, or with 302 the address to go to."""
        if path == "/.well-known/oauth-authorization-server":
            return 200, self.metadata()
        if path == "/jwks.json":
            self.key_requests += 1
            if self.keys is Keys.HELD:
                self.token_asked.wait(HELD_SECONDS)
            return (503, {}) if self.keys is Keys.DOWN else (200, self.jwks)
        if path == "/authorize":
            code = secrets.token_urlsafe()
            self.grants[code] = query["resource"], query["scope"]
            back = urllib.parse.urlencode({"code": code, "state": query.get("state", "")})
            return 302, {"location": f"{query['redirect_uri']}?{back}"}
        return 404, {}

    def post(self, path: str, body: str) -> tuple[int, dict]:
        if path == "/register":
            return 201, {**json.loads(body), "client_id": "check"}
        if path == "/token":
            self.token_asked.set()
            resource, scope = self.grants.pop(dict(urllib.parse.parse_qsl(body))["code"])
            token = self.make_token(self.issuer, resource, scope)
            return 200, {"access_token": token, "token_type": "Bearer", "expires_in": 600, "scope": scope}
        return 404, {}

    def metadata(self) -> dict:
        return {
            "issuer": self.issuer,
            "jwks_uri": f"{self.issuer}/jwks.json",
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "registration_endpoint": f"{self.issuer}/register",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code"],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
        }


@contextlib.contextmanager
def authorization_server(
    keys: Keys, jwks: dict, make_token: Callable[[str, str, str], str]
) -> Iterator[AuthorizationServer]:
    """A server that runs as long as the context lasts."""
    running = AuthorizationServer(keys, jwks, make_token)
    thread = threading.Thread(target=running.server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield running
    finally:
        running.token_asked.set()
        running.server.shutdown()
        running.server.server_close()


def handler_of(answers: AuthorizationServer) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urllib.parse.urlsplit(self.path)
            self.answer(*answers.get(url.path, dict(urllib.parse.parse_qsl(url.query))))

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            self.answer(*answers.post(self.path, self.rfile.read(length).decode()))

        def answer(self, status: int, document: dict) -> None:
            body = b"" if status == 302 else json.dumps(document).encode()
            self.send_response(status)
            if status == 302:
                self.send_header("Location", document["location"])
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(ConnectionError):  # a client of held keys may have given up
                self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    return Handler
