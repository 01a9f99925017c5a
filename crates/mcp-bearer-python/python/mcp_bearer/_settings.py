"""The attributes of a provider as the native verifier takes them, with the reference's words for what is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mcp_bearer import _native
from mcp_bearer._fetch import Asker

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
    fetch: Asker | None
    now: float | None


def of(policy: Mapping[str, Any], ask: Asker | None) -> Settings:
    """From the attributes that `_cell.POLICY` lists."""
    _refuse_algorithm_as_audience(policy["audience"])
    algorithms = names("algorithm", policy["algorithm"]) or []
    same = ("leeway", "require_expiry", "token_cache", "ssrf_safe", "insecure_allow_http")
    return Settings(
        **keys(policy["public_key"], policy["jwks_uri"], algorithms),
        issuers=names("issuer", policy["issuer"]),
        audiences=names("audience", policy["audience"]),
        algorithms=algorithms,
        fetch=ask,
        now=policy["_now"],
        **{name: policy[name] for name in same},
    )


def names(setting: str, value: object) -> list[str] | None:
    """One name or several; `None` is no check, and an empty list is a mistake that `_native` refuses."""
    if value is None:
        return None
    if not isinstance(value, (str, list, tuple)):
        raise TypeError(f"{setting}: must be a string or a list of strings, not {type(value).__name__}")
    return _texts(setting, [value] if isinstance(value, str) else value)


def _texts(setting: str, values: Iterable[object]) -> list[str]:
    """As plain strings: the member of an enumeration of strings means its value."""
    texts = []
    for value in values:
        if not isinstance(value, str):
            raise TypeError(f"{setting}: must be a list of strings, and {type(value).__name__} stands in it")
        texts.append(str.__str__(value))
    return texts


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


def scope_list(value: object) -> list[str] | None:
    """A list, a JSON list, or names split by commas or blanks, as FastMCP takes them."""
    if value is None:
        return None
    if isinstance(value, str):
        text = value.strip()
        value = json.loads(text) if text.startswith("[") else text.replace(",", " ").split()
        if not value:
            raise ValueError("required_scopes: a string without a scope; say [] when none is required")
    if not isinstance(value, Iterable) or isinstance(value, (bytes, bytearray)):
        raise TypeError(f"required_scopes: must be a list of strings, not {type(value).__name__}")
    scopes = _texts("required_scopes", value)
    _native.Rejection.insufficient_scope(scopes, [])  # refuses what no token could hold
    return scopes


def _refuse_algorithm_as_audience(audience: object) -> None:
    """FastMCP 2.10 had `algorithm` where 2.9 and this package have `audience`."""
    listed = audience if isinstance(audience, (list, tuple)) else [audience]
    for name in listed:
        if isinstance(name, str) and name in _native.ALGORITHMS:
            raise TypeError(f"audience={name!r} is the name of an algorithm; say algorithm={name!r} by keyword")
