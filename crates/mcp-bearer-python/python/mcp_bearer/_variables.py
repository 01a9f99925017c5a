"""The ``MCP_BEARER_*`` variables, with the meanings of the Rust crate, and which names of either family would do nothing.

A rule that would do nothing must never pass for a rule, every problem is told at once, and no error holds a value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mcp_bearer import _native, _settings

OWN = "MCP_BEARER_"
REFERENCE = "FASTMCP_AUTH_BEARER_"

_KEYS = ("PUBLIC_KEY", "PUBLIC_KEY_FILE", "JWKS_URI", "SHARED_SECRET", "SHARED_SECRET_FILE")
_READ = (*_KEYS, "ISSUER", "ANY_ISSUER", "AUDIENCE", "ANY_AUDIENCE", "REQUIRED_SCOPES", "ALGORITHMS", "LEEWAY_SECONDS")
_OF_RUST_ALONE = ("JWKS_FILE", "MAX_AGE_SECONDS", "TOKEN_TYPE", "ALLOWED_CLIENT_IDS")
_OF_REFERENCE = ("PUBLIC_KEY", "JWKS_URI", "ISSUER", "AUDIENCE", "REQUIRED_SCOPES")
_KNOWN = {f"{OWN}{name}" for name in (*_READ, *_OF_RUST_ALONE, "LOG")} | {f"{REFERENCE}{name}" for name in _OF_REFERENCE}


def misread(variables: Mapping[str, str | None]) -> list[str]:
    """What is wrong with the names of both families, and with the values that nobody looks at further."""
    problems = []
    for name, value in variables.items():
        # In a .env file a quote or a sign in front makes another name.
        if not re.sub(r"^\W+", "", name).upper().startswith((OWN, REFERENCE)):
            continue
        why = None
        if name not in _KNOWN:
            why = "no such setting; is it misspelt, or in small letters?"
        elif name.removeprefix(OWN) in _OF_RUST_ALONE:
            why = "is read by the Rust crate and its program only"
        elif value is None:
            why = "stands in the .env file without a value; a line is NAME=value"
        elif not _is_unicode(value):
            why = "not Unicode"
        # The reference takes an empty issuer or audience for none.
        elif not value.strip() and name.startswith(OWN) and name != f"{OWN}LOG":
            why = "set but empty; unset it if it is not meant"
        if why is not None:
            problems.append(f"{ascii(name)[1:-1]}: {why}")
    return problems


class Own:
    """The ``MCP_BEARER_*`` variables that are set."""

    def __init__(self, variables: Mapping[str, str | None]) -> None:
        # What `misread` complains of counts as unset here, and is complained of once.
        self.values = {
            name.removeprefix(OWN): value
            for name, value in variables.items()
            if name in _KNOWN and name.startswith(OWN) and name != f"{OWN}LOG" and value and value.strip()
        }
        self.problems: list[str] = []

    def settings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of a provider, which are worth something when there are no `problems`. What is given is decided."""
        settings = self._keys() | {
            "issuer": None if "issuer" in given else self._decision("ISSUER", "ANY_ISSUER"),
            "audience": None if "audience" in given else self._decision("AUDIENCE", "ANY_AUDIENCE"),
            "required_scopes": self._scopes(),
        }
        if (algorithms := self._algorithms()) is not None:
            settings["algorithm"] = algorithms
        if (leeway := self.values.get("LEEWAY_SECONDS")) is not None:
            if re.fullmatch(r"\+?[0-9]{1,9}", leeway.strip()) and int(leeway) <= 300:
                settings["leeway"] = int(leeway)
            else:
                self._problem("LEEWAY_SECONDS", "not a whole number of seconds from 0 to 300")
        return settings

    def _keys(self) -> dict[str, Any]:
        given = [name for name in _KEYS if name in self.values]
        if len(given) > 1:
            self._problem("*", f"{' and '.join(given)} are set; keys come from one place")
        if not given:
            return {"public_key": None, "jwks_uri": None}
        name = given[0]
        value: str | bytes = self.values[name]
        if name.endswith("_FILE"):
            try:
                content = Path(self.values[name]).read_bytes()
            except (OSError, ValueError) as error:
                why = error.strerror if isinstance(error, OSError) else "no name of a file"
                self._problem(name, f"cannot be read: {why}; it takes the name of a file")
                return {"public_key": None, "jwks_uri": None}
            value = content if name == "PUBLIC_KEY_FILE" else _without_line_end(content)
        if name == "JWKS_URI":
            return {"public_key": None, "jwks_uri": value}
        keys: dict[str, Any] = {"public_key": value, "jwks_uri": None}
        return keys | {"algorithm": ["HS256"]} if name.startswith("SHARED") else keys

    def _decision(self, name: str, any_name: str) -> list[str] | None:
        """A list, or `None` for any. One of the two has to be said."""
        value, any_value = self.values.get(name), self.values.get(any_name, "false")
        if any_value not in ("true", "1", "false", "0"):
            self._problem(any_name, 'neither "true" nor "false"')
        elif (value is not None) == (any_value in ("true", "1")):
            self._problem(name, f"either this or {OWN}{any_name}=true has to be set")
        if value is None:
            return None
        return self._json(name, value) if value.lstrip().startswith("[") else [value]

    def _scopes(self) -> list[str] | None:
        """A JSON list, or names split by blanks. A comma belongs to a name, as in RFC 6749."""
        text = self.values.get("REQUIRED_SCOPES")
        if text is None:
            return None
        scopes = self._json("REQUIRED_SCOPES", text) if text.lstrip().startswith("[") else text.split()
        try:
            return _settings.scope_list(scopes)
        except ValueError:
            self._problem("REQUIRED_SCOPES", "one of its names is no scope")
            return None

    def _algorithms(self) -> list[str] | None:
        """Names split by blanks or commas."""
        text = self.values.get("ALGORITHMS")
        if text is None:
            return None
        algorithms = [name for name in re.split("[ ,]", text) if name]
        if not algorithms or not set(algorithms) <= set(_native.ALGORITHMS):
            self._problem("ALGORITHMS", f"not a list of names among {', '.join(_native.ALGORITHMS)}")
        return algorithms

    def _json(self, name: str, text: str) -> list[str] | None:
        try:
            items = json.loads(text)
        except (ValueError, RecursionError):
            items = None
        if not isinstance(items, list) or not items or not all(isinstance(item, str) for item in items):
            self._problem(name, "not a JSON list of strings, or an empty one")
            return None
        return items

    def _problem(self, name: str, why: str) -> None:
        self.problems.append(f"{OWN}{name}: {why}")


def _is_unicode(value: str) -> bool:
    """Not so is what Python made of bytes that are no UTF-8."""
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _without_line_end(secret: bytes) -> bytes:
    """What an editor leaves behind printable text is no part of the secret; any other byte is."""
    if not secret.endswith(b"\n"):
        return secret
    line = secret[:-1].removesuffix(b"\r")
    return line if all(0x20 <= byte < 0x7F for byte in line) else secret
