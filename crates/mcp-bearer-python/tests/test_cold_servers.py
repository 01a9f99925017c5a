"""Cold servers of FastMCP and of the SDK, which have no 503: the peer sees 401, the log has the reason."""

import logging

import pytest
from cold import CONDEMNED, ISSUERS, cold, good
from conftest import make_jwks, until
from issuers import STATES, TRANSPORTS, starter
from test_servers import OAUTH_PROVIDER, SERVERS, call_tool, fastmcp_app, post, serving

INVALID = 'error="invalid_token"'


@pytest.fixture
def start(pair):
    """Starts an issuer of the pair in a state, reached by a `fetch` function unless a test names a transport."""
    with starter(make_jwks((pair, None))) as start:
        yield start


def rejected(log):
    """The level and text of each refusal since the last call."""
    refusals = [(record.levelno, record.message) for record in log.records if "rejected" in record.message]
    log.clear()
    return refusals


def refuse(url, token):
    status, headers, _ = post(url, token)
    assert status == 401
    if not OAUTH_PROVIDER:  # FastMCP 2.9 gives no challenge
        assert INVALID in headers["WWW-Authenticate"]


@pytest.mark.parametrize("app", SERVERS)
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("names", ISSUERS)
@pytest.mark.parametrize("fault", CONDEMNED)
def test_a_condemned_token_is_refused_and_the_reason_is_logged(fault, names, state, app, start, pair, log):
    kind, make = CONDEMNED[fault]
    issuer, token = start(state), make(pair)
    with serving(app(cold(issuer, ISSUERS[names]))) as url:
        refuse(url, token)
        ((level, text),) = rejected(log)
        assert level == logging.INFO
        assert text.startswith(f"bearer token rejected: {kind}: ")
        assert "not verified" in text and "next attempt" not in text
        until(lambda: issuer.asked == 1)  # in the background

        def says_verified():
            refuse(url, token)
            ((level, text),) = rejected(log)
            assert level == logging.INFO
            assert text.startswith(f"bearer token rejected: {kind}: ")
            return "not verified" not in text

        if state == "up":
            until(says_verified)
        else:
            assert not says_verified()
        assert issuer.asked == 1


@pytest.mark.parametrize("app", SERVERS)
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_good_token_after_a_condemned_one(transport, app, start, pair, log):
    issuer = start("down", transport)
    with serving(app(cold(issuer))) as url:
        refuse(url, CONDEMNED["expired"][1](pair))
        until(lambda: issuer.asked == 1)
        rejected(log)
        refuse(url, good(pair))
        ((level, text),) = rejected(log)
        assert level == logging.WARNING
        assert text.startswith("bearer token rejected: keys_unavailable: ") and "not verified" not in text
        issuer.state = "up"
        until(lambda: post(url, good(pair))[0] == 200)
        assert call_tool(url, good(pair))["client_id"] == "alice"


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("fault", CONDEMNED)
def test_several_providers_behind_one_fastmcp_server(fault, state, start, pair, log):
    """Each of them is called, and each logs the reason."""
    auth = pytest.importorskip("fastmcp.server.auth")
    if not hasattr(auth, "MultiAuth"):
        pytest.skip("this release has no MultiAuth")
    kind, make = CONDEMNED[fault]
    issuers = [start(state), start(state)]
    verifiers = {f"issuer {number}": cold(issuer) for number, issuer in enumerate(issuers)}
    multi = auth.MultiAuth(verifiers=verifiers, required_scopes=["read"])
    with serving(fastmcp_app(multi)) as url:
        refuse(url, make(pair))
        refusals = rejected(log)
        assert len(refusals) == 2
        for level, text in refusals:
            assert level == logging.INFO
            assert text.startswith(f"bearer token rejected: {kind}: ") and "not verified" in text
        until(lambda: all(issuer.asked == 1 for issuer in issuers))
        if state == "up":
            assert post(url, good(pair))[0] == 200
