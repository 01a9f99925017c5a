"""A FastMCP server as in FastMCP 2.9 and 2.10; compare with fastmcp_after.py. Runs with those releases only."""

import os

from fastmcp import FastMCP
from fastmcp.server.auth.providers.bearer import BearerAuthProvider
from fastmcp.server.dependencies import get_access_token

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
    mcp.run(transport="http", host="127.0.0.1", port=8000)
