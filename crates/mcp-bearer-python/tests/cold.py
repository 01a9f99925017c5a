"""What the tests of cold servers share: tokens that no key could save, and providers without keys."""

import time
from collections.abc import Callable

from conftest import AUDIENCE, ISSUER, sign
from issuers import Issuer

from mcp_bearer import BearerAuthProvider, RSAKeyPair

CONDEMNED: dict[str, tuple[str, Callable[[RSAKeyPair], str]]] = {
    "expired": ("expired", lambda pair: sign(pair, exp=time.time() - 3600)),
    "not yet valid": ("not_yet_valid", lambda pair: sign(pair, nbf=time.time() + 3600)),
    "another audience": ("wrong_audience", lambda pair: sign(pair, aud="https://other.example.com/mcp")),
    "issuer one slash off": ("wrong_issuer", lambda pair: sign(pair, iss=ISSUER.removesuffix("/"))),
    "no exp": ("missing_claim", lambda pair: sign(pair, exp=None)),
    "bound to a key": ("sender_constrained", lambda pair: sign(pair, cnf={"jkt": "a" * 43})),
    "ID token": ("wrong_token_type", lambda pair: sign(pair, at_hash="a" * 22)),
}
"""The kind of the refusal, and how such a token is made. Its signature is good."""

ISSUERS = {"one": ISSUER, "several": [ISSUER, "https://partner.example.com/"]}
"""What a provider may know of its issuers."""


def cold(issuer: Issuer, names: str | list[str] = ISSUER) -> BearerAuthProvider:
    return BearerAuthProvider(**issuer.options(), issuer=names, audience=AUDIENCE, required_scopes=["read"])


def good(pair: RSAKeyPair) -> str:
    return sign(pair, aud=AUDIENCE)
