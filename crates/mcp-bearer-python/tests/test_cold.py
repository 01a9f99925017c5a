"""A server without keys, behind the middleware: an outage affects only tokens that keys could save."""

import asyncio
import json
import logging
import threading
import time

import pytest
from cold import CONDEMNED, ISSUERS, cold, good
from conftest import AUDIENCE, ISSUER, make_jwks, sign, until
from issuers import STATES, HookIssuer
from test_asgi import METADATA_PATH, Recorder, ask

from mcp_bearer import Rejection
from mcp_bearer.asgi import BearerAuthMiddleware

CHALLENGE = (
    'Bearer error="invalid_token", scope="read", '
    f'resource_metadata="https://mcp.example.com{METADATA_PATH}", error_description="The token is not valid here"'
)


def guard(provider):
    return BearerAuthMiddleware(Recorder(), provider, resource=AUDIENCE, authorization_servers=[ISSUER])


def reason(provider, token):
    """The refusal of a token, as the operator sees it."""
    with pytest.raises(Rejection) as caught:
        asyncio.run(provider.verify_token_or_raise(token))
    return caught.value


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("names", ISSUERS)
@pytest.mark.parametrize("fault", CONDEMNED)
def test_a_token_that_its_own_claims_condemn_is_refused_for_that(fault, names, state, start, pair, log):
    kind, make = CONDEMNED[fault]
    issuer, token = start(state), make(pair)
    provider = cold(issuer, ISSUERS[names])
    began = time.monotonic()
    status, headers, body = ask(guard(provider), f"Bearer {token}")
    assert time.monotonic() - began < 2, "it waited for keys that could not save it"
    assert (status, headers["www-authenticate"], json.loads(body)["error"]) == (401, CHALLENGE, "invalid_token")
    assert "retry-after" not in headers
    (denied,) = [record for record in log.records if "denied" in record.message]
    assert denied.levelno == logging.INFO
    assert denied.message.startswith(f"request denied: {kind}: ")
    assert "not verified" in denied.message and "next attempt" not in denied.message

    until(lambda: issuer.asked == 1)  # in the background
    if state == "up":
        until(lambda: "not verified" not in str(reason(provider, token)))
    assert reason(provider, token).kind == kind
    status, headers, _ = ask(guard(provider), f"Bearer {token}")
    assert (status, headers["www-authenticate"]) == (401, CHALLENGE)
    assert issuer.asked == 1


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("after", [None, *CONDEMNED])
def test_a_good_token_is_never_refused_for_an_outage(after, state, start, pair):
    """Alone, and after one that no key could save."""
    issuer = start(state)
    guarded = guard(cold(issuer))
    if after is not None:
        assert ask(guarded, "Bearer " + CONDEMNED[after][1](pair))[0] == 401
        until(lambda: issuer.asked == 1)
    if state == "held":
        threading.Timer(0.1, issuer.released.set).start()
    status, headers, _ = ask(guarded, "Bearer " + good(pair))
    if state == "down":
        assert status == 503
        assert int(headers["retry-after"]) >= 1
        assert "www-authenticate" not in headers
    else:
        assert status == 200
        assert issuer.asked == 1


@pytest.mark.parametrize("fault", ["scopes", "forged"])
def test_a_fault_that_only_a_verified_token_can_have_is_still_an_outage(fault, start, pair, other_pair):
    """Otherwise a stranger could ask a cold server which scopes it requires."""
    token = sign(pair, scope="other") if fault == "scopes" else sign(other_pair)
    assert ask(guard(cold(start("down"))), f"Bearer {token}")[0] == 503
    provider = cold(start("up"))
    assert ask(guard(provider), f"Bearer {token}")[0] == (403 if fault == "scopes" else 401)


def test_the_signature_comes_first_as_soon_as_keys_are_held(start, pair, other_pair):
    forged = sign(other_pair, exp=time.time() - 3600)
    provider = cold(start("up"))
    first = reason(provider, forged)
    assert (first.kind, "not verified" in str(first)) == ("expired", True)
    until(lambda: reason(provider, forged).kind == "bad_signature")


def test_a_signature_of_an_impossible_length_starts_no_fetch(start, pair):
    header, claims, signature = good(pair).split(".")
    issuer = start("up")
    provider = cold(issuer)
    for short in (signature[:4], signature[:84]):
        assert reason(provider, ".".join((header, claims, short))).kind == "bad_signature"
    for hopeless in ("a.b.c", "", "e30.e30." + signature):
        assert ask(guard(provider), f"Bearer {hopeless}")[0] in (400, 401)
    time.sleep(0.3)
    assert issuer.asked == 0


@pytest.mark.parametrize("state", ["held", "down"])
def test_a_flood_of_condemned_tokens_starts_one_fetch(state, start, pair):
    """From several threads and loops; also if the first fetch has failed."""
    issuer = start(state)
    provider = cold(issuer)
    tokens = [make(pair) for _, make in CONDEMNED.values()]
    kinds = {kind for kind, _ in CONDEMNED.values()}
    seen = []

    def flood():
        async def every():
            return await asyncio.gather(*(provider.verify_token_or_raise(token) for token in tokens * 20), return_exceptions=True)

        seen.extend(asyncio.run(every()))

    def from_all():
        began = time.monotonic()
        threads = [threading.Thread(target=flood) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return time.monotonic() - began

    assert from_all() < 4  # nobody waits for 5 s
    until(lambda: issuer.asked == 1)
    time.sleep(1.1)  # from then on, a good token would start another fetch
    from_all()
    time.sleep(0.2)
    assert len(seen) == 2 * 4 * 20 * len(tokens)
    assert {rejection.kind for rejection in seen} == kinds
    assert issuer.asked == 1


def test_each_policy_asks_for_its_own_keys(pair):
    """Another policy is another source, which was not asked either."""
    issuer = HookIssuer(make_jwks((pair, None)), "up")
    provider = cold(issuer)
    expired = CONDEMNED["expired"][1](pair)
    for number in (1, 2):
        assert "not verified" in str(reason(provider, expired))
        until(lambda: "not verified" not in str(reason(provider, expired)))
        assert issuer.asked == number
        provider.leeway = 10
