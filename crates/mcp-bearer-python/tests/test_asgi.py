"""The middleware: what the peer sees, and what the app behind it sees."""

import asyncio
import json
import logging
from pathlib import Path

import pytest
from conftest import AUDIENCE, ISSUER, JWKS_URI, CountingFetch, make_token

from mcp_bearer import BearerAuthProvider, Rejection, _native
from mcp_bearer.asgi import BearerAuthMiddleware

WIRE = Path(__file__).parents[3] / "vectors" / "wire"
METADATA_PATH = "/.well-known/oauth-protected-resource/mcp"


class Recorder:
    """An app that remembers its requests."""

    def __init__(self):
        self.scopes = []

    async def __call__(self, scope, receive, send):
        self.scopes.append(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"let in"})


def ask(app, *authorization, method="POST", path="/mcp", headers=(), kind="http", **more):
    """Status, headers and body."""
    sent = []

    async def send(message):
        sent.append(message)

    values = [(b"Authorization", value.encode("latin-1")) for value in authorization]
    scope = {"type": kind, "method": method, "path": path, "headers": [*values, *headers], **more}
    asyncio.run(app(scope, None, send))
    if kind == "websocket":
        return sent
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}, body.decode()


@pytest.fixture
def provider(pair):
    return BearerAuthProvider(pair.public_key, issuer=ISSUER, audience=AUDIENCE, required_scopes=["read"])


def test_a_good_token_is_accepted_and_the_app_sees_whose_it_is(provider, pair):
    app = Recorder()
    token = make_token(pair)
    for value in (f"Bearer {token}", f"bearer   {token}"):
        assert ask(BearerAuthMiddleware(app, provider), value)[0] == 200
    access = app.scopes[0]["state"]["access_token"]
    assert (access.client_id, access.scopes) == ("alice", ["read", "write"])


def test_the_challenge_names_what_the_peer_must_request(pair):
    provider = BearerAuthProvider(
        pair.public_key,
        issuer=ISSUER,
        audience=AUDIENCE,
        required_scopes=["read", "admin"],
        requested_scope_prefix="api://id/",
        requested_scopes={"admin": "urn:admin"},
    )
    guarded = BearerAuthMiddleware(Recorder(), provider, resource=AUDIENCE, authorization_servers=[ISSUER])
    asked = 'scope="api://id/read urn:admin"'
    assert asked in ask(guarded)[1]["www-authenticate"]
    assert asked in ask(guarded, "Bearer nonsense")[1]["www-authenticate"]
    status, headers, _ = ask(guarded, f"Bearer {make_token(pair)}")
    assert status == 403 and asked in headers["www-authenticate"]
    assert ask(guarded, f"Bearer {make_token(pair, scopes=['read', 'admin'])}")[0] == 200
    document = json.loads(ask(guarded, method="GET", path=METADATA_PATH)[2])
    assert document["scopes_supported"] == ["api://id/read", "urn:admin"]
    own = BearerAuthMiddleware(Recorder(), provider, required_scopes=["other"])
    assert 'scope="api://id/other"' in ask(own)[1]["www-authenticate"]
    # Later assignments count.
    provider.requested_scope_prefix = None
    assert 'scope="read urn:admin"' in ask(guarded)[1]["www-authenticate"]


def test_refusals(provider, pair):
    app = Recorder()
    guarded = BearerAuthMiddleware(app, provider, resource=AUDIENCE, authorization_servers=[ISSUER])
    metadata = f'resource_metadata="https://mcp.example.com{METADATA_PATH}"'
    assert ask(guarded)[:2] == (
        401,
        {
            "www-authenticate": f'Bearer scope="read", {metadata}',
            "content-length": "0",
            "cache-control": "no-store",
            "access-control-expose-headers": "WWW-Authenticate",
        },
    )
    status, headers, body = ask(guarded, "Bearer " + make_token(pair, expires_in_seconds=-3600))
    assert status == 401
    assert headers["www-authenticate"].startswith(f'Bearer error="invalid_token", scope="read", {metadata}, error_desc')
    assert json.loads(body)["error"] == "invalid_token"
    status, headers, body = ask(guarded, "Bearer " + make_token(pair, scopes=["write"]))
    assert (status, json.loads(body)["error"]) == (403, "insufficient_scope")
    assert ask(guarded, "Bearer a.b.c", "Bearer a.b.c")[0] == 400
    assert ask(guarded, "Bearer " + "a" * 20_000)[0] == 400
    assert app.scopes == []


def test_missing_keys_are_not_the_caller_s_fault(token):
    provider = BearerAuthProvider(jwks_uri=JWKS_URI, fetch=CountingFetch(b"<html>"))
    status, headers, body = ask(BearerAuthMiddleware(Recorder(), provider), f"Bearer {token}")
    assert (status, body) == (503, '{"error":"temporarily_unavailable"}')
    assert int(headers["retry-after"]) >= 1
    assert "www-authenticate" not in headers


class Strict(BearerAuthProvider):
    async def load_access_token(self, token):
        access = await super().load_access_token(token)
        return access if access is not None and access.client_id == "bob" else None


class Stricter(BearerAuthProvider):
    async def verify_token(self, token):
        access = await super().verify_token(token)
        return access if access is not None and access.client_id == "bob" else None


class Both(Stricter):
    async def verify_token(self, token):
        return await BearerAuthProvider.verify_token(self, token)

    async def verify_token_or_raise(self, token):
        access = await super().verify_token_or_raise(token)
        if access.client_id != "bob":
            raise Rejection(_native.Rejection.malformed())
        return access


@pytest.mark.parametrize("kind", [Strict, Stricter, Both])
def test_a_subclass_that_refuses_a_good_token_is_called(kind, pair):
    app = Recorder()
    guarded = BearerAuthMiddleware(app, kind(pair.public_key, issuer=ISSUER, audience=AUDIENCE))
    status, headers, body = ask(guarded, "Bearer " + make_token(pair))
    assert (status, json.loads(body)["error"]) == (401, "invalid_token")
    assert 'error="invalid_token"' in headers["www-authenticate"]
    assert app.scopes == []
    assert ask(guarded, "Bearer " + make_token(pair, subject="bob"))[0] == 200


def test_a_method_that_is_replaced_on_the_object_is_called_too(provider, pair):
    async def nobody(token):
        return None

    provider.load_access_token = nobody
    assert ask(BearerAuthMiddleware(Recorder(), provider), "Bearer " + make_token(pair))[0] == 401


@pytest.mark.parametrize("scopes", [KeyError("permissions"), None, 7, "read", [1]], ids=repr)
def test_a_hook_that_cannot_read_the_claims_refuses_the_token(scopes, pair, caplog):
    class Hook(BearerAuthProvider):
        def _extract_scopes(self, claims):
            if isinstance(scopes, Exception):
                raise scopes
            return scopes

    app, token = Recorder(), make_token(pair)
    with caplog.at_level(logging.INFO, logger="mcp_bearer"):
        status, _, body = ask(BearerAuthMiddleware(app, Hook(pair.public_key)), f"Bearer {token}")
    assert (status, json.loads(body)["error"]) == (401, "invalid_token")
    assert app.scopes == []
    assert "invalid_claim" in caplog.text and "_extract_scopes" in caplog.text
    assert not any(part in caplog.text + body for part in token.split("."))


def bad_leeway(provider):
    provider.leeway = 1e9


def bad_scopes(provider):
    provider.required_scopes.append("a b")


def broken_method(provider):
    async def fail(token):
        raise RuntimeError("the database of " + token)

    provider.verify_token = fail


def no_access_token(provider):
    async def answer(token):
        return True

    provider.load_access_token = answer


@pytest.mark.parametrize("spoil", [bad_leeway, bad_scopes, broken_method, no_access_token])
def test_a_provider_that_cannot_work_accepts_nobody_and_is_not_the_caller_s_fault(spoil, provider, pair, caplog):
    app = Recorder()
    guarded = BearerAuthMiddleware(app, provider)
    spoil(provider)
    status, headers, body = ask(guarded, "Bearer " + make_token(pair))
    assert (status, body) == (503, '{"error":"temporarily_unavailable"}')
    assert int(headers["retry-after"]) >= 1
    assert app.scopes == []
    assert "denied" in caplog.text
    assert ask(guarded)[0] == 401


def test_required_scopes_in_one_string(pair):
    for given in ("read write", "read,write", '["read", "write"]'):
        guarded = BearerAuthMiddleware(Recorder(), BearerAuthProvider(pair.public_key), required_scopes=given)
        assert ask(guarded, "Bearer " + make_token(pair))[0] == 200
        assert 'scope="read write"' in ask(guarded, "Bearer " + make_token(pair, scopes=["read"]))[1]["www-authenticate"]


def test_required_scopes_that_are_assigned_count_from_the_next_token_on(provider, pair):
    guarded = BearerAuthMiddleware(Recorder(), provider)
    provider.required_scopes = "read admin"
    assert provider.required_scopes == ["read", "admin"]
    assert ask(guarded, "Bearer " + make_token(pair))[0] == 403
    with pytest.raises(ValueError):
        provider.required_scopes = ["a b"]
    assert provider.required_scopes == ["read", "admin"]
    provider.required_scopes = None
    assert ask(guarded, "Bearer " + make_token(pair, scopes=[]))[0] == 200


def test_the_metadata_document_is_for_anyone(provider):
    app = Recorder()
    guarded = BearerAuthMiddleware(app, provider, resource=AUDIENCE, authorization_servers=[ISSUER])
    status, headers, body = ask(guarded, method="GET", path=METADATA_PATH)
    assert status == 200
    assert json.loads(body)["resource"] == AUDIENCE
    assert headers["cache-control"] == "public, max-age=3600"
    assert ask(guarded, method="HEAD", path=METADATA_PATH)[2] == ""
    assert ask(guarded, method="OPTIONS", path=METADATA_PATH)[0] == 200
    assert ask(guarded, method="POST", path=METADATA_PATH)[0] == 401
    assert app.scopes == []
    with pytest.raises(ValueError, match="authorization_servers"):
        BearerAuthMiddleware(app, provider, resource=AUDIENCE)
    for nothing in ("", " "):
        for name in ("resource", "resource_name", "resource_documentation", "required_scopes", "authorization_servers"):
            arguments = {"resource": AUDIENCE, "authorization_servers": ISSUER, name: nothing}
            with pytest.raises(ValueError):
                BearerAuthMiddleware(app, provider, **arguments)
    with pytest.raises(ValueError, match="authorization_servers"):
        BearerAuthMiddleware(app, provider, resource=AUDIENCE, authorization_servers=[])
    described = {"resource_name": "Files", "resource_documentation": "https://docs.example.com/"}
    guarded = BearerAuthMiddleware(app, provider, resource=AUDIENCE, authorization_servers=[ISSUER], **described)
    assert json.loads(ask(guarded, method="GET", path=METADATA_PATH)[2]).items() >= described.items()


@pytest.mark.parametrize(
    ("resource", "path", "root_path"),
    [
        ("https://h/mcp", METADATA_PATH, "/api"),
        ("https://h/mcp", f"/api{METADATA_PATH}", "/api"),
        ("https://h/mcp", f"/api{METADATA_PATH}", "/api/"),
        ("https://h/mcp", METADATA_PATH, "/"),
        ("https://h/a%20b/%C3%A9", "/.well-known/oauth-protected-resource/a b/é", ""),
        ("https://h/{x}", "/.well-known/oauth-protected-resource/{x}", ""),
    ],
)
def test_the_metadata_document_is_found_behind_a_root_path_and_by_its_decoded_path(resource, path, root_path, provider):
    guarded = BearerAuthMiddleware(Recorder(), provider, resource=resource, authorization_servers=[ISSUER])
    status, _, body = ask(guarded, method="GET", path=path, root_path=root_path)
    assert (status, json.loads(body or "{}").get("resource")) == (200, resource)
    assert ask(guarded, method="GET", path=f"/apix{path}", root_path="/api")[0] == 401
    assert ask(guarded, method="GET", path=f"/other{path}", root_path=root_path)[0] == 401


def test_one_authorization_server_is_a_list_of_one(pair):
    provider = BearerAuthProvider(pair.public_key, base_url="https://h/", authorization_servers=ISSUER)
    assert provider.authorization_servers == [ISSUER]
    for options in ({}, {"authorization_servers": ISSUER}, {"authorization_servers": (ISSUER,)}):
        guarded = BearerAuthMiddleware(Recorder(), provider, resource=AUDIENCE, **options)
        document = json.loads(ask(guarded, method="GET", path=METADATA_PATH)[2])
        assert document["authorization_servers"] == [ISSUER]


@pytest.mark.parametrize("server", ["not a url", "", "http://far.example/", "https://i/\n", "https://i/ ", "urn:i", "i"])
def test_an_authorization_server_must_be_an_https_url(server, provider):
    with pytest.raises(ValueError, match="authorization_servers"):
        BearerAuthMiddleware(Recorder(), provider, resource=AUDIENCE, authorization_servers=[ISSUER, server])
    for local in ("http://127.0.0.1:9000/", "http://localhost:9000"):
        BearerAuthMiddleware(Recorder(), provider, resource=AUDIENCE, authorization_servers=[local])


def test_websockets_are_guarded_and_the_lifespan_is_not(provider):
    app = Recorder()
    assert ask(BearerAuthMiddleware(app, provider), kind="websocket")[0]["type"] == "websocket.close"
    assert app.scopes == []
    asyncio.run(BearerAuthMiddleware(app, provider)({"type": "lifespan"}, None, lambda message: asyncio.sleep(0)))
    assert len(app.scopes) == 1


@pytest.mark.parametrize("case", json.loads((WIRE / "authorization.json").read_text()), ids=lambda case: case["name"])
def test_authorization_headers(case):
    got = _native.bearer_token([value.encode("latin-1") for value in case["headers"]])
    if isinstance(case["expect"], dict):
        assert got == case["expect"]["token"]
    else:
        assert got.kind == case["expect"]


def test_the_table_of_challenges(token):
    rows = json.loads((WIRE / "challenges.json").read_text())
    seen = 0
    for row in rows:
        if row["kind"] == "insufficient_scope":
            rejection = _native.Rejection.insufficient_scope((row["scopes"] or "x").split(), [])
            if row["scopes"] is None:
                continue
        elif row["kind"] in ("missing_credential", "bad_credential"):
            rejection = _native.bearer_token([] if row["kind"] == "missing_credential" else [b"Bearer a", b"Bearer a"])
        elif row["status"] == 401:
            with pytest.raises(Rejection) as caught:
                asyncio.run(BearerAuthProvider("abc" * 10).verify_token_or_raise("a.b"))
            rejection = caught.value._native
        else:
            continue
        assert rejection.challenge((row["scopes"] or "").split(), row["resource_metadata"]) == (
            row["status"],
            row["www_authenticate"],
            row["retry_after"],
            row["body"],
        )
        seen += 1
    assert seen > 60
