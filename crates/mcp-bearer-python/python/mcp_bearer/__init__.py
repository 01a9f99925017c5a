"""Bearer-token authentication for hosted MCP servers: FastMCP's provider, verified in Rust.

Change one import of a FastMCP server::

    from mcp_bearer import BearerAuthProvider

    auth = BearerAuthProvider(
        jwks_uri="https://idp.example.com/jwks.json",
        issuer="https://idp.example.com/",
        audience="https://mcp.example.com/mcp",
        required_scopes=["mcp:read"],
    )
    mcp = FastMCP("My server", auth=auth)
"""

from mcp_bearer._environment import EnvBearerAuthProvider
from mcp_bearer._native import __version__
from mcp_bearer._provider import BearerAuthProvider
from mcp_bearer._rejection import Rejection
from mcp_bearer._key_pair import JWKData, JWKSData, RSAKeyPair

__all__ = [
    "BearerAuthProvider",
    "EnvBearerAuthProvider",
    "JWKData",
    "JWKSData",
    "RSAKeyPair",
    "Rejection",
    "__version__",
]
