"""A server of the official `mcp` SDK 2.x. With SDK 1.x the class is `mcp.server.fastmcp.FastMCP`."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import MCPServer
from pydantic import AnyHttpUrl

from mcp_bearer import BearerAuthProvider

RESOURCE = "https://mcp.example.com/mcp"
ISSUER = "https://idp.example.com/"

verifier = BearerAuthProvider(
    jwks_uri=os.environ.get("JWKS_URI", "https://idp.example.com/jwks.json"),
    issuer=ISSUER,
    audience=RESOURCE,
)


@asynccontextmanager
async def lifespan(server: MCPServer[None]) -> AsyncIterator[None]:
    """Fetches the keys before the first token."""
    await verifier.warm_up()
    yield


mcp = MCPServer(
    "Example",
    token_verifier=verifier,
    lifespan=lifespan,
    auth=AuthSettings(
        issuer_url=AnyHttpUrl(ISSUER),
        resource_server_url=AnyHttpUrl(RESOURCE),
        required_scopes=["mcp:read"],
        validate_token_resource=False,  # the verifier has checked `aud` already
    ),
)


@mcp.tool()
def whoami() -> str:
    """Returns the user that calls the tool."""
    access = get_access_token()
    return access.client_id if access else "nobody"


app = mcp.streamable_http_app()

if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, host="127.0.0.1", port=8000)
