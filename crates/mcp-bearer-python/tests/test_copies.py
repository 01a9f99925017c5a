"""Providers and rejections are copied and pickled, as FastMCP's are."""

import copy
import pickle

import pytest
from conftest import AUDIENCE, ISSUER, JWKS_URI, CountingFetch, make_jwks, make_token
from test_provider import refused

from mcp_bearer import BearerAuthProvider, Rejection, _native

JWKS = b""


def pickled(it):
    return pickle.loads(pickle.dumps(it))


def pickled_as_of_old(it):
    return pickle.loads(pickle.dumps(it, 2))


WAYS = [copy.copy, copy.deepcopy, pickled, pickled_as_of_old]


async def fetch(url: str) -> bytes:
    return JWKS


class Strict(BearerAuthProvider):
    def _extract_scopes(self, claims):
        return ["strict"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", [BearerAuthProvider, Strict])
async def test_a_provider(kind, way, pair, token):
    provider = kind(pair.public_key, issuer=[ISSUER], audience=AUDIENCE, required_scopes=["read"], leeway=5)
    scopes = (await provider.verify_token(token)).scopes
    again = way(provider)
    assert type(again) is kind
    assert (again.issuer, again.audience, again.required_scopes, again.leeway) == ([ISSUER], AUDIENCE, ["read"], 5)
    assert (await again.verify_token(token)).scopes == scopes
    again.audience = "https://other.example.com/"
    assert await refused(again, token) == "wrong_audience"
    assert await provider.verify_token(token) is not None
    assert await refused(way(again), token) == "wrong_audience"


@pytest.mark.parametrize("way", WAYS)
async def test_a_provider_with_a_fetch_function(way, pair, token, monkeypatch):
    monkeypatch.setitem(globals(), "JWKS", make_jwks((pair, None)))
    assert await way(BearerAuthProvider(jwks_uri=JWKS_URI, fetch=fetch)).verify_token(token) is not None
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(BearerAuthProvider(jwks_uri=JWKS_URI, fetch=lambda url: fetch(url)))


@pytest.mark.parametrize("way", WAYS)
async def test_a_rejection(way, pair, provider):
    closed = BearerAuthProvider(jwks_uri=JWKS_URI, fetch=CountingFetch(b"<html>"))
    rejections = []
    for each, token in [
        (provider, make_token(pair, expires_in_seconds=-3600)),
        (provider, "a" * 20_000),
        (provider, 7),
        (closed, make_token(pair)),
    ]:
        with pytest.raises(Rejection) as caught:
            await each.verify_token_or_raise(token)
        rejections.append(caught.value)
    rejections += [Rejection(_native.bearer_token(values)) for values in ([], [b"Bearer a", b"Bearer a"])]
    rejections.append(Rejection(_native.Rejection.insufficient_scope(["a", "b"], ["a"])))
    rejections.append(Rejection(_native.Rejection.malformed(), kind="claim_not_allowed", detail="said"))
    assert len({rejection.kind for rejection in rejections}) == len(rejections)
    for rejection in rejections:
        again = way(way(rejection))
        assert type(again) is Rejection
        assert str(again) == str(rejection)
        for name in ("kind", "status", "retry_after", "required_scopes", "missing_scopes"):
            assert getattr(again, name) == getattr(rejection, name)
        assert again.challenge(["x"], "https://x.example/") == rejection.challenge(["x"], "https://x.example/")
        assert again._native.is_service_fault == rejection._native.is_service_fault
