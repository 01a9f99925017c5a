"""Key pairs and tokens for tests, and the shapes of key documents."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, TypedDict

from pydantic import SecretStr

from mcp_bearer import _native


class JWKData(TypedDict, total=False):
    """One JSON Web Key (RFC 7517 section 4). ``kty`` is required there."""

    kty: str
    kid: str
    use: str
    alg: str
    n: str
    e: str
    crv: str
    x: str
    y: str
    x5c: list[str]
    x5t: str


class JWKSData(TypedDict):
    """A JWK Set (RFC 7517 section 5)."""

    keys: list[JWKData]


@dataclass(frozen=True, kw_only=True, repr=False)
class RSAKeyPair:
    """An RSA key pair that signs tokens for tests."""

    private_key: SecretStr
    public_key: str

    @classmethod
    def generate(cls) -> RSAKeyPair:
        """A new pair of 2048 bits; the keys are PKCS#8 and SPKI in PEM."""
        private_key, public_key = _native.generate_key_pair()
        return cls(private_key=SecretStr(private_key), public_key=public_key)

    def create_token(
        self,
        subject: str = "fastmcp-user",
        issuer: str = "https://fastmcp.example.com",
        audience: str | list[str] | None = None,
        scopes: list[str] | None = None,
        expires_in_seconds: int = 3600,
        additional_claims: dict[str, Any] | None = None,
        kid: str | None = None,
    ) -> str:
        """A token signed with RS256. A negative lifetime makes one that has already expired."""
        claims: dict[str, Any] = {}
        if audience:
            claims["aud"] = audience
        if scopes:
            claims["scope"] = " ".join(scopes)
        claims.update(additional_claims or {})
        return _native.create_token(
            self.private_key.get_secret_value(),
            subject=subject,
            issuer=issuer,
            expires_in_seconds=expires_in_seconds,
            claims=json.dumps(claims, allow_nan=False),
            kid=kid or None,
        )
