"""`EnvBearerAuthProvider`: the reference's variables, read as the reference reads them, or those of the Rust crate.

A rule that would do nothing (misspelt, empty, of another family, of the Rust crate alone) raises: it must not pass for a
rule. No error holds a value.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import EllipsisType
from typing import Any

from dotenv import dotenv_values
from pydantic_settings import BaseSettings, SettingsConfigDict

from mcp_bearer._provider import BearerAuthProvider


class _Variables(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="FASTMCP_AUTH_BEARER_", env_file=".env", env_ignore_empty=True, extra="ignore"
    )

    public_key: str | None = None
    jwks_uri: str | None = None
    issuer: str | None = None
    audience: str | None = None
    required_scopes: list[str] | None = None


_PREFIX = "MCP_BEARER_"
_KEYS = ("PUBLIC_KEY", "PUBLIC_KEY_FILE", "JWKS_URI", "SHARED_SECRET", "SHARED_SECRET_FILE")
_KNOWN = (*_KEYS, "ISSUER", "ANY_ISSUER", "AUDIENCE", "ANY_AUDIENCE", "REQUIRED_SCOPES", "ALGORITHMS", "LEEWAY_SECONDS")
_OF_RUST_ALONE = ("JWKS_FILE", "MAX_AGE_SECONDS", "TOKEN_TYPE", "ALLOWED_CLIENT_IDS")


class _Own:
    """The ``MCP_BEARER_*`` variables. Every problem is told at once."""

    def __init__(self, variables: Mapping[str, str | None]) -> None:
        self.values = {
            name.removeprefix(_PREFIX): value or ""
            for name, value in variables.items()
            if name.startswith(_PREFIX) and name != f"{_PREFIX}LOG"
        }
        self.problems: list[str] = []

    def settings(self, others: list[str]) -> dict[str, Any]:
        for name, value in self.values.items():
            if name in _OF_RUST_ALONE:
                self.problem(name, "is read by the Rust crate and its program only")
            elif name not in _KNOWN:
                self.problem(name, "no such setting; is it misspelt?")
            elif not value.strip():
                self.problem(name, "set but empty; unset it if it is not meant")
        self.problems += [f"{other}: would do nothing beside {_PREFIX}*; use the names of one family" for other in others]
        settings = self.keys() | {
            "issuer": self.decision("ISSUER", "ANY_ISSUER"),
            "audience": self.decision("AUDIENCE", "ANY_AUDIENCE"),
            "required_scopes": self.listed("REQUIRED_SCOPES"),
        }
        if algorithms := self.listed("ALGORITHMS"):
            settings["algorithm"] = algorithms
        if leeway := self.values.get("LEEWAY_SECONDS"):
            if leeway.strip().isdecimal():
                settings["leeway"] = int(leeway)
            else:
                self.problem("LEEWAY_SECONDS", "not a whole number of seconds")
        if self.problems:
            raise ValueError("; ".join(self.problems))
        return settings

    def keys(self) -> dict[str, Any]:
        given = [name for name in _KEYS if self.values.get(name)]
        if len(given) > 1:
            self.problem("*", f"{' and '.join(given)} are set; keys come from one place")
        if not given:
            return {"public_key": None, "jwks_uri": None}
        name = given[0]
        value: str | bytes = self.values[name]
        if name.endswith("_FILE"):
            try:
                content = Path(self.values[name]).read_bytes()
            except (OSError, ValueError) as error:
                why = error.strerror if isinstance(error, OSError) else "no name of a file"
                self.problem(name, f"cannot be read: {why}; it takes the name of a file")
                return {"public_key": None, "jwks_uri": None}
            value = content if name == "PUBLIC_KEY_FILE" else _without_line_end(content)
        if name == "JWKS_URI":
            return {"public_key": None, "jwks_uri": value}
        keys: dict[str, Any] = {"public_key": value, "jwks_uri": None}
        return keys | {"algorithm": ["HS256"]} if name.startswith("SHARED") else keys

    def decision(self, name: str, any_name: str) -> list[str] | None:
        """A list, or `None` for any. One of the two has to be said."""
        value, any_value = self.values.get(name), self.values.get(any_name, "false").strip()
        if any_value not in ("true", "1", "false", "0"):
            self.problem(any_name, 'neither "true" nor "false"')
        any_one = any_value in ("true", "1")
        if bool(value) == any_one:
            self.problem(name, f"either this or {_PREFIX}{any_name}=true has to be set")
        if not value:
            return None
        return self.listed(name) if value.lstrip().startswith("[") else [value]

    def listed(self, name: str) -> list[str] | None:
        """A JSON list, or names split by blanks or commas."""
        text = self.values.get(name, "").strip()
        if not text:
            return None
        if not text.startswith("["):
            return text.replace(",", " ").split()
        try:
            items = json.loads(text)
        except ValueError:
            items = None
        if not isinstance(items, list) or not items or not all(isinstance(item, str) for item in items):
            self.problem(name, "not a JSON list of strings, or an empty one")
            return None
        return items

    def problem(self, name: str, why: str) -> None:
        self.problems.append(f"{_PREFIX}{name}: {why}")


def _refuse_no_scopes(variables: Mapping[str, str | None], given: dict[str, Any]) -> None:
    """Empty, it would ask for no scope at all. The other variables of the reference are not checked when empty."""
    name = "FASTMCP_AUTH_BEARER_REQUIRED_SCOPES"
    if "required_scopes" not in given and any(each.upper() == name and value == "" for each, value in variables.items()):
        raise ValueError(f"{name}: set but empty; unset it if no scope is required")


def _without_line_end(secret: bytes) -> bytes:
    """What an editor leaves behind printable text is no part of the secret; any other byte is."""
    if not secret.endswith(b"\n"):
        return secret
    line = secret[:-1].removesuffix(b"\r")
    return line if all(0x20 <= byte < 0x7F for byte in line) else secret


class EnvBearerAuthProvider(BearerAuthProvider):
    """A `BearerAuthProvider` whose settings come from the environment and a ``.env`` file.

    The variables are ``FASTMCP_AUTH_BEARER_PUBLIC_KEY``, ``_JWKS_URI``, ``_ISSUER``, ``_AUDIENCE`` and
    ``_REQUIRED_SCOPES`` (a JSON list); or, when one of them is set, those of the Rust crate: ``MCP_BEARER_PUBLIC_KEY``,
    ``_PUBLIC_KEY_FILE``, ``_JWKS_URI``, ``_SHARED_SECRET``, ``_SHARED_SECRET_FILE``, ``_ISSUER`` or ``_ANY_ISSUER``,
    ``_AUDIENCE`` or ``_ANY_AUDIENCE``, ``_REQUIRED_SCOPES``, ``_ALGORITHMS``, ``_LEEWAY_SECONDS``. An argument wins over its
    variable, ``None`` included. Further keyword arguments are those of `BearerAuthProvider`.
    """

    def __init__(
        self,
        public_key: str | None | EllipsisType = ...,
        jwks_uri: str | None | EllipsisType = ...,
        issuer: str | None | EllipsisType = ...,
        audience: str | list[str] | None | EllipsisType = ...,
        required_scopes: list[str] | None | EllipsisType = ...,
        **options: Any,
    ) -> None:
        given: dict[str, Any] = {
            "public_key": public_key,
            "jwks_uri": jwks_uri,
            "issuer": issuer,
            "required_scopes": required_scopes,
        }
        given = {name: value for name, value in given.items() if value is not ...}
        variables = {**dotenv_values(".env"), **os.environ}
        own = _Own(variables)
        settings: dict[str, Any]
        if own.values:
            reference = str(_Variables.model_config["env_prefix"])
            settings = own.settings([name for name in variables if name.upper().startswith(reference)]) | given
        else:
            _refuse_no_scopes(variables, given)
            settings = _Variables(**given).model_dump()
        if audience is not ...:
            settings["audience"] = audience
        super().__init__(**(settings | options))
