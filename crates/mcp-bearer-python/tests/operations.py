"""What the tests of operations share: a server whose answers each test writes, and requests to it."""

import asyncio
import json

from conftest import AUDIENCE, ISSUER, make_token

from mcp_bearer import BearerAuthProvider
from mcp_bearer.asgi import BearerAuthMiddleware

LIST = b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}'


def call(name: str) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name}}).encode()


class Server:
    """An MCP server that remembers what it got."""

    def __init__(self, *pieces: bytes, kind: bytes = b"application/json", status: int = 200, headers=()):
        self.pieces, self.status = pieces or (b'{"jsonrpc":"2.0","id":1,"result":{}}',), status
        self.headers = [(b"content-type", kind), *headers]
        self.scopes, self.bodies = [], []

    async def __call__(self, scope, receive, send):
        body = b""
        more = scope["type"] == "http"
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.scopes.append(scope)
        self.bodies.append(body)
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        for number, piece in enumerate(self.pieces, start=1):
            await send({"type": "http.response.body", "body": piece, "more_body": number < len(self.pieces)})


class Answer:
    def __init__(self, sent):
        self.sent = sent
        self.status = sent[0]["status"]
        self.headers = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
        assert len(self.headers) == len(sent[0]["headers"])
        self.body = b"".join(message["body"] for message in sent[1:])
        assert not sent[-1].get("more_body", False)

    def error(self):
        answer = json.loads(self.body)
        return (answer[0] if isinstance(answer, list) else answer)["error"]


def ask(app, body: bytes = LIST, token: str | None = None, method: str = "POST", headers=(), size: int = 7, **more) -> Answer:
    """The answer to a request whose body comes in pieces of this size."""
    return asyncio.run(asked(app, body, token, method, headers, size, **more))


async def asked(app, body=LIST, token=None, method="POST", headers=(), size=7, **more) -> Answer:
    sent = []
    pieces = [body[start : start + size] for start in range(0, len(body), size)] or [b""]
    messages = [
        {"type": "http.request", "body": piece, "more_body": number < len(pieces)} for number, piece in enumerate(pieces, start=1)
    ]

    answered = asyncio.Event()

    async def receive():
        if not messages:
            await answered.wait()
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            answered.set()

    all_headers = [(b"content-type", b"application/json")] if method == "POST" else []
    if token is not None:
        all_headers.append((b"authorization", f"Bearer {token}".encode()))
    scope = {"type": "http", "method": method, "path": "/mcp", "headers": [*all_headers, *headers], **more}
    await app(scope, receive, send)
    return Answer(sent)


def guarded(pair, server, rules=None, required=("read",), **options):
    provider = BearerAuthProvider(pair.public_key, issuer=ISSUER, audience=AUDIENCE, required_scopes=list(required))
    return BearerAuthMiddleware(
        server, provider, resource=AUDIENCE, authorization_servers=[ISSUER], operations=rules, **options
    )


def token_of(pair, scopes: str, **changes) -> str:
    return make_token(pair, scopes=scopes.split(), **changes)
