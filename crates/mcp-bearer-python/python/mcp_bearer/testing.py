"""For tests only: an issuer on loopback, and tokens of every kind.

A `TestIssuer` publishes keys and metadata as an identity provider does, but only on 127.0.0.1, and signs whatever token a
test asks for. `TokenFault` lists tokens that a server must refuse, each with the reason that its log should show::

    from mcp_bearer.testing import TestIssuer, TokenFault

    with TestIssuer() as issuer:
        auth = BearerAuthProvider(jwks_uri=issuer.jwks_uri, issuer=issuer.url, audience=AUDIENCE)
        assert await auth.verify_token(issuer.create_token(audience=AUDIENCE))
        for fault in TokenFault:
            assert await auth.verify_token(issuer.create_token(audience=AUDIENCE, fault=fault)) is None

`RSAKeyPair` signs tokens without an issuer, as in FastMCP.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Iterable, Sequence
from typing import Any

from mcp_bearer import _native
from mcp_bearer._key_pair import JWKData, JWKSData, RSAKeyPair

__all__ = ["JWKData", "JWKSData", "RSAKeyPair", "TestIssuer", "TokenFault"]

_KINDS = dict(_native.TOKEN_FAULTS)


class TokenFault(enum.Enum):
    """What is wrong with a token. It is the only fault of its token."""

    EXPIRED = "expired"
    """``exp`` is an hour in the past."""
    NOT_YET_VALID = "not_yet_valid"
    """``nbf`` is an hour in the future."""
    WRONG_AUDIENCE = "wrong_audience"
    """``aud`` is another server."""
    WRONG_ISSUER = "wrong_issuer"
    """``iss`` is another issuer."""
    MISSING_CLAIM = "missing_claim"
    """There is no ``exp``."""
    FORGED = "forged"
    """The subject was changed after the token was signed."""
    UNKNOWN_KEY = "unknown_key"
    """``kid`` names a key that the issuer does not publish."""
    ID_TOKEN = "id_token"
    """An ID token: it has ``at_hash`` and ``nonce``."""
    UNSIGNED = "unsigned"
    """The header says ``"alg":"none"``, and there is no signature."""

    @property
    def kind(self) -> str:
        """The `Rejection.kind` with which a provider refuses the token."""
        return _KINDS[self.value]


class TestIssuer:
    """An issuer for tests: it serves its keys and metadata on 127.0.0.1, and signs tokens.

    It stops when it is closed, at the end of a ``with`` block, and when the object is deleted. It has an RSA key of 2048 bits,
    a P-256 key and an Ed25519 key.
    """

    __test__ = False  # not a test class, although its name begins like one

    def __init__(self) -> None:
        self._issuer: _native.TestIssuer | None = _native.TestIssuer()

    @property
    def url(self) -> str:
        """Its identifier, for ``issuer=``: ``http://127.0.0.1:PORT``."""
        return self._open().url

    @property
    def jwks_uri(self) -> str:
        """Where it publishes its keys."""
        return self._open().jwks_uri

    @property
    def key_requests(self) -> int:
        """How many times its keys were requested, including while it was down."""
        return self._open().key_requests

    def create_token(
        self,
        subject: str = "test-user",
        audience: str | Sequence[str] | None = None,
        scopes: Iterable[str] | None = None,
        expires_in_seconds: int = 3600,
        additional_claims: dict[str, Any] | None = None,
        *,
        algorithm: str = "RS256",
        without_claims: Iterable[str] = (),
        fault: TokenFault | None = None,
    ) -> str:
        """A token of this issuer, good unless a fault is given.

        Args:
            audience: ``aud``; left out when absent.
            additional_claims: other claims; they override those of the same name.
            algorithm: RS256 to RS512, PS256 to PS512, ES256, EdDSA or Ed25519.
            without_claims: the names of claims to leave out, such as ``exp``.
        """
        claims: dict[str, Any] = {"sub": subject}
        omitted = list(without_claims)
        if audience is None:
            omitted.append("aud")
        else:
            claims["aud"] = audience if isinstance(audience, str) else list(audience)
        if scopes is not None:
            claims["scope"] = " ".join(scopes)
        claims.update(additional_claims or {})
        if audience is None and "aud" in claims:
            omitted.remove("aud")
        return self._open().create_token(
            algorithm=algorithm,
            expires_in_seconds=expires_in_seconds,
            claims=json.dumps(claims, allow_nan=False),
            without_claims=omitted,
            fault=None if fault is None else fault.value,
        )

    def rotate(self) -> None:
        """Replaces all keys: new tokens are signed with the new ones, and the old ones are no longer published."""
        self._open().rotate()

    def go_down(self) -> None:
        """Closes each connection without an answer, until `come_back`."""
        self._open().go_down()

    def come_back(self) -> None:
        """Answers again."""
        self._open().come_back()

    def close(self) -> None:
        """Stops the issuer."""
        self._issuer = None

    def __enter__(self) -> TestIssuer:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _open(self) -> _native.TestIssuer:
        if self._issuer is None:
            raise ValueError("the issuer is closed")
        return self._issuer
