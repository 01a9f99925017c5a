"""CORS preflights at the middleware: what counts as one, how little of it reaches the app, and the other choices."""

import asyncio
import time

import pytest
from conftest import AUDIENCE, ISSUER, make_token
from test_asgi import METADATA_PATH, Recorder

from mcp_bearer import BearerAuthProvider
from mcp_bearer.asgi import BearerAuthMiddleware, Cors
from mcp_bearer.operations import OperationRule, OperationRules

ORIGIN = (b"origin", b"https://app.example.com")
METHOD = (b"access-control-request-method", b"POST")
PREFLIGHT = [ORIGIN, METHOD]
EMPTY = [{"type": "http.request", "body": b"", "more_body": False}]
WITH_BODY = [{"type": "http.request", "body": b"{}", "more_body": False}]
STREAMED = [{"type": "http.request", "body": b"", "more_body": True}, {"type": "http.request", "body": b"{}"}]
GONE = [{"type": "http.disconnect"}]
GUARDS = {
    "plain": {},
    "rules": {"operations": OperationRules([OperationRule("tools/list", anonymous=True)], unmatched="allow")},
    "sessions": {"session_keys": "k" * 32},
    "assertion": {"token_header": "X-Assertion"},
}
"""What the middleware does besides: whatever it is, preflights are the same."""


class Reader(Recorder):
    """An app that also reads its input to the end, and answers with its own headers."""

    def __init__(self, headers=()):
        super().__init__()
        self.headers = headers
        self.received = []

    async def __call__(self, scope, receive, send):
        self.scopes.append(scope)
        self.received.append(await receive())
        await send({"type": "http.response.start", "status": 200, "headers": list(self.headers)})
        await send({"type": "http.response.body", "body": b"let in"})


@pytest.fixture
def provider(pair):
    return BearerAuthProvider(pair.public_key, issuer=ISSUER, audience=AUDIENCE, required_scopes=["read"])


@pytest.fixture(params=GUARDS)
def guard(request):
    return GUARDS[request.param]


def ask(app, headers, messages=EMPTY, method="OPTIONS", path="/mcp", **more):
    """Status and headers."""
    sent, queue = [], list(messages)

    async def receive():
        return queue.pop(0) if queue else {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    asyncio.run(app({"type": "http", "method": method, "path": path, "headers": headers, **more}, receive, send))
    said = [(name.decode(), value.decode()) for name, value in sent[0]["headers"]]
    return sent[0]["status"], said


def test_a_preflight_is_passed_on_with_what_cors_needs_and_nothing_else(guard, provider):
    app = Reader()
    needed = [*PREFLIGHT, (b"access-control-request-headers", b"authorization"), (b"host", b"mcp.example.com")]
    needed.append((b"access-control-request-private-network", b"true"))
    other = [(b"cookie", b"a=b"), (b"x-forwarded-user", b"admin"), (b"mcp-session-id", b"stolen"), (b"accept", b"*/*")]
    state = {"access_token": "of somebody else", "database": 7}
    stale = {"user": "alice", "auth": ["read"], "state": state, "root_path": ""}
    assert ask(BearerAuthMiddleware(app, provider, **guard), [*other, *needed], **stale)[0] == 200
    (scope,) = app.scopes
    assert sorted(scope["headers"]) == sorted(needed)
    assert scope["state"] == {"database": 7}
    assert {"user", "auth"}.isdisjoint(scope)
    assert scope["root_path"] == ""
    assert app.received == EMPTY
    # Other references to the request see no change.
    assert state["access_token"] == "of somebody else"


def test_header_names_are_read_without_case(guard, provider):
    app = Reader()
    guarded = BearerAuthMiddleware(app, provider, **guard)
    mixed = [(b"Origin", ORIGIN[1]), (b"Access-Control-Request-Method", b"POST")]
    assert ask(guarded, mixed)[0] == 200
    # HTTP/2 sends them in lower case, and ASGI allows any pair of bytes.
    assert ask(guarded, [list(pair) for pair in PREFLIGHT])[0] == 200
    assert ask(guarded, [*mixed, (b"AUTHORIZATION", b"")])[0] == 401
    assert len(app.scopes) == 2


@pytest.mark.parametrize(
    ("label", "headers"),
    [
        ("no headers", []),
        ("no origin", [METHOD]),
        ("an empty origin", [(b"origin", b""), METHOD]),
        ("two origins", [ORIGIN, ORIGIN, METHOD]),
        ("no method", [ORIGIN]),
        ("an empty method", [ORIGIN, (METHOD[0], b"")]),
        ("no method name", [ORIGIN, (METHOD[0], b"a b")]),
        ("a method that is not ASCII", [ORIGIN, (METHOD[0], b"P\xc3\xb6ST")]),
        ("two methods", [ORIGIN, METHOD, METHOD]),
        ("a bad token", [*PREFLIGHT, (b"authorization", b"Bearer a.b.c")]),
        ("an empty credential", [*PREFLIGHT, (b"authorization", b"")]),
        ("another scheme", [*PREFLIGHT, (b"authorization", b"Basic YTpi")]),
        ("a header that is none", [*PREFLIGHT, (b"a b", b"c")]),
        ("a value that is none", [*PREFLIGHT, (b"a", b"b\r\nc: d")]),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
@pytest.mark.parametrize("choice", ["pass_on", Cors.any_origin()], ids=["pass_on", "answer"])
def test_any_other_options_is_judged_as_any_request(label, headers, choice, guard, provider):
    app = Reader()
    status, _ = ask(BearerAuthMiddleware(app, provider, preflight=choice, **guard), headers)
    # The layer of operations refuses a request that is not HTTP.
    expected = 400 if guard and label.endswith("that is none") else 401
    assert (status, app.scopes) == (expected, []), label


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "HEAD", "options", "OPTIONS "])
def test_another_method_is_judged_as_any_request(method, guard, provider):
    app = Reader()
    json = (b"content-type", b"application/json")
    status, _ = ask(BearerAuthMiddleware(app, provider, **guard), [*PREFLIGHT, json], WITH_BODY, method=method)
    # The layer of operations refuses a request that is not HTTP, and a body that is not an MCP message.
    is_refused_before = method == "OPTIONS " or (method == "POST" and "operations" in guard)
    assert status == (400 if guard and is_refused_before else 401)
    assert app.scopes == []


@pytest.mark.parametrize("messages", [WITH_BODY, STREAMED, GONE], ids=["body", "stream", "gone"])
@pytest.mark.parametrize("choice", ["pass_on", Cors.any_origin()], ids=["pass_on", "answer"])
def test_a_body_makes_it_no_preflight(messages, choice, guard, provider):
    app = Reader()
    assert ask(BearerAuthMiddleware(app, provider, preflight=choice, **guard), PREFLIGHT, messages)[0] == 401
    assert app.scopes == []


@pytest.mark.parametrize(
    "announced",
    [
        (b"content-length", b"5"),
        (b"Content-Length", b" 5"),
        (b"content-length", b""),
        (b"transfer-encoding", b"chunked"),
        (b"Transfer-Encoding", b""),
    ],
    ids=str,
)
@pytest.mark.parametrize("choice", ["pass_on", Cors.any_origin()], ids=["pass_on", "answer"])
def test_a_body_that_headers_announce_is_not_waited_for(announced, choice, guard, provider):
    app, received = Reader(), []

    async def run():
        sent = []

        async def send(message):
            sent.append(message)

        async def receive():
            received.append(None)
            await asyncio.sleep(60)

        scope = {"type": "http", "method": "OPTIONS", "path": "/mcp", "headers": [*PREFLIGHT, announced]}
        await BearerAuthMiddleware(app, provider, preflight=choice, **guard)(scope, receive, send)
        return sent[0]["status"]

    assert asyncio.run(run()) in (400, 401)
    assert (app.scopes, received) == ([], [])


def test_a_length_of_nothing_announces_no_body(guard, provider):
    app = Reader()
    empty = (b"content-length", b"0")
    assert ask(BearerAuthMiddleware(app, provider, **guard), [*PREFLIGHT, empty])[0] == 200
    assert ask(BearerAuthMiddleware(app, provider, **guard), [*PREFLIGHT, empty], WITH_BODY)[0] == 401
    assert len(app.scopes) == 1


def test_a_body_that_may_come_is_waited_for_a_limited_time(provider):
    app = Reader()

    async def status(guard):
        sent = []

        async def send(message):
            sent.append(message)

        async def never():
            await asyncio.sleep(60)

        scope = {"type": "http", "method": "OPTIONS", "path": "/mcp", "headers": PREFLIGHT}
        await BearerAuthMiddleware(app, provider, **guard)(scope, never, send)
        return sent[0]["status"]

    async def run():
        return await asyncio.gather(*(status(guard) for guard in GUARDS.values()))

    started = time.monotonic()
    assert asyncio.run(run()) == [401] * len(GUARDS)
    assert 4.5 < time.monotonic() - started < 20
    assert app.scopes == []


def test_what_comes_behind_the_empty_body_is_not_passed_on(guard, provider):
    seen = []

    async def app(scope, receive, send):
        seen.extend([await receive(), await receive()])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    assert ask(BearerAuthMiddleware(app, provider, **guard), PREFLIGHT, [*EMPTY, *WITH_BODY])[0] == 200
    assert seen == [*EMPTY, *GONE]


def test_options_with_a_good_token_is_accepted(provider, pair):
    app = Reader()
    token = (b"authorization", b"Bearer " + make_token(pair).encode())
    assert ask(BearerAuthMiddleware(app, provider), [*PREFLIGHT, token], WITH_BODY)[0] == 200
    assert app.scopes[0]["state"]["access_token"].client_id == "alice"
    assert app.received == WITH_BODY


@pytest.mark.parametrize("messages", [EMPTY, WITH_BODY, STREAMED, GONE], ids=["empty", "body", "stream", "gone"])
def test_the_middleware_can_refuse_them(messages, guard, provider):
    app = Reader()
    refusing = BearerAuthMiddleware(app, provider, preflight="refuse", **guard)
    stale = {"user": "alice", "auth": ["read"], "state": {"access_token": "of somebody else"}}
    for headers in (PREFLIGHT, [*PREFLIGHT, (b"host", b"mcp.example.com")]):
        assert ask(refusing, headers, messages, **stale)[0] == 401
    assert app.scopes == []


@pytest.mark.parametrize("choice", ["pass_on", "refuse", Cors.any_origin()], ids=["pass_on", "refuse", "answer"])
def test_options_with_the_assertion_of_a_proxy_is_judged_by_it(choice, provider, pair):
    app = Reader()
    guarded = BearerAuthMiddleware(app, provider, preflight=choice, token_header="X-Assertion")
    name = b"X-ASSERTION"
    assert ask(guarded, [*PREFLIGHT, (name, make_token(pair).encode())])[0] == 200
    (scope,) = app.scopes
    assert scope["state"]["access_token"].client_id == "alice"
    # Headers that a preflight would have lost.
    assert ask(guarded, [*PREFLIGHT, (name, make_token(pair).encode()), (b"accept", b"*/*")])[0] == 200
    assert (b"accept", b"*/*") in app.scopes[1]["headers"]

    for bad in (b"a.b.c", b""):
        assert ask(guarded, [*PREFLIGHT, (name, bad)], EMPTY)[0] in (400, 401)
    assert len(app.scopes) == 2


async def test_a_body_beside_an_assertion_is_left_to_the_layer(provider, pair):
    """The check for preflights takes no message of it."""
    received, sent = [], []

    async def receive():
        received.append(None)
        return EMPTY[0]

    async def send(message):
        sent.append(message)

    guarded = BearerAuthMiddleware(Reader(), provider, token_header="X-Assertion")
    headers = [*PREFLIGHT, (b"x-assertion", b"a.b.c")]
    await guarded({"type": "http", "method": "OPTIONS", "path": "/mcp", "headers": headers}, receive, send)
    assert (sent[0]["status"], received) == (401, [])


@pytest.mark.parametrize(
    ("cors", "origin", "allowed"),
    [
        (Cors(["https://app.example.com"]), "https://app.example.com", "https://app.example.com"),
        (Cors(["https://app.example.com"]), "https://evil.example.com", None),
        (Cors(["https://app.example.com"]), "null", None),
        (Cors.any_origin(), "https://evil.example.com", "*"),
    ],
)
def test_the_middleware_can_answer_them(cors, origin, allowed, guard, provider, pair):
    app = Reader([(b"Access-Control-Allow-Origin", b"https://wrong.example.com"), (b"Vary", b"Accept"), (b"X-Own", b"1")])
    guarded = BearerAuthMiddleware(app, provider, preflight=cors, **guard)
    asked = (b"Origin", origin.encode())
    status, said = ask(guarded, [asked, METHOD])
    assert (status, app.scopes) == (204, [])
    assert [value for name, value in said if name == "access-control-allow-origin"] == [allowed] * (allowed is not None)
    assert ("access-control-allow-methods" in dict(said)) == (allowed is not None)
    assert [value for name, value in said if name == "vary"] == ["Origin"]
    assert "access-control-allow-credentials" not in dict(said)

    # Every other answer says the same: a script could not read the challenge otherwise.
    name, scheme = (b"x-assertion", b"") if "token_header" in guard else (b"authorization", b"Bearer ")
    message = [{"type": "http.request", "body": b'{"jsonrpc":"2.0","id":1,"method":"ping"}'}]
    for token, expected in [(b"a.b.c", 401), (make_token(pair).encode(), 200)]:
        headers = [asked, (name, scheme + token), (b"content-type", b"application/json")]
        status, said = ask(guarded, headers, message, method="POST")
        assert status == expected
        origins = [value for name, value in said if name.lower() == "access-control-allow-origin"]
        assert origins == [allowed] * (allowed is not None)
        exposed = [value for name, value in said if name == "access-control-expose-headers"]
        assert len(exposed) == (allowed is not None or expected == 401)
        assert allowed is None or "Mcp-Session-Id" in exposed[0]
        if expected == 200:
            small = [(name.lower(), value) for name, value in said]
            assert {("vary", "Accept"), ("vary", "Origin"), ("x-own", "1")} <= set(small)


def test_the_document_is_for_pages_of_any_origin(provider):
    cors = Cors(["https://app.example.com"])
    guarded = BearerAuthMiddleware(Reader(), provider, resource=AUDIENCE, authorization_servers=[ISSUER], preflight=cors)
    status, said = ask(guarded, [(b"origin", b"https://other.example.com")], method="GET", path=METADATA_PATH)
    assert (status, dict(said)["access-control-allow-origin"]) == (200, "*")


@pytest.mark.parametrize("bad", ["https://app.example.com/", "app.example.com", "*", "null", "https://App.example.com", "", " "])
def test_an_origin_that_no_browser_sends_is_refused(bad):
    for origins in (bad, [bad], ["https://app.example.com", bad]):
        with pytest.raises(ValueError, match="preflight"):
            Cors(origins)


def test_an_empty_choice_is_refused(provider):
    with pytest.raises(ValueError, match="preflight"):
        Cors([])
    for nothing in ("", None, [], "Pass_On", object()):
        with pytest.raises(ValueError, match="preflight"):
            BearerAuthMiddleware(Reader(), provider, preflight=nothing)
