"""The error for an argument that the provider does not have."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable

# Arguments of FastMCP's classes, past and present, and what replaces them here.
ELSEWHERE = {
    "algorithms": "algorithm= takes a list, too",
    "http_client": "fetch= takes a function that returns the JWKS: async def fetch(url: str) -> bytes",
    "jwks_refresh_interval": "leave it out: unknown key ids are looked up within a fixed budget",
    "resource_documentation": "RemoteAuthProvider and mcp_bearer.asgi.BearerAuthMiddleware take it",
    "resource_name": "RemoteAuthProvider and mcp_bearer.asgi.BearerAuthMiddleware take it",
    "resource_server_url": "it is called base_url= now, as in FastMCP since 2.12.1",
    "scopes_supported": "RemoteAuthProvider takes it",
    "token_verifier": "give this provider to RemoteAuthProvider(token_verifier=...) instead",
}


def refuse_unknown(cls: type, names: Iterable[str]) -> None:
    """Raises `TypeError` if there is a name, with what to write instead of each."""
    problems = [f"{name!r} ({_instead(cls, name)})" for name in names]
    if problems:
        raise TypeError(f"{cls.__name__} has no argument {', '.join(problems)}")


def _instead(cls: type, name: str) -> str:
    if name in ELSEWHERE:
        return ELSEWHERE[name]
    known = {
        parameter.name
        for base in cls.__mro__
        if "__init__" in vars(base)
        for parameter in inspect.signature(vars(base)["__init__"]).parameters.values()
        if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    close = difflib.get_close_matches(name, known - {"self"}, n=1)
    return f"did you mean {close[0]!r}?" if close else "FastMCP's class has none of that name either"
