"""The class as a FastMCP server uses it: arguments, attributes, hooks, results, logs."""

import base64
import copy
import hmac
import json
import logging
import subprocess
import sys
import traceback

import pytest
from conftest import AUDIENCE, ISSUER, JWKS_URI, CountingFetch, make_jwks, make_token
from pydantic import SecretStr

from mcp_bearer import BearerAuthProvider, JWKData, JWKSData, Rejection, RSAKeyPair, _releases


async def refused(provider: BearerAuthProvider, token: str) -> str:
    """The kind of the refusal; both methods agree."""
    assert await provider.verify_token(token) is None
    with pytest.raises(Rejection) as caught:
        await provider.verify_token_or_raise(token)
    return caught.value.kind


# --- Results ---


async def test_a_good_token(provider, token):
    access = await provider.verify_token(token)
    assert isinstance(access, _releases.AccessToken)
    assert (access.token, access.client_id, access.scopes) == (token, "alice", ["read", "write"])
    assert isinstance(access.expires_at, int)
    if _releases.HAS_CLAIMS:
        assert access.claims["iss"] == ISSUER
        assert access.claims["aud"] == AUDIENCE
    if "subject" in type(access).model_fields:
        assert access.subject == "alice"
    assert await provider.load_access_token(token) == access
    assert await provider.verify_token_or_raise(token) == access


async def test_client_id_before_azp_before_sub_before_unknown(pair):
    provider = BearerAuthProvider(pair.public_key)
    for claims, expected in [({"client_id": "c", "azp": "a"}, "c"), ({"azp": "a"}, "a"), ({}, "alice")]:
        access = await provider.verify_token(make_token(pair, additional_claims=claims))
        assert access.client_id == expected


async def test_every_call_returns_new_objects(pair):
    provider = BearerAuthProvider(pair.public_key, issuer=ISSUER)
    token = make_token(pair, additional_claims={"roles": ["a"], "deep": {"list": [1]}})
    first = await provider.verify_token(token)
    first.scopes.append("admin")
    if _releases.HAS_CLAIMS:
        first.claims["deep"]["list"].append(2)
        first.claims["roles"] = "admin"
    second = await provider.verify_token(token)
    assert second.scopes == ["read", "write"]
    if _releases.HAS_CLAIMS:
        assert second.claims["deep"] == {"list": [1]}
        assert second.claims["roles"] == ["a"]


@pytest.mark.skipif(not _releases.HAS_CLAIMS, reason="this release's AccessToken has no claims")
async def test_claims_are_those_that_were_signed(pair):
    claims = {"int": 1, "negative": -7, "big": 2**63, "float": 1.5, "exact": 6.136795187978298e50, "true": True, "null": None, "text": "ä\U0001f600\u2028",
              "list": [1, [2, {"x": "y"}]], "empty": {}, "$serde_json::private::Number": "1"}  # fmt: skip
    access = await BearerAuthProvider(pair.public_key).verify_token(make_token(pair, additional_claims=claims))
    got = {name: access.claims[name] for name in claims}
    assert got == claims
    assert {name: type(value) for name, value in got.items()} == {name: type(value) for name, value in claims.items()}


async def test_verification_does_not_wait_with_the_key_at_hand(provider, token):
    for coroutine in (provider.verify_token(token), provider.load_access_token(token), provider.verify_token("x")):
        with pytest.raises(StopIteration):
            coroutine.send(None)


# --- Refusals ---


async def test_refusals(pair, other_pair, provider):
    cases = {
        "expired": make_token(pair, expires_in_seconds=-3600),
        "wrong_issuer": make_token(pair, issuer="https://evil.example.com/"),
        "wrong_audience": make_token(pair, audience="https://other.example.com/"),
        "bad_signature": make_token(other_pair),
        "malformed": "not.a.jwt",
    }
    for kind, token in cases.items():
        assert await refused(provider, token) == kind


async def test_no_token_makes_it_raise(provider):
    for hostile in ["", ".", "..", "a.b", "a.b.c.d.e", "\ud800.a.b", "\0" * 10, "é.é.é", "W" * 20_000, "[" * 40_000]:
        assert await provider.verify_token(hostile) is None, hostile[:20]
    for other in [None, 7, b"a.b.c", object(), ["a"]]:
        assert await refused(provider, other) == "malformed"


async def test_the_reason_is_logged_and_the_token_is_not(provider, pair, caplog):
    token = make_token(pair, expires_in_seconds=-3600)
    with caplog.at_level(logging.DEBUG, logger="mcp_bearer"):
        await provider.verify_token(token)
    assert "expired" in caplog.text
    for part in token.split("."):
        assert part not in caplog.text


async def test_a_filter_that_raises_changes_nothing(provider, pair, token, caplog):
    class Broken(logging.Filter):
        def filter(self, record):
            raise RuntimeError("broken")

    broken = Broken()
    logging.getLogger("mcp_bearer").addFilter(broken)
    try:
        assert await refused(provider, make_token(pair, expires_in_seconds=-3600)) == "expired"
        provider.leeway = 1e9
        assert await refused(provider, token) == "keys_unavailable"
        assert await refused(BearerAuthProvider("abc"), token) == "keys_unavailable"
    finally:
        logging.getLogger("mcp_bearer").removeFilter(broken)


def test_a_caller_without_stack_gets_an_answer(provider, token):
    """This holds as long as there is enough stack for `verify_token` itself."""

    def ask(depth, asked):
        if depth:
            return ask(depth - 1, asked)
        coroutine = provider.verify_token(asked)
        try:
            coroutine.send(None)
        except StopIteration as stop:
            return "refused" if stop.value is None else "let in"

    def outcome(depth, asked):
        try:
            return ask(depth, asked)
        except RecursionError as error:
            frames = traceback.extract_tb(error.__traceback__)
            return "raised" if any(frame.name == "verify_token" for frame in frames) else "too deep to ask"

    for asked, possible in [(token, {"let in", "refused"}), ("a.b.c", {"refused"})]:
        outcomes = [outcome(depth, asked) for depth in range(sys.getrecursionlimit())]
        assert set(outcomes) <= possible | {"too deep to ask"}
        assert outcomes[0] in possible and outcomes[-1] == "too deep to ask"


def test_the_token_is_not_in_the_repr_of_our_own_access_token(tmp_path):
    code = """if True:
        import sys
        sys.modules["fastmcp"] = sys.modules["mcp"] = None
        from mcp_bearer._releases import AccessToken
        print(AccessToken(token="hunter2", client_id="alice", scopes=[]))
    """
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "alice" in done.stdout and "hunter2" not in done.stdout


async def test_leeway_and_expiry(pair):
    late = make_token(pair, expires_in_seconds=-30)
    assert await BearerAuthProvider(pair.public_key).verify_token(late) is not None
    assert await refused(BearerAuthProvider(pair.public_key, leeway=0), late) == "expired"
    eternal = make_token(pair, additional_claims={"exp": None})
    assert await refused(BearerAuthProvider(pair.public_key), eternal) == "missing_claim"
    with pytest.raises(ValueError, match="leeway"):
        BearerAuthProvider(pair.public_key, leeway=301)
    with pytest.raises(ValueError, match="leeway"):
        BearerAuthProvider(pair.public_key, leeway=-1)


async def test_required_scopes_are_checked_by_the_layer(pair):
    provider = BearerAuthProvider(pair.public_key, required_scopes=["admin"])
    assert provider.required_scopes == ["admin"]
    assert await provider.verify_token(make_token(pair)) is not None


# --- Arguments ---


def test_exactly_one_source_of_keys(pair):
    with pytest.raises(ValueError, match="Either public_key or jwks_uri must be provided"):
        BearerAuthProvider(issuer=ISSUER)
    with pytest.raises(ValueError, match="Provide either public_key or jwks_uri, not both"):
        BearerAuthProvider(public_key=pair.public_key, jwks_uri=JWKS_URI)


def test_positions_are_those_of_2_9(pair):
    provider = BearerAuthProvider(pair.public_key, None, ISSUER, AUDIENCE, ["read"])
    assert (provider.issuer, provider.audience, provider.required_scopes) == (ISSUER, AUDIENCE, ["read"])
    with pytest.raises(TypeError):
        BearerAuthProvider(pair.public_key, None, ISSUER, AUDIENCE, ["read"], "RS256")


@pytest.mark.parametrize("audience", ["RS256", "HS512", ["ES256"]])
def test_an_algorithm_passed_as_the_audience(pair, audience):
    with pytest.raises(TypeError, match="algorithm="):
        BearerAuthProvider(pair.public_key, None, ISSUER, audience)


def test_what_cannot_work_is_refused(pair):
    for arguments in [
        {"audience": []},
        {"audience": ""},
        {"issuer": []},
        {"issuer": ""},
        {"algorithm": "RS1024"},
        {"algorithm": "none"},
        {"algorithm": "HS256"},
        {"algorithm": ["RS256", "HS256"]},
        {"required_scopes": ["a b"]},
        {"authorization_servers": [ISSUER]},
        {"authorization_servers": [], "base_url": AUDIENCE},
        {"authorization_servers": "", "base_url": AUDIENCE},
        {"authorization_servers": [ISSUER, " "], "base_url": AUDIENCE},
        {"base_url": ""},
        {"base_url": " "},
    ]:
        with pytest.raises(ValueError):
            BearerAuthProvider(pair.public_key, **arguments)
    with pytest.raises(ValueError):
        BearerAuthProvider(jwks_uri=JWKS_URI, algorithm="HS256")
    with pytest.raises(ValueError):
        BearerAuthProvider(jwks_uri=JWKS_URI, ssrf_safe=True, fetch=CountingFetch(b""))


@pytest.mark.parametrize(
    "arguments",
    [
        {"public_key": "abc"},
        {"public_key": b"\xff\xfe"},
        {"jwks_uri": "test-jwks-uri"},
        {"jwks_uri": "http://idp.example.com/jwks.json"},
    ],
)
async def test_invalid_keys_refuse_everything_and_are_reported_at_once(arguments, token, caplog):
    with caplog.at_level(logging.ERROR, logger="mcp_bearer"):
        provider = BearerAuthProvider(**arguments)
    assert "refuses every token" in caplog.text
    for name, value in arguments.items():
        assert getattr(provider, name) == value
    assert await refused(provider, token) == "keys_unavailable"


async def test_a_key_for_another_algorithm_refuses_everything(pair, token, caplog):
    provider = BearerAuthProvider(pair.public_key, algorithm="ES256")
    assert "refuses every token" in caplog.text
    assert await provider.verify_token(token) is None


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512", ["HS256", "HS512"]])
@pytest.mark.parametrize("key", [b"0" * 64, "a secret of at least sixty-four bytes, as HS512 wants it to be ....", "PEM"])
def test_a_public_key_is_never_a_secret(algorithm, key, pair):
    """A public key is known to everyone, so anyone could sign tokens with it."""
    key = pair.public_key if key == "PEM" else key
    with pytest.raises(ValueError, match="give it as secret=, not as public_key="):
        BearerAuthProvider(key, algorithm=algorithm)
    with pytest.raises(ValueError, match="give a shared secret as secret="):
        BearerAuthProvider(jwks_uri=JWKS_URI, algorithm=algorithm)
    with pytest.raises(ValueError, match="secret: "):
        BearerAuthProvider(secret=pair.public_key, algorithm=algorithm)


async def test_an_algorithm_that_is_assigned_makes_no_secret_of_a_public_key(pair, token):
    provider = BearerAuthProvider(pair.public_key)
    provider.algorithm = "HS256"
    assert await refused(provider, token) == "keys_unavailable"


async def test_shared_secret_and_integers_without_limit():
    secret = "this is a secret of at least 32 bytes"

    def base64url(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    def sign(claims):
        text = ".".join(base64url(json.dumps(part).encode()) for part in ({"alg": "HS256"}, claims))
        return f"{text}.{base64url(hmac.digest(secret.encode(), text.encode(), 'sha256'))}"

    claims = {"exp": 4_000_000_000, "huge": 2**70 + 1, "negative": -(2**70), "float": 1e300, "list": [2**64]}
    for given in (secret, secret.encode()):
        provider = BearerAuthProvider(secret=given, algorithm="HS256")
        assert provider.secret == given
        access = await provider.verify_token(sign(claims))
        assert access.client_id == "unknown"
        if _releases.HAS_CLAIMS:
            assert access.claims == claims
            assert isinstance(access.claims["huge"], int)
    assert await provider.verify_token(sign(claims)[:-4] + "AAAA") is None


# --- Attributes ---


async def test_assigned_attributes_count_from_the_next_token_on(provider, pair, other_pair, token):
    assert await provider.verify_token(token) is not None
    for name, value, kind in [
        ("audience", "https://other.example.com/", "wrong_audience"),
        ("issuer", "https://other.example.com/", "wrong_issuer"),
        ("public_key", other_pair.public_key, "bad_signature"),
        ("algorithm", "RS512", "algorithm_not_allowed"),
    ]:
        before = getattr(provider, name)
        setattr(provider, name, value)
        assert getattr(provider, name) == value
        assert await refused(provider, token) == kind
        setattr(provider, name, before)
        assert await provider.verify_token(token) is not None


async def test_a_list_that_is_changed_counts_too(pair, token):
    provider = BearerAuthProvider(pair.public_key, audience=[AUDIENCE, "b"], issuer=[ISSUER])
    assert await provider.verify_token(token) is not None
    provider.audience.remove(AUDIENCE)
    assert await refused(provider, token) == "wrong_audience"
    provider.audience.append(AUDIENCE)
    provider.issuer[0] = "https://other.example.com/"
    assert await refused(provider, token) == "wrong_issuer"


async def test_keys_can_be_replaced_by_an_address(provider, pair, token):
    provider.public_key = None
    assert await provider.verify_token(token) is None
    provider.jwks_uri = JWKS_URI
    provider.fetch = CountingFetch(make_jwks((pair, None)))
    assert await provider.verify_token(token) is not None


async def test_an_invalid_assignment_refuses_everything(provider, token):
    provider.leeway = 1e9
    assert await refused(provider, token) == "keys_unavailable"
    provider.leeway = 60
    assert await provider.verify_token(token) is not None


# --- Subclasses ---


async def test_scopes_by_a_hook(pair):
    class Permissions(BearerAuthProvider):
        def _extract_scopes(self, claims):
            return claims["permissions"]

    provider = Permissions(pair.public_key)
    token = make_token(pair, additional_claims={"permissions": ["p", "q"]})
    assert (await provider.verify_token(token)).scopes == ["p", "q"]
    assert await refused(provider, make_token(pair)) == "invalid_claim"  # a hook that raises refuses every token

    class Both(BearerAuthProvider):
        def _extract_scopes(self, claims):
            return [*super()._extract_scopes(claims), "extra"]

    assert (await Both(pair.public_key).verify_token(token)).scopes == ["read", "write", "extra"]


async def test_a_subclass_may_replace_load_access_token(pair, token):
    class Strict(BearerAuthProvider):
        async def load_access_token(self, token):
            access = await super().load_access_token(token)
            return access if access and access.client_id == "bob" else None

    assert await Strict(pair.public_key).verify_token(token) is None


async def test_no_oauth_flow(provider):
    for name, arguments, text in [
        ("get_client", ["id"], "Client management not supported"),
        ("register_client", [None], "Client registration not supported"),
        ("authorize", [None, None], "Authorization flow not supported"),
        ("load_authorization_code", [None, ""], "Authorization code flow not supported"),
        ("exchange_authorization_code", [None, None], "Authorization code exchange not supported"),
        ("load_refresh_token", [None, ""], "Refresh token flow not supported"),
        ("exchange_refresh_token", [None, None, []], "Refresh token exchange not supported"),
        ("revoke_token", [None], "Token revocation not supported"),
    ]:
        with pytest.raises(NotImplementedError, match=text):
            await getattr(provider, name)(*arguments)


# --- Key pairs ---


def test_key_pairs(pair):
    assert isinstance(pair.private_key, SecretStr)
    assert "PRIVATE" not in repr(pair) + str(pair)
    with pytest.raises(AttributeError):
        pair.public_key = "x"
    with pytest.raises(TypeError):
        RSAKeyPair(pair.private_key, pair.public_key)
    assert RSAKeyPair.generate().public_key != pair.public_key


def test_tokens_have_the_defaults_of_fastmcp(pair):
    header, claims, _ = pair.create_token(kid="k").split(".")
    decode = lambda part: json.loads(base64.urlsafe_b64decode(part + "=="))  # noqa: E731
    assert decode(header)["alg"] == "RS256"
    assert decode(header)["kid"] == "k"
    claims = decode(claims)
    assert (claims["iss"], claims["sub"]) == ("https://fastmcp.example.com", "fastmcp-user")
    assert claims["exp"] - claims["iat"] == 3600
    assert "aud" not in claims and "scope" not in claims
    assert decode(pair.create_token(audience=["a"]).split(".")[1])["aud"] == ["a"]
    assert decode(pair.create_token(additional_claims={"sub": "x", "iat": 1}).split(".")[1])["iat"] == 1


def test_key_documents_are_typed_dicts():
    jwk: JWKData = {"kty": "RSA", "kid": "k"}
    jwks: JWKSData = {"keys": [jwk]}
    assert jwks["keys"][0]["kid"] == "k"


# --- What is not checked ---


@pytest.mark.parametrize(
    ("arguments", "unchecked"),
    [
        ({}, ["issuer", "audience"]),
        ({"issuer": ISSUER}, ["audience"]),
        ({"audience": AUDIENCE}, ["issuer"]),
        ({"issuer": ISSUER, "any_audience": True}, []),
        ({"any_issuer": True, "any_audience": True}, []),
        ({"issuer": ISSUER, "audience": AUDIENCE}, []),
        ({"issuer": ISSUER, "resource": AUDIENCE}, []),
        ({"public_key": None, "discover": "http://127.0.0.1:1"}, ["audience"]),
    ],
    ids=str,
)
def test_what_nobody_decided_is_named_in_one_warning(arguments, unchecked, pair, caplog):
    with caplog.at_level(logging.WARNING, logger="mcp_bearer"):
        provider = BearerAuthProvider(**{"public_key": pair.public_key} | arguments)
    warnings = [record for record in caplog.records if "is not checked" in record.message]
    assert len(warnings) == bool(unchecked)
    for name in unchecked:
        assert warnings[0].levelname == "WARNING"
        assert f"the {name} is not checked" in warnings[0].message
        assert f"decide with {name}, or any_{name} if that is intended" in warnings[0].message
    assert caplog.text.count("is not checked") == len(unchecked)
    # Once per provider, however often its verifier is built.
    provider.leeway = 5
    provider._verifier()
    assert len([record for record in caplog.records if "is not checked" in record.message]) == bool(unchecked)


async def test_what_is_assigned_later_gets_its_warning_once(provider, token, caplog):
    with caplog.at_level(logging.WARNING, logger="mcp_bearer"):
        provider.audience = None
        for _ in range(2):
            assert await provider.verify_token(token) is not None
        provider.leeway = 5
        assert await provider.verify_token(token) is not None
        assert ["the audience is not checked" in text for text in caplog.messages] == [True]
        # Another text is another warning; the old one is not logged again.
        provider.issuer = None
        assert await provider.verify_token(token) is not None
        assert len(caplog.messages) == 2 and "issuer" in caplog.messages[1]
        for audience in (AUDIENCE, None):
            provider.audience = audience
            assert await provider.verify_token(token) is not None
        texts = list(caplog.messages)
        assert len(set(texts)) == len(texts)
        # Per provider, and a provider with a warning can still be copied.
        another = BearerAuthProvider(provider.public_key)
        copied = copy.deepcopy(another)
        assert await copied.verify_token(token) is not None
        assert len(caplog.messages) == len(texts) + 1


@pytest.mark.parametrize(
    ("secret", "warned"),
    [("a" * 32, True), (b"secret42" * 8, True), ("correct horse battery staple and some more words", False)],
)
def test_a_shared_secret_that_is_easily_guessed_gets_a_warning(secret, warned, caplog):
    with caplog.at_level(logging.WARNING, logger="mcp_bearer"):
        BearerAuthProvider(secret=secret, any_issuer=True, any_audience=True)
    assert [("secret: " in text, "easily guessed" in text) for text in caplog.messages] == [(True, True)] * warned
    assert "aaaaaaaa" not in caplog.text and "secret42" not in caplog.text
