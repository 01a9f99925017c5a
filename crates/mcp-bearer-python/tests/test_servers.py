"""Real servers over HTTP, with the installed FastMCP or official SDK: a client calls a tool, or is refused."""

import asyncio
import contextlib
import importlib
import json
import socket
import threading
import time
import urllib.error
import urllib.request

import pytest
from conftest import AUDIENCE, ISSUER, make_token

from mcp_bearer import BearerAuthProvider, _releases

uvicorn = pytest.importorskip("uvicorn")

try:
    fastmcp = importlib.import_module("fastmcp")
    VERSION = tuple(int(part) for part in fastmcp.__version__.split(".")[:2])
except ImportError:
    fastmcp, VERSION = None, (0, 0)

try:
    sdk = importlib.import_module("mcp")
except ImportError:
    sdk = None

SDK_2 = importlib.util.find_spec("mcp_types") is not None
OAUTH_PROVIDER = (0, 0) < VERSION < (2, 11)

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}


def describe(access):
    """What a tool sees."""
    return {
        "client_id": access.client_id,
        "scopes": access.scopes,
        "claims": getattr(access, "claims", None),
        "subject": getattr(access, "subject", None),
    }


def fastmcp_app(provider, **options):
    from fastmcp.server.dependencies import get_access_token

    server = fastmcp.FastMCP("t", auth=provider)

    @server.tool
    def whoami() -> str:
        return json.dumps(describe(get_access_token()))

    return server.http_app(path="/mcp", **options)


def sdk_app(provider):
    from mcp.server.auth.middleware.auth_context import get_access_token
    from mcp.server.auth.settings import AuthSettings

    fields = AuthSettings.model_fields
    options = {"validate_token_resource": False} if "validate_token_resource" in fields else {}
    auth = AuthSettings(
        issuer_url=ISSUER, resource_server_url=AUDIENCE, required_scopes=provider.required_scopes, **options
    )
    name, kind = ("mcp.server.mcpserver", "MCPServer") if SDK_2 else ("mcp.server.fastmcp", "FastMCP")
    server = getattr(importlib.import_module(name), kind)("t", token_verifier=provider, auth=auth)

    @server.tool()
    def whoami() -> str:
        return json.dumps(describe(get_access_token()))

    return server.streamable_http_app()


@contextlib.contextmanager
def serving(app):
    """The address of the app's MCP endpoint, as long as the context lasts."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        deadline = time.monotonic() + 20
        while not server.started:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        try:
            # What FastMCP 2.9 mounts is after the slash.
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp" + ("/" if OAUTH_PROVIDER else "")
        finally:
            server.should_exit = True
            thread.join(10)


def post(url, token=None, message=INITIALIZE, session=None, authorization=None):
    """Status, headers and body of one JSON-RPC message."""
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    if token is not None:
        authorization = f"Bearer {token}"
    if authorization is not None:
        headers["Authorization"] = authorization
    if session is not None:
        headers["Mcp-Session-Id"] = session
    request = urllib.request.Request(url, json.dumps(message).encode(), headers, method="POST")
    return ask(request)


def ask(request):
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.headers, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()


def call_tool(url, token, as_json=True):
    """The tool's answer, by the messages that any client sends."""
    status, headers, _ = post(url, token)
    assert status == 200
    session = headers["Mcp-Session-Id"]
    post(url, token, {"jsonrpc": "2.0", "method": "notifications/initialized"}, session)
    call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "whoami", "arguments": {}}}
    status, _, body = post(url, token, call, session)
    assert status == 200, body
    data = [line[5:] for line in body.splitlines() if line.startswith("data:")] or [body]
    text = json.loads(data[-1])["result"]["content"][0]["text"]
    return json.loads(text) if as_json else text


SERVERS = [
    pytest.param(
        fastmcp_app, id="fastmcp", marks=pytest.mark.skipif(fastmcp is None, reason="FastMCP is not installed")
    ),
    pytest.param(
        sdk_app,
        id="sdk",
        # SDK 1.9 had no resource servers.
        marks=pytest.mark.skipif(sdk is None or OAUTH_PROVIDER, reason="no SDK with token verifiers is installed"),
    ),
]


@pytest.fixture(scope="module", params=SERVERS)
def url(request, pair):
    provider = BearerAuthProvider(pair.public_key, issuer=ISSUER, audience=AUDIENCE, required_scopes=["read", "write"])
    with serving(request.param(provider)) as url:
        yield url


def test_a_tool_is_called_with_a_token_and_sees_whose_it_is(url, pair):
    seen = call_tool(url, make_token(pair, additional_claims={"client_id": "app", "tenant": "blue"}))
    assert seen["client_id"] == "app"
    assert seen["scopes"] == ["read", "write"]
    if _releases.HAS_CLAIMS:
        assert seen["claims"]["tenant"] == "blue"
    if "subject" in _releases.AccessToken.model_fields:
        assert seen["subject"] == "alice"


def test_who_is_refused(url, pair, other_pair):
    assert post(url)[0] == 401
    assert post(url, authorization="Basic YTpi")[0] == 401
    assert post(url, "nonsense")[0] == 401
    assert post(url, make_token(other_pair))[0] == 401
    assert post(url, make_token(pair, expires_in_seconds=-3600))[0] == 401
    assert post(url, make_token(pair, audience="https://other.example.com/"))[0] == 401
    assert post(url, make_token(pair, issuer="https://other.example.com/"))[0] == 401
    assert post(url, "[" * 4_000)[0] == 401


def test_too_few_scopes(url, pair):
    status, headers, body = post(url, make_token(pair, scopes=["read"]))
    assert status == 403
    if not OAUTH_PROVIDER:
        assert 'error="insufficient_scope"' in headers["WWW-Authenticate"]
        assert json.loads(body)["error"] == "insufficient_scope"


@pytest.mark.skipif(fastmcp is None, reason="FastMCP is not installed")
def test_our_answers_in_any_fastmcp_server(pair):
    """FastMCP 2.9 answers 401 and 403 without a challenge, and serves no RFC 9728 document."""
    from starlette.middleware import Middleware

    from mcp_bearer.asgi import BearerAuthMiddleware

    provider = BearerAuthProvider(pair.public_key, issuer=ISSUER, audience=AUDIENCE, required_scopes=["read", "write"])
    ours = Middleware(BearerAuthMiddleware, provider=provider, resource=AUDIENCE, authorization_servers=[ISSUER])
    with serving(fastmcp_app(provider, middleware=[ours])) as url:
        assert call_tool(url, make_token(pair))["client_id"] == "alice"
        status, headers, body = post(url, make_token(pair, scopes=["read"]))
        assert (status, json.loads(body)["error"]) == (403, "insufficient_scope")
        assert 'error="insufficient_scope", scope="read write", resource_metadata=' in headers["WWW-Authenticate"]
        status, headers, body = post(url)
        assert (status, body) == (401, "")
        assert 'Bearer scope="read write", resource_metadata=' in headers["WWW-Authenticate"]
        document = url.split("/mcp")[0] + "/.well-known/oauth-protected-resource/mcp"
        assert json.loads(ask(document)[2])["authorization_servers"] == [ISSUER]


@pytest.mark.skipif(fastmcp is None, reason="FastMCP is not installed")
def test_fastmcp_s_own_client(pair, token):
    from fastmcp.client.auth.bearer import BearerAuth

    provider = BearerAuthProvider(pair.public_key, issuer=ISSUER, audience=AUDIENCE)

    async def call(url):
        async with fastmcp.Client(url, auth=BearerAuth(token)) as client:
            return await client.list_tools()

    with serving(fastmcp_app(provider)) as url:
        assert [tool.name for tool in asyncio.run(call(url))] == ["whoami"]


@pytest.mark.skipif(VERSION < (2, 11), reason="FastMCP 2.9 and 2.10 mount no routes of a provider")
def test_the_metadata_document(pair):
    provider = BearerAuthProvider(
        pair.public_key,
        base_url="https://mcp.example.com",
        authorization_servers=["https://idp.example.com"],
        required_scopes=["read"],
    )
    with serving(fastmcp_app(provider)) as url:
        origin = url.removesuffix("/mcp")
        status, headers, body = ask(f"{origin}/.well-known/oauth-protected-resource/mcp")
        assert status == 200
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert json.loads(body) == {
            "resource": "https://mcp.example.com/mcp",
            "authorization_servers": ["https://idp.example.com"],
            "scopes_supported": ["read"],
            "bearer_methods_supported": ["header"],
        }
        assert ask(f"{origin}/.well-known/oauth-authorization-server")[0] == 404
        challenge = post(url)[1]["WWW-Authenticate"]
        assert 'resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/mcp"' in challenge


@pytest.mark.skipif(VERSION < (4, 0), reason="FastMCP names scopes in its challenges since 4.0")
def test_fastmcp_s_own_challenge_and_document_name_what_clients_must_request(pair):
    from fastmcp.server.auth import RemoteAuthProvider

    verifier = BearerAuthProvider(
        pair.public_key,
        issuer=ISSUER,
        audience=AUDIENCE,
        required_scopes=["read"],
        requested_scope_prefix="api://id/",
    )
    remote = RemoteAuthProvider(
        token_verifier=verifier, authorization_servers=[ISSUER], base_url="https://mcp.example.com"
    )
    for provider in (verifier, remote):
        with serving(fastmcp_app(provider)) as url:
            _, headers, _ = post(url)
            assert 'scope="api://id/read"' in headers["WWW-Authenticate"]
    assert remote.scopes_supported == ["api://id/read"]
