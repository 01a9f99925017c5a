"""The attributes of a provider as the native verifier takes them, with the reference's words for what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from mcp_bearer import _native

_PEM_MARKS = ("-----BEGIN PUBLIC KEY-----", "-----BEGIN RSA PUBLIC KEY-----", "-----BEGIN EC PUBLIC KEY-----",
              "-----BEGIN CERTIFICATE-----")  # fmt: skip


@dataclass(frozen=True, kw_only=True, repr=False)
class Settings:
    """What `_native.Verifier` is given."""

    public_key: str | None
    secret: bytes | None
    jwks_uri: str | None
    issuers: list[str] | None
    audiences: list[str] | None
    algorithms: list[str]
    leeway: float
    require_expiry: bool
    token_cache: bool
    ssrf_safe: bool
    insecure_allow_http: bool
    fetch: Callable[[str, _native.Answer], None] | None
    now: float | None = field(default=None)


def names(value: str | Sequence[str] | None) -> list[str] | None:
    """One name or several; `None` is no check, and an empty list is a mistake that `_native` refuses."""
    if value is None:
        return None
    return [value] if isinstance(value, str) else [str(name) for name in value]


def keys(public_key: str | bytes | None, jwks_uri: str | None, algorithms: list[str]) -> dict[str, Any]:
    """Exactly one source of keys."""
    if not public_key and not jwks_uri:
        raise ValueError("Either public_key or jwks_uri must be provided")
    if public_key and jwks_uri:
        raise ValueError("Provide either public_key or jwks_uri, not both")
    for algorithm in algorithms:
        if algorithm not in _native.ALGORITHMS:
            raise ValueError(f"Unsupported algorithm: {algorithm}.")
    text = public_key.decode("utf-8", errors="replace") if isinstance(public_key, bytes) else public_key
    if not any(algorithm.startswith("HS") for algorithm in algorithms):
        return {"public_key": text or None, "secret": None, "jwks_uri": jwks_uri or None}
    if jwks_uri:
        raise ValueError(
            "Symmetric HS* algorithms cannot be used with jwks_uri; configure a shared secret via public_key instead."
        )
    if text and any(mark in text for mark in _PEM_MARKS):
        raise ValueError("Symmetric HS* algorithms require a shared secret, not a public key.")
    secret = public_key.encode() if isinstance(public_key, str) else public_key
    return {"public_key": None, "secret": secret, "jwks_uri": None}


def scope_list(value: str | Sequence[str] | None) -> list[str] | None:
    """A list, a JSON list, or names split by commas or blanks, as FastMCP takes them."""
    if isinstance(value, str):
        text = value.strip()
        value = json.loads(text) if text.startswith("[") else text.replace(",", " ").split()
    if value is None:
        return None
    scopes = list(value)
    _native.Rejection.insufficient_scope(scopes, [])  # refuses what no token could hold
    return scopes


def refuse_algorithm_as_audience(audience: object) -> None:
    """FastMCP 2.10 had `algorithm` where 2.9 and this package have `audience`."""
    listed = audience if isinstance(audience, (list, tuple)) else [audience]
    for name in listed:
        if isinstance(name, str) and name in _native.ALGORITHMS:
            raise TypeError(f"audience={name!r} is the name of an algorithm; say algorithm={name!r} by keyword")
