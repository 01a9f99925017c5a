"""The RFC 9728 document as a Starlette route, for FastMCP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mcp_bearer import _native

HEADERS = {
    "content-type": "application/json",
    "cache-control": "public, max-age=3600",
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "GET, HEAD, OPTIONS",
    "access-control-allow-headers": "*",
}


def resource(base_url: str, path: str | None) -> str:
    """The resource identifier: the URL of the MCP endpoint, without a slash that nobody configured."""
    return f"{base_url.rstrip('/')}/{path.lstrip('/')}" if path else base_url


def route(identifier: str, authorization_servers: Sequence[str], scopes: Sequence[str]) -> Any:
    """The route of one resource's document. Starlette is there: FastMCP is built on it."""
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    path, _, document = _native.protected_resource_metadata(identifier, authorization_servers, scopes)

    async def metadata(request: Request) -> Response:
        body = b"" if request.method == "OPTIONS" else document.encode()
        return Response(body, headers=HEADERS)

    return Route(path, metadata, methods=["GET", "HEAD", "OPTIONS"])
