"""The same server with mcp-bearer: one import has changed, and it fetches the keys at startup.
Runs with FastMCP 2.9 to 4.x."""

import asyncio
import os

from fastmcp import FastMCP
from fastmcp.server.dependencies import get_access_token

from mcp_bearer import BearerAuthProvider

auth = BearerAuthProvider(
    jwks_uri=os.environ.get("JWKS_URI", "https://idp.example.com/jwks.json"),
    issuer="https://idp.example.com/",
    audience="https://mcp.example.com/mcp",
    required_scopes=["mcp:read"],
)
mcp = FastMCP("Example", auth=auth)


@mcp.tool
def whoami() -> str:
    """Returns the user that calls the tool."""
    access = get_access_token()
    return access.client_id if access else "nobody"


if __name__ == "__main__":
    asyncio.run(auth.warm_up())
    mcp.run(transport="http", host="127.0.0.1", port=8000)
