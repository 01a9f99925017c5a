"""A FastMCP server behind `mcp-bearer gateway`. It verifies the gateway's assertion about each caller.

A copied assertion works for a minute, and only with the body that it was signed for. Runs with FastMCP 2.12 to 4.x."""

import asyncio
import os

from fastmcp import FastMCP
from fastmcp.server.dependencies import get_http_request

from mcp_bearer import BearerAuthProvider
from mcp_bearer.asgi import BearerAuthMiddleware

# `issuer` and `audience` are `assertion.issuer` and `assertion.audience` of the gateway's configuration.
verifier = BearerAuthProvider(
    jwks_uri=os.environ.get("JWKS_URI", "https://mcp.example.com/.well-known/mcp-bearer/jwks.json"),
    issuer="https://mcp.example.com",
    audience="http://127.0.0.1:9000/mcp",
    algorithm=["ES256", "EdDSA"],
    token_type="rfc9068",
)
mcp = FastMCP("Example")


@mcp.tool
def whoami() -> str:
    """Returns the caller. `sub` is unambiguous among all issuers; `sub_id` has the issuer's own name."""
    claims = get_http_request().state.access_token.claims
    return str(claims["sub"])


# The gateway has applied its rules already. Without `require_body_hash` an assertion could be sent again with another body.
app = BearerAuthMiddleware(mcp.http_app(path="/mcp"), verifier, require_body_hash=True)

if __name__ == "__main__":
    import uvicorn

    asyncio.run(verifier.warm_up())
    uvicorn.run(app, host="127.0.0.1", port=9000)
