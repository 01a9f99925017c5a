"""What the tests share: a key pair, its JWKS and issuer, tokens, and a `fetch` function that counts."""

import base64
import hmac
import json
import logging
import os
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from issuers import JWKS_URI as JWKS_URI
from issuers import TRANSPORTS, starter

from mcp_bearer import BearerAuthProvider, RSAKeyPair

# What hypothesis saves about its runs belongs with the build output, not among the tests.
os.environ.setdefault("HYPOTHESIS_STORAGE_DIRECTORY", str(Path(__file__).parents[1] / "target" / "hypothesis"))

ISSUER = "https://idp.example.com/"
AUDIENCE = "https://mcp.example.com/mcp"


@pytest.fixture(scope="session")
def pair() -> RSAKeyPair:
    return RSAKeyPair.generate()


@pytest.fixture(scope="session")
def other_pair() -> RSAKeyPair:
    return RSAKeyPair.generate()


@pytest.fixture(scope="session")
def token(pair: RSAKeyPair) -> str:
    return make_token(pair)


@pytest.fixture
def provider(pair: RSAKeyPair) -> BearerAuthProvider:
    return BearerAuthProvider(pair.public_key, issuer=ISSUER, audience=AUDIENCE)


@pytest.fixture(params=TRANSPORTS)
def start(request, pair):
    """Starts an issuer of the pair in a state, with each transport in turn."""
    with starter(make_jwks((pair, None))) as start:
        yield partial(start, transport=request.param)


@pytest.fixture
def log(caplog):
    with caplog.at_level(logging.INFO, logger="mcp_bearer"):
        yield caplog


def make_token(pair: RSAKeyPair, **changes: Any) -> str:
    request: dict[str, Any] = {"subject": "alice", "issuer": ISSUER, "audience": AUDIENCE, "scopes": ["read", "write"]}
    return pair.create_token(**{**request, **changes})


def sign(pair: RSAKeyPair, **changes: Any) -> str:
    """A token with exactly these claims, whatever they are: `None` leaves one out."""
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "scope": "read write", "exp": time.time() + 3600, **changes}
    claims = {name: value for name, value in claims.items() if value is not None}
    parts = [json.dumps(part).encode() for part in ({"alg": "RS256", "typ": "JWT"}, claims)]
    message = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    key = load_pem_private_key(pair.private_key.get_secret_value().encode(), password=None)
    signature = base64.urlsafe_b64encode(key.sign(message, padding.PKCS1v15(), hashes.SHA256())).rstrip(b"=")
    return b".".join((message, signature)).decode()


def hs256(secret: str, **claims: Any) -> str:
    """A token that this secret signed."""
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": 4_000_000_000, **claims}
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256"}, claims)]
    message = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    signature = base64.urlsafe_b64encode(hmac.digest(secret.encode(), message, "sha256")).rstrip(b"=")
    return b".".join((message, signature)).decode()


def make_jwks(*pairs: tuple[RSAKeyPair, str | None]) -> bytes:
    """The public keys with these ids as a JWK Set."""
    return json.dumps({"keys": [_jwk(pair, kid) for pair, kid in pairs]}).encode()


def _jwk(pair: RSAKeyPair, kid: str | None) -> dict[str, str]:
    numbers = load_pem_public_key(pair.public_key.encode()).public_numbers()
    jwk = {"kty": "RSA", "n": _base64url(numbers.n), "e": _base64url(numbers.e)}
    return jwk if kid is None else {**jwk, "kid": kid}


def _base64url(number: int) -> str:
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class CountingFetch:
    """A `fetch` function that records its calls and their threads, and what it returns."""

    def __init__(self, answer: bytes | Callable[[], bytes], seconds: float = 0.0) -> None:
        self.answer = answer
        self.seconds = seconds
        self.urls: list[str] = []
        self.threads: set[str] = set()

    async def __call__(self, url: str) -> bytes:
        import asyncio

        self.urls.append(url)
        self.threads.add(threading.current_thread().name)
        if self.seconds:
            await asyncio.sleep(self.seconds)
        return self.answer() if callable(self.answer) else self.answer


def until(what: Callable[[], Any], seconds: float = 10.0) -> Any:
    """The first true value, however slow the machine."""
    end = time.monotonic() + seconds
    while not (value := what()):
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.01)
    return value
