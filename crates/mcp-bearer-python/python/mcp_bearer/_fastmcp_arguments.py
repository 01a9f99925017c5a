"""Arguments that FastMCP accepts and the library's table of settings does not cover."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from mcp_bearer import _native
from mcp_bearer._fetch_thread import Asker


def arguments(policy: Mapping[str, Any], ask: Asker | None) -> dict[str, Any]:
    """The arguments of `_native.Verifier`, from the attributes that `_verifier_cell.POLICY` lists."""
    audience = policy["audience"]
    for name in audience if isinstance(audience, (list, tuple)) else [audience]:
        # FastMCP 2.10 had `algorithm` where 2.9 and this package have `audience`.
        if isinstance(name, str) and name in _native.ALGORITHMS:
            raise TypeError(f"audience={name!r} is the name of an algorithm; write algorithm={name!r} by keyword")
    return {**policy, "fetch": ask}


def scope_list(value: object) -> list[str] | None:
    """A list, a JSON list, or names separated by commas or blanks, as FastMCP accepts them."""
    if value is None:
        return None
    if isinstance(value, str):
        text = value.strip()
        value = json.loads(text) if text.startswith("[") else text.replace(",", " ").split()
        if not value:
            raise ValueError("required_scopes: a string without a scope; write [] if none is required")
    if not isinstance(value, Iterable) or isinstance(value, (bytes, bytearray)):
        raise TypeError(f"required_scopes: must be a list of strings, not {type(value).__name__}")
    scopes = []
    for scope in value:
        if not isinstance(scope, str):
            raise TypeError(f"required_scopes: must be a list of strings, but contains {type(scope).__name__}")
        scopes.append(str.__str__(scope))  # a member of a string enumeration means its value
    try:
        _native.Rejection.insufficient_scope(scopes, [])  # refuses a scope that no token could contain
    except ValueError as error:
        raise ValueError(f"required_{error}") from None
    return scopes
