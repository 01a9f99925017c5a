"""The examples, served: a good token comes through, none does not."""

import http.server
import importlib.util
import json
import threading
from pathlib import Path

import pytest
from conftest import ISSUER, make_jwks, make_token
from test_servers import OAUTH_PROVIDER, SDK_2, VERSION, ask, call_tool, post, serving

import mcp_bearer

FOLDER = Path(__file__).parents[3] / "examples" / "python"
RESOURCE = "https://mcp.example.com/mcp"


@pytest.fixture(scope="module")
def jwks_uri(pair):
    body = make_jwks((pair, None))

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/jwks.json"
    server.shutdown()


def load(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def missing(package):
    return importlib.util.find_spec(package) is None


def test_before_and_after_differ_by_one_import():
    before, after = ((FOLDER / f"fastmcp_{name}.py").read_text().splitlines() for name in ("before", "after"))
    changed = [line for line in set(before) ^ set(after) if line and '"""' not in line]
    assert sorted(changed) == [
        "from fastmcp.server.auth.providers.bearer import BearerAuthProvider",
        "from mcp_bearer import BearerAuthProvider",
    ]


@pytest.mark.skipif(VERSION == (0, 0), reason="FastMCP is not installed")
@pytest.mark.parametrize("name", ["fastmcp_before", "fastmcp_after"])
def test_fastmcp(name, jwks_uri, pair, monkeypatch):
    if name == "fastmcp_before" and not OAUTH_PROVIDER:
        pytest.skip("the module is in no newer release")
    monkeypatch.setenv("JWKS_URI", jwks_uri)
    module = load(name)
    assert isinstance(module.auth, mcp_bearer.BearerAuthProvider) == (name == "fastmcp_after")
    with serving(module.mcp.http_app(path="/mcp")) as url:
        assert call_tool(url, make_token(pair, audience=RESOURCE, scopes=["mcp:read"]), as_json=False) == "alice"
        assert post(url, make_token(pair, audience=RESOURCE, scopes=["other"]))[0] == 403
        assert post(url)[0] == 401


@pytest.mark.skipif(not SDK_2, reason="the SDK's release 2 is not installed")
def test_sdk(jwks_uri, pair, monkeypatch):
    monkeypatch.setenv("JWKS_URI", jwks_uri)
    with serving(load("sdk_server").app) as url:
        assert call_tool(url, make_token(pair, audience=RESOURCE, scopes=["mcp:read"]), as_json=False) == "alice"
        assert post(url, make_token(pair, audience=RESOURCE, scopes=["other"]))[0] == 403
        assert post(url)[0] == 401


@pytest.mark.skipif(missing("fastapi"), reason="FastAPI is not installed")
def test_fastapi(jwks_uri, pair, monkeypatch):
    import urllib.request

    monkeypatch.setenv("JWKS_URI", jwks_uri)
    with serving(load("fastapi_app").app) as url:
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

