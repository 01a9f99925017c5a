"""Rules in front of real servers: FastMCP and the official SDK, with their sessions."""

import asyncio
import json

import pytest
from conftest import AUDIENCE, ISSUER
from operations import Answer, asked, call, token_of
from test_servers import VERSION

from mcp_bearer import BearerAuthProvider
from mcp_bearer.asgi import BearerAuthMiddleware
from mcp_bearer.operations import OperationRule, OperationRules

RULES = OperationRules(
    [
        OperationRule("tools/call", name="delete_*", scopes=["admin"]),
        OperationRule("tools/call", name="secret_*", scopes=["secret"], hide=True),
    ],
    unmatched="allow",
)
INITIALIZE = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 0,
        "method": "initialize",
        "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
    }
).encode()
INITIALIZED = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
ACCEPT = (b"accept", b"application/json, text/event-stream")
HOST = (b"host", b"127.0.0.1:8000")


def tools(add):
    def plain() -> str:
        return "plain"

    def delete_all() -> str:
        return "deleted"

    def secret_one() -> str:
        return "secret"

    for tool in (plain, delete_all, secret_one):
        add(tool)


def provider(pair):
    return BearerAuthProvider(pair.public_key, issuer=ISSUER, audience=AUDIENCE, required_scopes=["read"])


def fastmcp_app(pair, stateless=False):
    """FastMCP also checks the token, behind the middleware."""
    fastmcp = pytest.importorskip("fastmcp")
    server = fastmcp.FastMCP("Example", auth=provider(pair))
    tools(lambda tool: server.tool(tool))
    return server.http_app(path="/mcp", stateless_http=stateless)


def sdk_app(pair):
    sdk = pytest.importorskip("mcp.server.mcpserver")
    server = sdk.MCPServer("Example")
    tools(lambda tool: server.tool()(tool))
    return server.streamable_http_app()


async def drive(app, pair, path="/mcp"):
    guarded = BearerAuthMiddleware(app, provider(pair), operations=RULES)
    alice, bob, admin = token_of(pair, "read"), token_of(pair, "read", subject="bob"), token_of(pair, "read admin")
    async with app.router.lifespan_context(app):

        async def ask(token, body, *headers, method="POST") -> Answer:
            common = {"scheme": "http", "query_string": b"", "root_path": "", "http_version": "1.1", "raw_path": b"/mcp"}
            more = {**common, "server": ("127.0.0.1", 8000), "client": ("127.0.0.1", 1)}
            return await asyncio.wait_for(asked(guarded, body, token, method, [ACCEPT, HOST, *headers], 4096, path=path, **more), 20)

        begun = await ask(alice, INITIALIZE)
        assert begun.status == 200, (begun.status, begun.headers, begun.body)
        session = (b"mcp-session-id", begun.headers["mcp-session-id"].encode())
        version = (b"mcp-protocol-version", b"2025-06-18")
        assert (await ask(alice, INITIALIZED, session, version)).status == 202
        answer = await ask(alice, call("plain"), session, version)
        assert b"plain" in answer.body, answer.body
        answer = await ask(alice, call("delete_all"), session, version)
        assert (answer.status, 'scope="read admin"' in answer.headers["www-authenticate"]) == (403, True)
        assert b"deleted" in (await ask(admin, call("delete_all"), session, version)).body
        answer = await ask(alice, b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}', session, version)
        assert (b"delete_all" in answer.body, b"secret" in answer.body) == (True, False), answer.body
        answer = await ask(alice, call("secret_one"), session, version)
        assert (answer.status, answer.error()["code"]) == (200, -32602)
        for method, body in (("POST", call("plain")), ("GET", b""), ("DELETE", b"")):
            assert (await ask(bob, body, session, version, method=method)).status == 404
        if path == "/mcp":  # the first release fails at the end of a session
            assert (await ask(alice, b"", session, version, method="DELETE")).status == 200


def test_fastmcp_with_sessions(pair):
    # The first release answers the path without a slash with a redirect.
    asyncio.run(drive(fastmcp_app(pair), pair, "/mcp/" if VERSION < (2, 10) else "/mcp"))


def test_fastmcp_without_sessions(pair):
    path = "/mcp/" if VERSION < (2, 10) else "/mcp"
    app = fastmcp_app(pair, stateless=True)
    guarded = BearerAuthMiddleware(app, provider(pair), operations=RULES)
    alice, admin = token_of(pair, "read"), token_of(pair, "read admin")

    async def run():
        async with app.router.lifespan_context(app):

            async def ask(token, body) -> Answer:
                more = {"scheme": "http", "query_string": b"", "root_path": "", "http_version": "1.1", "raw_path": b"/mcp"}
                more |= {"server": ("127.0.0.1", 8000), "client": ("127.0.0.1", 1)}
                headers = [ACCEPT, HOST, (b"mcp-protocol-version", b"2025-06-18")]
                return await asyncio.wait_for(asked(guarded, body, token, "POST", headers, 4096, path=path, **more), 20)

            answer = await ask(alice, call("plain"))
            assert b"plain" in answer.body, answer.body
            assert "mcp-session-id" not in answer.headers
            assert (await ask(alice, call("delete_all"))).status == 403
            assert b"deleted" in (await ask(admin, call("delete_all"))).body
            answer = await ask(alice, b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}')
            assert (b"delete_all" in answer.body, b"secret" in answer.body) == (True, False), answer.body
            assert (await ask(alice, call("secret_one"))).error()["code"] == -32602

    asyncio.run(run())


def test_the_sdk_with_sessions(pair):
    asyncio.run(drive(sdk_app(pair), pair))


@pytest.mark.skipif(VERSION < (4, 0), reason="its checks name no scopes")
def test_fastmcp_s_own_requirements_become_rules(pair):
    import fastmcp
    from fastmcp.server.auth import require_roles, require_scopes, restrict_tag

    from mcp_bearer.fastmcp import rules_from

    server = fastmcp.FastMCP("Example", auth=provider(pair))

    @server.tool
    def plain() -> str:
        return "plain"

    @server.tool(auth=require_scopes("admin", "write"))
    def delete_all() -> str:
        return "deleted"

    @server.tool(tags={"danger"}, auth=[restrict_tag("danger", scopes=["danger"]), lambda context: True])
    def launch() -> str:
        return "launched"

    @server.tool(auth=require_roles("boss", extract=lambda claims: claims["roles"]))
    def promote() -> str:
        return "promoted"

    @server.resource("data://secret", auth=require_scopes("files"))
    def secret() -> str:
        return "secret"

    async def run():
        rules = await rules_from(server, hide=False)
        app = server.http_app(path="/mcp", stateless_http=True)
        guarded = BearerAuthMiddleware(app, provider(pair), operations=rules)
        assert sorted(rules._native.scopes_to_publish) == ["admin", "danger", "files", "write"]
        async with app.router.lifespan_context(app):

            async def ask(scopes, body) -> Answer:
                more = {"scheme": "http", "query_string": b"", "root_path": "", "http_version": "1.1", "raw_path": b"/mcp"}
                headers = [ACCEPT, HOST, (b"mcp-protocol-version", b"2025-06-18")]
                return await asked(guarded, body, token_of(pair, scopes), "POST", headers, 4096, **more)

            read = b'{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"data://secret"}}'
            for body, needed in ((call("delete_all"), "read admin write"), (call("launch"), "read danger"), (read, "read files")):
                answer = await ask("read", body)
                assert (answer.status, f'scope="{needed}"' in answer.headers["www-authenticate"]) == (403, True)
                assert (await ask(needed, body)).status == 200
            # No scope allows it, and FastMCP reports that.
            answer = await ask("read admin write", call("promote"))
            assert answer.status == 200 and b"promoted" not in answer.body
            assert b"plain" in (await ask("read", call("plain"))).body

    asyncio.run(run())


@pytest.mark.skipif(VERSION >= (4, 0), reason="its checks name their scopes")
def test_releases_without_such_requirements_say_so():
    from mcp_bearer.fastmcp import rules_from

    with pytest.raises(TypeError, match="FastMCP 4"):
        asyncio.run(rules_from(None))
