"""The examples, served: a good token is accepted, a request without one is not."""

import base64
import contextlib
import hashlib
import importlib.util
import json
import runpy
import time
from pathlib import Path

import pytest
from conftest import ISSUER, make_jwks, make_token
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from issuers import HttpIssuer
from test_servers import INITIALIZE, OAUTH_PROVIDER, SDK_2, VERSION, ask, call_tool, post, serving

import mcp_bearer

FOLDER = Path(__file__).parents[3] / "examples" / "python"
RESOURCE = "https://mcp.example.com/mcp"
WHOAMI = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "whoami", "arguments": {}}}


@pytest.fixture
def issuer(pair, monkeypatch):
    """The issuer whose keys the examples fetch."""
    with contextlib.closing(HttpIssuer(make_jwks((pair, None)), "up")) as issuer:
        monkeypatch.setenv("JWKS_URI", issuer.options()["jwks_uri"])
        yield issuer


def load(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def missing(package):
    return importlib.util.find_spec(package) is None


def statements(name):
    text = (FOLDER / f"{name}.py").read_text()
    return [line for line in text.split('"""\n', 1)[1].splitlines() if line]


def test_before_and_after_differ_by_one_import_and_the_fetch_at_startup():
    before, after = statements("fastmcp_before"), statements("fastmcp_after")
    assert [line for line in before if line not in after] == [
        "from fastmcp.server.auth.providers.bearer import BearerAuthProvider"
    ]
    assert [line for line in after if line not in before] == [
        "import asyncio",
        "from mcp_bearer import BearerAuthProvider",
        "    asyncio.run(auth.warm_up())",
    ]


@pytest.mark.skipif(VERSION == (0, 0), reason="FastMCP is not installed")
@pytest.mark.parametrize("name", ["fastmcp_before", "fastmcp_after"])
def test_fastmcp(name, issuer, pair):
    if name == "fastmcp_before" and not OAUTH_PROVIDER:
        pytest.skip("the module is in no newer release")
    module = load(name)
    assert isinstance(module.auth, mcp_bearer.BearerAuthProvider) == (name == "fastmcp_after")
    with serving(module.mcp.http_app(path="/mcp")) as url:
        assert call_tool(url, make_token(pair, audience=RESOURCE, scopes=["mcp:read"]), as_json=False) == "alice"
        assert post(url, make_token(pair, audience=RESOURCE, scopes=["other"]))[0] == 403
        assert post(url)[0] == 401


@pytest.mark.skipif(VERSION == (0, 0), reason="FastMCP is not installed")
def test_fastmcp_fetches_the_keys_before_it_runs(issuer, monkeypatch):
    import fastmcp

    asked = []
    monkeypatch.setattr(fastmcp.FastMCP, "run", lambda self, **options: asked.append(issuer.asked))
    runpy.run_path(str(FOLDER / "fastmcp_after.py"), run_name="__main__")
    assert asked == [1]


@pytest.mark.skipif(not SDK_2, reason="the SDK's release 2 is not installed")
def test_sdk(issuer, pair):
    with serving(load("sdk_server").app) as url:
        assert issuer.asked == 1  # at startup
        assert call_tool(url, make_token(pair, audience=RESOURCE, scopes=["mcp:read"]), as_json=False) == "alice"
        assert post(url, make_token(pair, audience=RESOURCE, scopes=["other"]))[0] == 403
        assert post(url)[0] == 401


@pytest.mark.skipif(missing("fastapi"), reason="FastAPI is not installed")
def test_fastapi(issuer, pair):
    import urllib.request

    with serving(load("fastapi_app").app) as url:
        assert issuer.asked == 1  # at startup
        origin = url.removesuffix("/mcp")

        def get(path, token=None):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            return ask(urllib.request.Request(origin + path, headers=headers))

        token = make_token(pair, audience="https://api.example.com/", scopes=["api:read"])
        status, _, body = get("/whoami", token)
        assert (status, json.loads(body)) == (200, {"client_id": "alice", "scopes": ["api:read"]})
        assert get("/whoami", make_token(pair, audience="https://api.example.com/"))[0] == 403
        status, headers, _ = get("/whoami")
        assert (status, headers["WWW-Authenticate"].split()[0]) == (401, "Bearer")
        status, _, body = get("/.well-known/oauth-protected-resource")
        assert (status, json.loads(body)["authorization_servers"]) == (200, [ISSUER])



def assertion(key, body, **changes):
    """A token as the gateway signs it, for this body alone."""
    claims = {
        "iss": "https://mcp.example.com",
        "aud": "http://127.0.0.1:9000/mcp",
        "sub": ISSUER + "|alice",
        "exp": int(time.time()) + 60,
        "body_sha256": base64url(hashlib.sha256(body).digest()),
        **changes,
    }
    parts = [base64url(json.dumps(part).encode()) for part in ({"alg": "EdDSA", "typ": "at+jwt"}, claims)]
    return ".".join([*parts, base64url(key.sign(".".join(parts).encode()))])


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.mark.skipif(VERSION < (2, 12), reason="this release of FastMCP has no claims")
def test_behind_gateway(monkeypatch):
    key = Ed25519PrivateKey.generate()
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": base64url(key.public_key().public_bytes_raw())}
    with contextlib.closing(HttpIssuer(json.dumps({"keys": [jwk]}).encode(), "up")) as gateway:
        monkeypatch.setenv("JWKS_URI", gateway.options()["jwks_uri"])
        module = load("behind_gateway")

        def ask_for(body, token, session=None):
            message = json.loads(body)
            return post(url, token, message, session)

        with serving(module.app) as url:
            first, second = (json.dumps(message).encode() for message in (INITIALIZE, WHOAMI))
            status, headers, body = ask_for(first, assertion(key, first))
            assert status == 200, body
            session = headers["Mcp-Session-Id"]
            status, _, body = ask_for(second, assertion(key, second), session)
            assert (status, ISSUER + "|alice" in body) == (200, True), body
            # The same assertion with another body, one without a hash, one for another server, and none.
            for token in (
                assertion(key, first),
                assertion(key, second, body_sha256=None),
                assertion(key, second, aud="http://127.0.0.1:9001/mcp"),
                None,
            ):
                status, headers, _ = ask_for(second, token, session)
                assert (status, headers["WWW-Authenticate"].split()[0]) == (401, "Bearer")
