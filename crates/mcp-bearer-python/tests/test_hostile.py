"""Whatever a token contains, `verify_token` returns `None` and never raises."""

import asyncio
import base64
import json

from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_bearer import BearerAuthProvider, RSAKeyPair
from mcp_bearer.asgi import BearerAuthMiddleware

PAIR = RSAKeyPair.generate()
PROVIDER = BearerAuthProvider(PAIR.public_key)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = st.sampled_from(["exp", "nbf", "iat", "iss", "aud", "sub", "scope", "scp", "client_id", "azp", "cnf", "jti"]) | st.text()


def verify(token):
    return asyncio.run(PROVIDER.verify_token(token))


@settings(deadline=None, max_examples=300)
@given(st.text(st.characters(), max_size=200))
def test_any_text(text):
    assert verify(text) is None


@settings(deadline=None, max_examples=300)
@given(JSON, JSON, st.binary(max_size=300))
def test_any_json_in_the_shape_of_a_token(header, claims, signature):
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    assert verify(".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)) is None


@settings(deadline=None, max_examples=300)
@given(st.dictionaries(NAMES, JSON, max_size=6))
def test_any_claims_that_are_signed(claims):
    try:
        token = PAIR.create_token(additional_claims=claims)
    except ValueError:
        return  # not JSON: a number that is not valid
    access = verify(token)
    if access is not None and getattr(access, "claims", None) is not None:
        assert all(isinstance(scope, str) for scope in access.scopes)
        assert {name: access.claims[name] for name in claims} == json.loads(json.dumps(claims))


@settings(deadline=None, max_examples=200)
@given(st.lists(st.binary(max_size=60), max_size=3), st.text(max_size=30), st.sampled_from(["GET", "OPTIONS", "x"]))
def test_any_request(values, path, method):
    sent = []

    async def app(scope, receive, send):
        raise AssertionError("let in")

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": method, "path": path, "headers": [(b"authorization", value) for value in values]}
    asyncio.run(BearerAuthMiddleware(app, PROVIDER)(scope, None, send))
    assert sent[0]["status"] in (400, 401)
