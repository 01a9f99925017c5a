"""A FastAPI app behind the middleware: RFC 6750 answers, and the RFC 9728 document of the app."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request

from mcp_bearer import BearerAuthProvider
from mcp_bearer.asgi import BearerAuthMiddleware

RESOURCE = "https://api.example.com/"
ISSUER = "https://idp.example.com/"

provider = BearerAuthProvider(
    jwks_uri=os.environ.get("JWKS_URI", "https://idp.example.com/jwks.json"),
    issuer=ISSUER,
    audience=RESOURCE,
    required_scopes=["api:read"],
)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Fetches the keys before the first token."""
    await provider.warm_up()
    yield


app = FastAPI(lifespan=lifespan)
app.add_middleware(BearerAuthMiddleware, provider=provider, resource=RESOURCE, authorization_servers=[ISSUER])


@app.get("/whoami")
def whoami(request: Request) -> dict[str, object]:
    """Returns the caller."""
    access = request.state.access_token
    return {"client_id": access.client_id, "scopes": access.scopes}


if __name__ == "__main__":
    import uvicorn

    uvicorn.run(app, host="127.0.0.1", port=8000)
