"""Rules for single operations: what the peer sees, and what the server behind them sees."""

import asyncio
import base64
import hashlib
import json
import time

import pytest
from conftest import AUDIENCE, ISSUER, JWKS_URI, CountingFetch, make_jwks
from operations import LIST, Answer, Server, ask, asked, call, guarded, token_of

from mcp_bearer import BearerAuthProvider
from mcp_bearer.asgi import BearerAuthMiddleware
from mcp_bearer.operations import OperationRule, OperationRules

RULES = OperationRules(
    [
        OperationRule("tools/call", name="delete_*", scopes=["admin"]),
        OperationRule("tools/call", name="secret_*", scopes="secret", hide=True),
    ],
    unmatched="allow",
)
OPEN = OperationRules(
    [OperationRule("tools/list", anonymous=True), OperationRule("tools/call", name="delete_*", scopes=["admin"])],
    unmatched="allow",
)
METADATA = "/.well-known/oauth-protected-resource/mcp"


def test_a_call_that_lacks_a_scope_is_403_with_what_it_needs(pair):
    server = Server()
    app = guarded(pair, server, RULES)
    answer = ask(app, call("delete_x"), token_of(pair, "read"))
    assert (answer.status, json.loads(answer.body)["error"]) == (403, "insufficient_scope")
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith('Bearer error="insufficient_scope", scope="read admin", resource_metadata="https://mcp.')
    assert server.bodies == []
    answer = ask(app, call("delete_x"), token_of(pair, "read admin"))
    assert (answer.status, server.bodies) == (200, [call("delete_x")])
    access = server.scopes[0]["state"]["access_token"]
    assert (access.client_id, access.scopes) == ("alice", ["read", "admin"])
    document = ask(app, b"", method="GET", path=METADATA)
    assert json.loads(document.body)["scopes_supported"] == ["read", "admin"]


def test_tokens_are_checked_as_without_rules(pair, other_pair, log):
    server = Server()
    app = guarded(pair, server, RULES)
    for token, status in [
        (None, 401),
        (token_of(other_pair, "read"), 401),
        (token_of(pair, "read", expires_in_seconds=-3600), 401),
        (token_of(pair, "other"), 403),
        ("x,y", 401),
    ]:
        assert ask(app, LIST, token).status == status
    assert ask(app, LIST, token_of(pair, "read"), headers=[(b"authorization", b"Bearer x")]).status == 400
    assert server.bodies == []
    assert "request denied: expired" in log.text


def test_lists_show_what_the_caller_may_use(pair):
    whole = b'{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"add"},{"name":"secret_x"}]}}'
    shown = b'{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"add"}]}}'
    length = [(b"content-length", str(len(whole)).encode()), (b"etag", b'"x"')]
    app = guarded(pair, Server(whole[:30], whole[30:], headers=length), RULES)
    answer = ask(app, LIST, token_of(pair, "read"))
    assert (answer.status, answer.body) == (200, shown)
    assert (answer.headers["content-length"], answer.headers["cache-control"]) == (str(len(shown)), "private")
    assert "etag" not in answer.headers
    answer = ask(app, LIST, token_of(pair, "read secret"))
    assert answer.body == whole
    events = Server(b"data: " + whole + b"\n\n", b": ping\n\n", kind=b"text/event-stream")
    answer = ask(guarded(pair, events, RULES), LIST, token_of(pair, "read"))
    assert answer.body == b"data: " + shown + b"\n\n: ping\n\n"
    answer = ask(app, call("secret_x"), token_of(pair, "read"))
    assert (answer.status, answer.error()["code"]) == (200, -32602)


def test_a_list_that_cannot_be_read_is_not_passed_on(pair, log):
    for server in (
        Server(b'{"result":{"tools":[', kind=b"application/json"),
        Server(b"secret_x", headers=[(b"content-encoding", b"gzip")]),
        Server(b"secret_x", kind=b"text/html"),
    ):
        answer = ask(guarded(pair, server, RULES), LIST, token_of(pair, "read"))
        assert (answer.status, b"secret_x" in answer.body) == (502, False)
        assert [record.levelname for record in log.records] == ["WARNING"]
        assert "the server's answer was not passed on: the server's answer" in log.text
        log.clear()


def test_an_event_that_cannot_be_read_is_replaced_and_logged_once(pair, log):
    bad = b'data: {"jsonrpc":"2.0","id":1,"result":{"tools":[],"tools":[{"name":"secret_x"}]}}\n\n'
    good = b'data: {"jsonrpc":"2.0","id":1,"result":{"tools":[]}}\n\n'
    server = Server(bad, good, bad, kind=b"text/event-stream")
    answer = ask(guarded(pair, server, RULES), LIST, token_of(pair, "read"))
    assert (answer.status, b"secret_x" in answer.body, answer.body.count(b"-32603")) == (200, False, 2)
    told = [(record.levelname, record.getMessage()) for record in log.records]
    assert told == [("WARNING", "the server's answer was not passed on: a list that is not strict JSON")]


def test_an_event_is_sent_when_it_is_there(pair):
    """Neither the head nor an event waits for the next one."""

    async def run():
        go_on, sent = asyncio.Event(), []

        async def stream(scope, receive, send):
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
            await go_on.wait()
            for data in (b"data: {}\n\n", b"data: 2\n\n"):
                await send({"type": "http.response.body", "body": data, "more_body": True})
                go_on.clear()
                await go_on.wait()
            await send({"type": "http.response.body", "body": b""})

        async def send(message):
            sent.append(message)

        async def receive():
            await asyncio.sleep(60)

        headers = [(b"authorization", f"Bearer {token_of(pair, 'read')}".encode())]
        scope = {"type": "http", "method": "GET", "path": "/mcp", "headers": headers}
        task = asyncio.create_task(guarded(pair, stream, RULES)(scope, receive, send))
        for number in range(1, 4):
            for _ in range(1000):
                if len(sent) >= number:
                    break
                await asyncio.sleep(0.005)
            assert len(sent) == number, sent
            go_on.set()
        await task
        return sent

    assert Answer(asyncio.run(run())).body == b"data: {}\n\ndata: 2\n\n"


def test_sessions_belong_to_their_users(pair):
    server = Server(headers=[(b"mcp-session-id", b"own")])
    app = guarded(pair, server, RULES)
    alice, bob = token_of(pair, "read"), token_of(pair, "read", subject="bob")
    session = ask(app, LIST, alice).headers["mcp-session-id"].encode()
    assert session.startswith(b"own.") and session != b"own"
    refreshed = token_of(pair, "read write")
    assert ask(app, LIST, refreshed, headers=[(b"mcp-session-id", session)]).status == 200
    assert dict(server.scopes[-1]["headers"])[b"mcp-session-id"] == b"own"
    calls = len(server.bodies)
    for token, value in [(bob, session), (alice, b"own"), (alice, session[:-1] + b"!"), (alice, b"")]:
        for method, body in (("POST", LIST), ("GET", b""), ("DELETE", b"")):
            answer = ask(app, body, token, method, headers=[(b"mcp-session-id", value)])
            assert (answer.status, answer.error()["message"]) == (404, "Session not found")
    twice = [(b"mcp-session-id", session)] * 2
    assert ask(app, LIST, alice, headers=twice).status == 400
    assert len(server.bodies) == calls


def test_event_ids_belong_to_their_users(pair):
    app = guarded(pair, Server(b"id: 7\ndata: {}\n\n", kind=b"text/event-stream"), RULES)
    alice, bob = token_of(pair, "read"), token_of(pair, "read", subject="bob")
    event = ask(app, b"", alice, "GET").body.split(b"\n")[0].removeprefix(b"id: ")
    assert event.startswith(b"7.")
    assert ask(app, b"", alice, "GET", headers=[(b"last-event-id", event)]).status == 200
    assert ask(app, b"", bob, "GET", headers=[(b"last-event-id", event)]).status == 404


def test_replicas_share_keys_and_keys_rotate(pair, tmp_path):
    old, new = "o" * 32, b"n" * 32
    server = Server(headers=[(b"mcp-session-id", b"own")])
    token = token_of(pair, "read")

    def begin(**keys):
        return ask(guarded(pair, server, RULES, **keys), LIST, token).headers["mcp-session-id"].encode()

    def goes_on(session, **keys):
        return ask(guarded(pair, server, RULES, **keys), LIST, token, headers=[(b"mcp-session-id", session)]).status

    session = begin(session_keys=old)
    assert goes_on(session, session_keys=old) == 200
    assert goes_on(session, session_keys=[new, old]) == 200
    assert goes_on(session, session_keys=[new]) == 404
    assert goes_on(session) == 404
    (tmp_path / "keys").write_text(f"{new.decode()}\n{old}\n")
    assert goes_on(session, session_keys_file=tmp_path / "keys") == 200
    # Without rules, sessions are still bound.
    bound = ask(guarded(pair, server, None, session_keys=old), LIST, token).headers["mcp-session-id"]
    assert bound.startswith("own.")


def test_an_anonymous_operation_needs_no_token(pair):
    server = Server(b'{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}')
    app = guarded(pair, server, OPEN)
    assert ask(app).status == 200
    assert server.scopes[0]["state"]["access_token"] is None
    answer = ask(app, call("delete_x"))
    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith('Bearer scope="read admin", resource_metadata=')
    assert ask(app, LIST, "bad").status == 401
    assert ask(app, b"", method="GET").status == 401
    assert ask(app, LIST + b" " * 64 * 1024).status == 413
    assert len(server.bodies) == 1


def test_nothing_of_another_middleware_stands_for_a_caller_without_a_token(pair):
    server = Server(b'{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}')
    state = {"access_token": "of somebody else", "database": 7}
    assert ask(guarded(pair, server, OPEN), user="alice", auth=["read"], state=state).status == 200
    (scope,) = server.scopes
    assert {"user", "auth"}.isdisjoint(scope)
    assert scope["state"] == {"access_token": None, "database": 7}
    assert state["access_token"] == "of somebody else"


def test_the_assertion_of_a_proxy_is_read_from_its_header(pair):
    server = Server()
    app = guarded(pair, server, RULES, token_header="X-Assertion")
    token = token_of(pair, "read")
    answer = ask(app, LIST, "ignored", headers=[(b"x-assertion", token.encode())])
    assert answer.status == 200
    assert {b"x-assertion", b"authorization"}.isdisjoint(dict(server.scopes[0]["headers"]))
    answer = ask(app, LIST, token)
    assert (answer.status, "www-authenticate" in answer.headers) == (401, False)
    for header in ("Cookie", "a b"):
        with pytest.raises(ValueError, match="token_header"):
            guarded(pair, server, RULES, token_header=header)
    anybody = BearerAuthProvider(pair.public_key)
    with pytest.raises(ValueError, match="token_header"):
        BearerAuthMiddleware(server, anybody, token_header="X-Assertion")


def test_what_cannot_work_is_refused_whole(pair):
    rule = OperationRule("tool/call", name="", scopes=["a b"])
    with pytest.raises(ValueError) as raised:
        OperationRules([rule], tasks="bound")
    for part in ("tasks: must be", "unmatched: must be decided", "rule 1: method: ", "rule 1: name: is empty", "rule 1: scopes: "):
        assert part in str(raised.value)
    with pytest.raises(TypeError):
        OperationRules([{"method": "tools/call"}], unmatched="allow")
    for keys in ("short", [], [b"x" * 31]):
        with pytest.raises(ValueError, match="session_keys: "):
            guarded(pair, Server(), RULES, session_keys=keys)
    with pytest.raises(ValueError, match="given together"):
        guarded(pair, Server(), RULES, session_keys="k" * 32, session_keys_file="keys")


class Subclass(BearerAuthProvider):
    async def verify_token(self, token):
        return await super().verify_token(token)


class Hook(BearerAuthProvider):
    def _extract_scopes(self, claims):
        return ["admin"]


@pytest.mark.parametrize("kind", [Subclass, Hook])
def test_a_provider_that_python_decides_for_has_no_rules(kind, pair):
    with pytest.raises(ValueError, match="overridden"):
        BearerAuthMiddleware(Server(), kind(pair.public_key, issuer=ISSUER, audience=AUDIENCE), operations=RULES)
    provider = BearerAuthProvider(pair.public_key, issuer=ISSUER, audience=AUDIENCE)
    server = Server()
    app = BearerAuthMiddleware(server, provider, operations=RULES)
    provider._extract_scopes = lambda claims: ["admin"]
    assert ask(app, LIST, token_of(pair, "read")).status == 503
    assert server.bodies == []


def test_attributes_count_with_their_values_at_the_request(pair, other_pair):
    app = guarded(pair, Server(), RULES)
    token = token_of(other_pair, "read write")
    assert ask(app, LIST, token).status == 401
    app.provider.public_key = other_pair.public_key
    assert ask(app, LIST, token).status == 200
    app.provider.required_scopes = ["write", "more"]
    assert ask(app, LIST, token).status == 403


def test_a_request_waits_for_keys(pair):
    fetch = CountingFetch(make_jwks((pair, None)), seconds=0.2)
    provider = BearerAuthProvider(jwks_uri=JWKS_URI, fetch=fetch, issuer=ISSUER, audience=AUDIENCE)
    server = Server()
    app = BearerAuthMiddleware(server, provider, operations=RULES)

    async def both():
        token = token_of(pair, "read")
        return await asyncio.gather(asked(app, LIST, token), asked(app, call("delete_x"), token))

    assert [answer.status for answer in asyncio.run(both())] == [200, 403]
    assert (server.bodies, len(fetch.urls)) == ([LIST], 1)
    broken = BearerAuthProvider(jwks_uri=JWKS_URI, fetch=CountingFetch(b"<html>"), issuer=ISSUER, audience=AUDIENCE)
    answer = ask(BearerAuthMiddleware(server, broken, operations=RULES), LIST, token_of(pair, "read"))
    assert (answer.status, "retry-after" in answer.headers) == (503, True)


def test_concurrent_requests_do_not_mix(pair):
    class Slow(Server):
        async def __call__(self, scope, receive, send):
            await asyncio.sleep(0.01)
            user = scope["state"]["access_token"].client_id.encode()
            message = await receive()
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
            await asyncio.sleep(0.01)
            body = b'{"result":{"user":"%b","got":%b}}' % (user, message["body"])
            await send({"type": "http.response.body", "body": body})

    app = guarded(pair, Slow(), RULES)

    async def run():
        users = [f"user-{number}" for number in range(20)]
        answers = await asyncio.gather(
            *(asked(app, call(user), token_of(pair, "read", subject=user)) for user in users)
        )
        for user, answer in zip(users, answers, strict=True):
            result = json.loads(answer.body)["result"]
            assert (result["user"], result["got"]["params"]["name"]) == (user, user)

    asyncio.run(run())


def test_a_client_that_leaves_or_is_slow(pair, monkeypatch):
    from mcp_bearer import _native, _operations_guard

    server = Server()
    app = guarded(pair, server, RULES)
    headers = [(b"content-type", b"application/json"), (b"authorization", f"Bearer {token_of(pair, 'read')}".encode())]
    scope = {"type": "http", "method": "POST", "path": "/mcp", "headers": headers}

    async def run(receive):
        sent = []

        async def send(message):
            sent.append(message)

        await app(scope, receive, send)
        return sent

    async def left():
        return {"type": "http.disconnect"}

    assert asyncio.run(run(left)) == []

    async def never():
        await asyncio.sleep(60)

    assert _native.BODY_SECONDS == [10.0, 5.0]
    started = time.monotonic()
    assert _operations_guard is not None
    answer = Answer(asyncio.run(run(never)))
    assert answer.status == 408
    assert 9 < time.monotonic() - started < 15
    assert server.bodies == []


def test_a_body_has_its_time_wherever_the_credential_is_and_one_wait(pair):
    """A wait that ends before the layer's time is up would be repeated."""
    token = token_of(pair, "read").encode()
    bearer, assertion = (b"authorization", b"Bearer " + token), (b"x-assertion", token)

    async def slow(app, *credential):
        sent, received = [], []

        async def receive():
            received.append(None)
            await asyncio.sleep(60)

        async def send(message):
            sent.append(message)

        headers = [(b"content-type", b"application/json"), *credential]
        started = time.monotonic()
        await app({"type": "http", "method": "POST", "path": "/mcp", "headers": headers}, receive, send)
        return sent[0]["status"], len(received), time.monotonic() - started

    async def run():
        by_proxy = guarded(pair, Server(), OPEN, token_header="X-Assertion")
        return await asyncio.gather(slow(guarded(pair, Server(), OPEN), bearer), slow(by_proxy, assertion), slow(by_proxy))

    answers = asyncio.run(run())
    assert [(status, waits) for status, waits, _ in answers] == [(408, 1)] * 3
    for (_, _, seconds), limit in zip(answers, (10, 10, 5), strict=True):
        assert limit <= seconds < limit + 4


def test_what_goes_over_a_websocket_cannot_be_judged(pair):
    sent = []

    async def send(message):
        sent.append(message)

    headers = [(b"authorization", f"Bearer {token_of(pair, 'read')}".encode())]
    asyncio.run(guarded(pair, Server(), RULES)({"type": "websocket", "path": "/mcp", "headers": headers}, None, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_hostile_requests_are_answered(pair):
    server = Server()
    app = guarded(pair, server, RULES)
    token = token_of(pair, "read")
    for headers in ([(b"bad name", b"x")], [(b"x", b"a\nb")], [(b"content-length", b"-1")], [(b"content-length", b"x")]):
        assert ask(app, LIST, token, headers=headers).status == 400
    assert ask(app, LIST, token, method="P\xd6ST").status == 400
    assert ask(app, LIST, token, headers=[(b"content-length", b"99999999")]).status == 413
    assert ask(app, b"a" * (5 * 1024 * 1024), token, size=1024 * 1024).status == 413
    assert ask(app, LIST, token, headers=[(b"content-encoding", b"gzip")]).status == 415
    assert ask(app, b"", token, method="PUT").status == 405
    assert server.bodies == []


def test_what_an_app_sends_besides_is_no_way_around(pair):
    async def app(scope, receive, send):
        assert scope["extensions"] == {}
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.pathsend", "path": "/etc/hostname"})

    with pytest.raises(RuntimeError, match="pathsend"):
        ask(guarded(pair, app, RULES), LIST, token_of(pair, "read"), extensions={"http.response.pathsend": {}})


def test_a_rule_whose_scopes_are_set_to_nothing_is_refused():
    with pytest.raises(ValueError, match="set to nothing"):
        OperationRules([OperationRule("tools/call", name="delete_*", scopes=[])], unmatched="allow")
    OperationRules([OperationRule("tools/call", name="delete_*")], unmatched="allow")


def hash_of(body: bytes) -> dict:
    digest = base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()
    return {"additional_claims": {"body_sha256": digest}}


@pytest.mark.parametrize("rules", [RULES, None])
def test_a_token_works_with_its_own_body_only(pair, rules):
    server = Server()
    app = guarded(pair, server, rules, require_body_hash=True)
    own, other = call("add"), call("sub")
    token = token_of(pair, "read", **hash_of(own))
    assert ask(app, own, token).status == 200
    assert server.bodies == [own]
    for body, token in [(other, token), (own + b" ", token), (b"", token), (own, token_of(pair, "read"))]:
        answer = ask(app, body, token)
        assert (answer.status, 'error="invalid_token"' in answer.headers["www-authenticate"]) == (401, True)
    assert ask(app, b"", token_of(pair, "read"), "GET").status == 200
    assert ask(app, b"", token_of(pair, "read", **hash_of(own)), "GET").status == 401
    assert len(server.bodies) == 2
    plain = guarded(pair, server, rules, session_keys="k" * 32)
    assert ask(plain, other, token_of(pair, "read", **hash_of(own))).status == 200


def test_the_hash_is_required_or_not(pair):
    for wrong in ("yes", 1, None):
        with pytest.raises(TypeError, match="require_body_hash"):
            guarded(pair, Server(), RULES, require_body_hash=wrong)


def test_a_rule_that_opens_every_tool_says_so():
    with pytest.raises(ValueError, match=r'name: is missing.*write "\*"'):
        OperationRules([OperationRule("tools/call", anonymous=True)], unmatched="allow")
    OperationRules([OperationRule("tools/call", name="*", anonymous=True)], unmatched="allow")
