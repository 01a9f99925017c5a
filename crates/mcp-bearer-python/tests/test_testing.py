"""`mcp_bearer.testing`: what users test their servers with."""

import gc
import json
import os
import socket
import urllib.request

import pytest

from mcp_bearer import BearerAuthProvider, Rejection, _native
from mcp_bearer.testing import TestIssuer, TokenFault

AUDIENCE = "https://mcp.example.com/mcp"
ALGORITHMS = ["RS256", "ES256", "EdDSA"]


@pytest.fixture(scope="module")
def issuer():
    with TestIssuer() as issuer:
        yield issuer


def make(issuer, **options):
    options = {"issuer": issuer.url, "audience": AUDIENCE, "algorithm": ALGORITHMS, **options}
    return BearerAuthProvider(jwks_uri=issuer.jwks_uri, **options)


def address_of(issuer):
    host, port = issuer.url.removeprefix("http://").split(":")
    return host, int(port)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("fault", TokenFault)
async def test_each_fault_is_refused_for_its_reason(issuer, algorithm, fault):
    good = issuer.create_token("alice", AUDIENCE, algorithm=algorithm)
    bad = issuer.create_token("alice", AUDIENCE, algorithm=algorithm, fault=fault)
    cold, warm = make(issuer), make(issuer)
    await warm.warm_up()
    for auth in (cold, warm):
        with pytest.raises(Rejection) as caught:
            await auth.verify_token_or_raise(bad)
        assert caught.value.kind == fault.kind
        assert (await auth.verify_token_or_raise(good)).client_id == "test-client"


def test_python_knows_every_fault():
    assert {fault.value: fault.kind for fault in TokenFault} == dict(_native.TOKEN_FAULTS)


async def test_rotation_and_outage():
    with TestIssuer() as issuer:
        auth = make(issuer)
        old = issuer.create_token(audience=AUDIENCE)
        assert await auth.verify_token(old)
        assert issuer.key_requests == 1
        issuer.rotate()
        new = issuer.create_token(audience=AUDIENCE)
        assert await auth.verify_token(new)
        assert await auth.verify_token(old) is None

        issuer.go_down()
        assert await auth.verify_token(new)
        with pytest.raises(Rejection) as caught:
            await make(issuer).verify_token_or_raise(new)
        assert caught.value.kind == "keys_unavailable"
        issuer.come_back()
        assert await make(issuer).verify_token(new)


async def test_a_token_has_the_requested_contents(issuer):
    auth = make(issuer, audience=["a", "b"])
    token = issuer.create_token(
        "alice",
        ["b", "c"],
        ["mcp:read", "mcp:write"],
        additional_claims={"tenant": "blue", "client_id": "another"},
    )
    access = await auth.verify_token_or_raise(token)
    assert (access.client_id, access.scopes) == ("another", ["mcp:read", "mcp:write"])
    without_client = issuer.create_token("alice", "a", without_claims=["client_id"])
    assert (await auth.verify_token_or_raise(without_client)).client_id == "alice"
    for options in (
        {},
        {"audience": "a", "without_claims": ["exp"]},
        {"audience": "a", "expires_in_seconds": -3600},
        {"audience": "a", "additional_claims": {"exp": 1}},
    ):
        assert await auth.verify_token(issuer.create_token(**options)) is None
    assert await auth.verify_token(issuer.create_token(additional_claims={"aud": "a"}))


def test_what_cannot_be_signed_is_an_error(issuer):
    for algorithm in ("ES384", "HS256", "none", ""):
        with pytest.raises(ValueError, match=algorithm or "algorithm"):
            issuer.create_token(algorithm=algorithm)
    with pytest.raises(ValueError, match="JSON"):
        issuer.create_token(additional_claims={"x": float("nan")})


def test_it_listens_on_loopback_and_stops():
    with TestIssuer() as issuer:
        address = address_of(issuer)
        assert address[0] == "127.0.0.1"
        with urllib.request.urlopen(f"{issuer.url}/.well-known/openid-configuration") as answer:
            assert json.load(answer)["jwks_uri"] == issuer.jwks_uri
    with pytest.raises(OSError):
        socket.create_connection(address, timeout=1)
    with pytest.raises(ValueError, match="closed"):
        issuer.create_token()

    forgotten = TestIssuer()
    address = address_of(forgotten)
    del forgotten
    gc.collect()
    with pytest.raises(OSError):
        socket.create_connection(address, timeout=1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_child_that_drops_it_does_not_hang():
    issuer = TestIssuer()
    child = os.fork()
    if child == 0:
        issuer.close()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    # It continues in the parent.
    with urllib.request.urlopen(issuer.jwks_uri) as answer:
        assert len(json.load(answer)["keys"]) == 3
    issuer.close()
