"""`EnvBearerAuthProvider`: the reference's variables, read as the reference reads them, or those of the Rust crate.

A rule that would do nothing (misspelt, empty, of another family, of the Rust crate alone) raises: it must not pass for a
rule. No error holds a value.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import EllipsisType
from typing import Any

from dotenv import dotenv_values
from dotenv.parser import parse_stream
from pydantic_settings import BaseSettings, SettingsConfigDict

from mcp_bearer._provider import BearerAuthProvider
from mcp_bearer._settings import scope_list
from mcp_bearer._variables import OWN, REFERENCE, Own, misread

_SCOPES = f"{REFERENCE}REQUIRED_SCOPES"


class _Variables(BaseSettings):
    """It sees variables only: what it complains of, it keeps, and an argument may be a secret."""

    model_config = SettingsConfigDict(
        env_prefix=REFERENCE, env_file=".env", env_ignore_empty=True, extra="ignore", hide_input_in_errors=True
    )

    public_key: str | None = None
    jwks_uri: str | None = None
    issuer: str | None = None
    audience: str | None = None
    required_scopes: list[str] | None = None


class EnvBearerAuthProvider(BearerAuthProvider):
    """A `BearerAuthProvider` whose settings come from the environment and a ``.env`` file.

    The variables are ``FASTMCP_AUTH_BEARER_PUBLIC_KEY``, ``_JWKS_URI``, ``_ISSUER``, ``_AUDIENCE`` and
    ``_REQUIRED_SCOPES`` (a JSON list); or, when one of them is set, those of the Rust crate: ``MCP_BEARER_PUBLIC_KEY``,
    ``_PUBLIC_KEY_FILE``, ``_JWKS_URI``, ``_SHARED_SECRET``, ``_SHARED_SECRET_FILE``, ``_ISSUER`` or ``_ANY_ISSUER``,
    ``_AUDIENCE`` or ``_ANY_AUDIENCE``, ``_REQUIRED_SCOPES``, ``_ALGORITHMS``, ``_LEEWAY_SECONDS``. An argument wins over its
    variable, ``None`` included. Further keyword arguments are those of `BearerAuthProvider`.

    Raises:
        ValueError: with every problem of the variables at once, by their names.
    """

    def __init__(
        self,
        public_key: str | bytes | None | EllipsisType = ...,
        jwks_uri: str | None | EllipsisType = ...,
        issuer: str | list[str] | None | EllipsisType = ...,
        audience: str | list[str] | None | EllipsisType = ...,
        required_scopes: list[str] | None | EllipsisType = ...,
        **options: Any,
    ) -> None:
        arguments: dict[str, Any] = {
            "public_key": public_key,
            "jwks_uri": jwks_uri,
            "issuer": issuer,
            "audience": audience,
            "required_scopes": required_scopes,
        }
        given = {name: value for name, value in arguments.items() if value is not ...}
        super().__init__(**(_from_variables(_file(), os.environ, given) | given | options))


def _file() -> dict[str, str | None]:
    """The ``.env`` file. A line that is skipped in reading must not be one of ours."""
    path = Path(".env")
    try:
        if path.is_file():
            with path.open(encoding="utf-8") as lines:
                skipped = [line.original for line in parse_stream(lines) if line.error]
            ours = [str(line.line) for line in skipped if OWN in line.string.upper() or REFERENCE in line.string.upper()]
            if ours:
                raise ValueError(f".env: cannot read line {', '.join(ours)}; a line is NAME=value")
        return dotenv_values(path)
    except UnicodeDecodeError:
        raise ValueError(".env: cannot be read; it is not UTF-8") from None


def _from_variables(
    file: Mapping[str, str | None], process: Mapping[str, str | None], given: Mapping[str, Any]
) -> dict[str, Any]:
    variables = {**file, **process}
    own = Own(variables)
    settings = own.settings(given) if own.values else {}
    problems = [*misread(file), *misread(process), *own.problems]
    if own.values:
        others = [name for name in variables if name.upper().startswith(REFERENCE)]
        problems += [f"{other}: would do nothing beside {OWN}*; use the names of one family" for other in others]
    elif "required_scopes" not in given:
        problems += _no_scopes(file, process)
    if problems:
        raise ValueError("; ".join(dict.fromkeys(problems)))
    if own.values:
        return settings
    read = _Variables(**dict.fromkeys(given)).model_dump()
    try:
        scope_list(read["required_scopes"])
    except ValueError:
        raise ValueError(f"{_SCOPES}: one of its names is no scope") from None
    return read


def _no_scopes(file: Mapping[str, str | None], process: Mapping[str, str | None]) -> list[str]:
    """Empty or null, it would ask for no scope at all. The other variables of the reference may be empty."""
    values = [value for value in (process.get(_SCOPES), file.get(_SCOPES)) if value is not None]
    # An empty one in the process leaves it to the file.
    counts = next(filter(None, values), "")
    if values and counts.strip() in ("", "null"):
        return [f"{_SCOPES}: set, and asks for no scope; unset it if none is required"]
    return []
