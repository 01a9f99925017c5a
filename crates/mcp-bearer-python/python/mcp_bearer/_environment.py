"""`EnvBearerAuthProvider`: a provider from the variables of FastMCP or those of the Rust crate.

The library's table defines the variables. A ``.env`` file is read as FastMCP reads it. A line that is skipped and a
variable that would do nothing raise an error: neither must look like a rule. No error contains a secret.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import EllipsisType
from typing import Any

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from mcp_bearer import _native
from mcp_bearer._provider import BearerAuthProvider
from mcp_bearer._fastmcp_arguments import scope_list

_FAMILIES = ("MCP_BEARER_", "FASTMCP_AUTH_BEARER_")


class EnvBearerAuthProvider(BearerAuthProvider):
    """A `BearerAuthProvider` whose settings come from the environment and a ``.env`` file.

    The variables are ``FASTMCP_AUTH_BEARER_PUBLIC_KEY``, ``_JWKS_URI``, ``_ISSUER``, ``_AUDIENCE`` and ``_REQUIRED_SCOPES``
    (a JSON list); or, if one of them is set, the ``MCP_BEARER_*`` variables of the Rust crate, which has one for every
    argument of `BearerAuthProvider` that text can express. With those, issuer and audience must be decided
    (``MCP_BEARER_ANY_AUDIENCE=true`` is a decision). An argument overrides its variable, even if it is ``None``.

    Raises:
        ValueError: with every problem of the variables at once, by their names.
    """

    def __init__(
        self,
        public_key: str | bytes | None | EllipsisType = ...,
        jwks_uri: str | None | EllipsisType = ...,
        issuer: str | list[str] | None | EllipsisType = ...,
        audience: str | list[str] | None | EllipsisType = ...,
        required_scopes: Sequence[str] | None | EllipsisType = ...,
        **options: Any,
    ) -> None:
        arguments: dict[str, Any] = {
            "public_key": public_key,
            "jwks_uri": jwks_uri,
            "issuer": issuer,
            "audience": audience,
            "required_scopes": required_scopes,
        }
        given = {name: value for name, value in arguments.items() if value is not ...} | options
        if "required_scopes" in given:
            given["required_scopes"] = scope_list(given["required_scopes"])
        # It is not yet known how to call a `fetch` function.
        known = {name: value for name, value in given.items() if name != "fetch"}
        super().__init__(**(_native.variables({**_file(), **os.environ}, known) | given))


def _file() -> dict[str, str | None]:
    """The ``.env`` file. A line that is skipped in reading must not be one of ours."""
    path = Path(".env")
    try:
        if path.is_file():
            with path.open(encoding="utf-8") as lines:
                skipped = [line.original for line in parse_stream(lines) if line.error]
            ours = [str(line.line) for line in skipped if any(family in line.string.upper() for family in _FAMILIES)]
            if ours:
                raise ValueError(f".env: cannot read line {', '.join(ours)}; a line is NAME=value")
        return dotenv_values(path)
    except UnicodeDecodeError:
        raise ValueError(".env: cannot be read; it is not UTF-8") from None
