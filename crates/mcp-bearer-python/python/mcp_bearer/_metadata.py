"""The RFC 9728 document: its contents, the paths at which requests ask for it, and its Starlette routes for FastMCP.

Only `_native` decides what may be in it.
"""

from __future__ import annotations

from collections.abc import Iterable, MutableMapping
from typing import Any
from urllib.parse import unquote, urlsplit

from mcp_bearer import _native

HEADERS = {
    "content-type": "application/json",
    "cache-control": "public, max-age=3600",
    "access-control-allow-origin": "*",
    "access-control-allow-methods": "GET, HEAD, OPTIONS",
    "access-control-allow-headers": "*",
}


def resource(base_url: str, path: str | None) -> str:
    """The resource identifier: the URL of the MCP endpoint, without a slash that was not configured."""
    return f"{base_url.rstrip('/')}/{path.lstrip('/')}" if path else base_url


def servers(given: Any) -> list[str]:
    """A list of authorization servers, or a single one: as a string, or as a pydantic URL. ``None`` means none.

    Raises:
        ValueError: for an empty list or an empty name.
    """
    if given is None:
        return []
    single = isinstance(given, str) or not isinstance(given, Iterable)
    named = [str(server) for server in ([given] if single else given)]
    if not named or not all(server.strip() for server in named):
        raise ValueError("authorization_servers: set to nothing; leave it out if it is not intended")
    return named


def is_asked_for(path: str, scope: MutableMapping[str, Any]) -> bool:
    """Whether a request is for this path of a URL. In ASGI, paths are decoded, and some servers put `root_path` in front."""
    asked: str = scope["path"]
    root: str = (scope.get("root_path") or "").rstrip("/")
    inside = asked.removeprefix(root) if asked.startswith(f"{root}/") else asked
    return unquote(path) in (asked, inside)


def routes(identifier: str, provider: Any, beside: str | None) -> list[Any]:
    """The routes of one resource's document: at its own path and, if clients are given another one too, at that.

    Raises:
        ValueError: if the document cannot be served there.
    """
    # Starlette is installed: FastMCP is built on it.
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    path, _, document = _native.protected_resource_metadata(
        identifier,
        servers(provider.authorization_servers),
        provider.scopes_supported,
        insecure_allow_http=bool(provider.insecure_allow_http),
    )

    async def metadata(request: Request) -> Response:
        body = b"" if request.method == "OPTIONS" else document.encode()
        return Response(body, headers=HEADERS)

    # Starlette compares decoded paths.
    paths = {unquote(path): None} | ({unquote(urlsplit(beside).path): None} if beside else {})
    if any(brace in each for each in paths for brace in "{}"):
        raise ValueError(f"base_url: braces in {path} would be a parameter of a Starlette route; use the middleware")
    return [Route(each, metadata, methods=["GET", "HEAD", "OPTIONS"]) for each in paths]
