"""The class as a FastMCP server uses it: arguments, attributes, hooks, results, logs."""

import asyncio
import base64
import hmac
import json
import logging
import sys
import threading
import time

import pytest
from conftest import AUDIENCE, ISSUER, JWKS_URI, CountingFetch, make_jwks, make_token
from pydantic import SecretStr

from mcp_bearer import (
    BearerAuthProvider,
    EnvBearerAuthProvider,
    JWKData,
    JWKSData,
    Rejection,
    RSAKeyPair,
    _fastmcp,
    _native,
)


async def refused(provider: BearerAuthProvider, token: str) -> str:
    """The kind of the refusal; both ways of asking agree."""
    assert await provider.verify_token(token) is None
    with pytest.raises(Rejection) as caught:
        await provider.verify_token_or_raise(token)
    return caught.value.kind


# --- Results ---


async def test_a_good_token(provider, token):
    access = await provider.verify_token(token)
    assert isinstance(access, _fastmcp.AccessToken)
    assert (access.token, access.client_id, access.scopes) == (token, "alice", ["read", "write"])
    assert isinstance(access.expires_at, int)
    if _fastmcp.HAS_CLAIMS:
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


async def test_every_call_gives_fresh_objects(pair):
    provider = BearerAuthProvider(pair.public_key, issuer=ISSUER)
    token = make_token(pair, additional_claims={"roles": ["a"], "deep": {"list": [1]}})
    first = await provider.verify_token(token)
    first.scopes.append("admin")
    if _fastmcp.HAS_CLAIMS:
        first.claims["deep"]["list"].append(2)
        first.claims["roles"] = "admin"
    second = await provider.verify_token(token)
    assert second.scopes == ["read", "write"]
    if _fastmcp.HAS_CLAIMS:
        assert second.claims["deep"] == {"list": [1]}
        assert second.claims["roles"] == ["a"]


@pytest.mark.skipif(not _fastmcp.HAS_CLAIMS, reason="this release's AccessToken has no claims")
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


async def test_leeway_and_expiry(pair):
    late = make_token(pair, expires_in_seconds=-30)
    assert await BearerAuthProvider(pair.public_key).verify_token(late) is not None
    assert await refused(BearerAuthProvider(pair.public_key, leeway=0), late) == "expired"
    eternal = make_token(pair, additional_claims={"exp": None})
    assert await refused(BearerAuthProvider(pair.public_key), eternal) == "invalid_claim"
    with pytest.raises(ValueError, match="leeway"):
        BearerAuthProvider(pair.public_key, leeway=301)
    with pytest.raises(ValueError, match="leeway"):
        BearerAuthProvider(pair.public_key, leeway=-1)


async def test_required_scopes_are_the_layer_s_to_ask_for(pair):
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
def test_an_algorithm_in_the_place_of_the_audience(pair, audience):
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
        {"public_key": b"short", "algorithm": "HS256"},
    ],
)
async def test_keys_that_are_none_refuse_everything_and_say_so_at_once(arguments, token, caplog):
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


async def test_shared_secret_and_integers_without_end():
    secret = "this is a secret of at least 32 bytes"

    def base64url(data):
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    def sign(claims):
        text = ".".join(base64url(json.dumps(part).encode()) for part in ({"alg": "HS256"}, claims))
        return f"{text}.{base64url(hmac.digest(secret.encode(), text.encode(), 'sha256'))}"

    claims = {"exp": 4_000_000_000, "huge": 2**70 + 1, "negative": -(2**70), "float": 1e300, "list": [2**64]}
    for given in (secret, secret.encode()):
        provider = BearerAuthProvider(given, algorithm="HS256")
        assert provider.public_key == given
        access = await provider.verify_token(sign(claims))
        assert access.client_id == "unknown"
        if _fastmcp.HAS_CLAIMS:
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


@pytest.fixture
def slow_builder(monkeypatch):
    """A thread named "slow" waits, with the verifier built, until it is let go: who builds, who waits, who is let go."""
    built, go, builds = threading.Event(), threading.Event(), []

    class Slow:
        def __new__(cls, *arguments):
            verifier = original(*arguments)
            builds.append(threading.current_thread().name)
            if threading.current_thread().name == "slow":
                built.set()
                assert go.wait(10)
            return verifier

    original = _native.Verifier
    monkeypatch.setattr(_native, "Verifier", Slow)
    yield built, go, builds
    go.set()


def test_a_list_that_is_changed_while_another_thread_builds_counts(pair, token, slow_builder):
    built, go, _ = slow_builder
    provider = BearerAuthProvider(pair.public_key, audience=[AUDIENCE, "b"])
    provider.leeway = 59  # cold
    slow = threading.Thread(target=provider._verifier, name="slow")
    slow.start()
    assert built.wait(10)
    provider.audience.remove(AUDIENCE)
    outcomes = []
    other = threading.Thread(target=lambda: outcomes.append(asyncio.run(provider.verify_token(token))))
    other.start()
    go.set()
    slow.join()
    other.join()
    assert outcomes == [None]
    assert asyncio.run(provider.verify_token(token)) is None


def test_threads_that_meet_a_new_policy_build_one_verifier(pair, slow_builder):
    built, go, builds = slow_builder
    provider = BearerAuthProvider(pair.public_key)
    provider.leeway = 59
    builds.clear()
    threads = [threading.Thread(target=provider._verifier, name=name) for name in ("slow", "a", "b")]
    threads[0].start()
    assert built.wait(10)
    for thread in threads[1:]:
        thread.start()
    time.sleep(0.1)
    go.set()
    for thread in threads:
        thread.join()
    assert builds == ["slow"]


async def test_keys_can_be_exchanged_for_an_address(provider, pair, token):
    provider.public_key = None
    assert await provider.verify_token(token) is None
    provider.jwks_uri = JWKS_URI
    provider.fetch = CountingFetch(make_jwks((pair, None)))
    assert await provider.verify_token(token) is not None


async def test_an_assignment_that_cannot_work_closes(provider, token):
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
    assert await refused(provider, make_token(pair)) == "invalid_claim"  # a hook that raises lets nobody in

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


def test_tokens_have_the_defaults_of_the_reference(pair):
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


# --- The environment ---


def test_settings_from_the_environment(monkeypatch, pair, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASTMCP_AUTH_BEARER_PUBLIC_KEY", pair.public_key)
    monkeypatch.setenv("FASTMCP_AUTH_BEARER_ISSUER", ISSUER)
    monkeypatch.setenv("FASTMCP_AUTH_BEARER_AUDIENCE", "")
    monkeypatch.setenv("FASTMCP_AUTH_BEARER_REQUIRED_SCOPES", '["read"]')
    (tmp_path / ".env").write_text("FASTMCP_AUTH_BEARER_ISSUER=https://file.example.com/\n")
    provider = EnvBearerAuthProvider()
    assert (provider.issuer, provider.audience, provider.required_scopes) == (ISSUER, None, ["read"])
    provider = EnvBearerAuthProvider(issuer=None, audience=["a", "b"], required_scopes=[], leeway=5)
    assert (provider.issuer, provider.audience, provider.leeway) == (None, ["a", "b"], 5)
    with monkeypatch.context() as changed:
        changed.setenv("FASTMCP_AUTH_BEARER_REQUIRED_SCOPES", "")
        with pytest.raises(ValueError, match="FASTMCP_AUTH_BEARER_REQUIRED_SCOPES"):
            EnvBearerAuthProvider()
        assert EnvBearerAuthProvider(required_scopes=["a"]).required_scopes == ["a"]
        (tmp_path / ".env").write_text("FASTMCP_AUTH_BEARER_REQUIRED_SCOPES=\n")
        changed.delenv("FASTMCP_AUTH_BEARER_REQUIRED_SCOPES")
        with pytest.raises(ValueError, match="FASTMCP_AUTH_BEARER_REQUIRED_SCOPES"):
            EnvBearerAuthProvider()
        (tmp_path / ".env").write_text("FASTMCP_AUTH_BEARER_ISSUER=https://file.example.com/\n")
    monkeypatch.delenv("FASTMCP_AUTH_BEARER_ISSUER")
    assert EnvBearerAuthProvider().issuer == "https://file.example.com/"
    monkeypatch.setenv("FASTMCP_AUTH_BEARER_JWKS_URI", JWKS_URI)
    with pytest.raises(ValueError, match="not both"):
        EnvBearerAuthProvider()


def test_the_variables_of_the_rust_crate(pair, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    key = tmp_path / "public.pem"
    key.write_text(pair.public_key)
    for name, value in {
        "PUBLIC_KEY_FILE": str(key),
        "ISSUER": ISSUER,
        "ANY_AUDIENCE": "true",
        "REQUIRED_SCOPES": "read write",
        "ALGORITHMS": "RS256,ES256",
        "LEEWAY_SECONDS": "5",
        "LOG": "debug",
    }.items():
        monkeypatch.setenv(f"MCP_BEARER_{name}", value)
    provider = EnvBearerAuthProvider()
    assert (provider.issuer, provider.audience, provider.leeway) == ([ISSUER], None, 5)
    assert (provider.required_scopes, provider.algorithm) == (["read", "write"], ["RS256", "ES256"])
    assert EnvBearerAuthProvider(leeway=7, audience="a").leeway == 7
    for name, value, why in [
        ("MCP_BEARER_REQUIRED_SCOPE", "read", "misspelt"),
        ("MCP_BEARER_MAX_AGE_SECONDS", "60", "Rust crate"),
        ("MCP_BEARER_REQUIRED_SCOPES", "[]", "empty one"),
        ("MCP_BEARER_AUDIENCE", "a", "either this or"),
        ("MCP_BEARER_JWKS_URI", JWKS_URI, "one place"),
        ("MCP_BEARER_PUBLIC_KEY_FILE", "hunter2", "cannot be read"),
        ("FASTMCP_AUTH_BEARER_REQUIRED_SCOPES", '["read"]', "one family"),
    ]:
        with monkeypatch.context() as changed:
            changed.setenv(name, value)
            with pytest.raises(ValueError, match=why) as caught:
                EnvBearerAuthProvider()
            assert "hunter2" not in str(caught.value)


async def test_a_secret_of_the_rust_crates_variables(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    secret = tmp_path / "secret"
    secret.write_text("0123456789abcdef0123456789abcdef\n")
    monkeypatch.setenv("MCP_BEARER_SHARED_SECRET_FILE", str(secret))
    monkeypatch.setenv("MCP_BEARER_ANY_ISSUER", "1")
    monkeypatch.setenv("MCP_BEARER_ANY_AUDIENCE", "1")
    provider = EnvBearerAuthProvider()
    assert (provider.public_key, provider.algorithm) == (b"0123456789abcdef0123456789abcdef", ["HS256"])


# --- Threads ---


def test_the_interpreter_is_free_while_a_signature_is_checked(pair, token):
    provider = BearerAuthProvider(pair.public_key, token_cache=False)
    turns, done = 0, threading.Event()

    def take_turns():
        nonlocal turns
        while not done.is_set():
            turns += 1
            time.sleep(0)

    other = threading.Thread(target=take_turns)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)  # from now on nobody is made to hand the interpreter over
    try:
        other.start()
        for _ in range(500):
            with pytest.raises(StopIteration):
                provider.verify_token(token).send(None)
    finally:
        sys.setswitchinterval(interval)
        done.set()
        other.join()
    assert turns > 100


def test_one_provider_in_many_threads(provider, pair):
    import concurrent.futures

    tokens = [make_token(pair, subject=f"user-{number}") for number in range(40)]

    def verify(token):
        return asyncio.run(provider.verify_token(token)).client_id

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(verify, tokens * 5)) == [f"user-{number}" for number in range(40)] * 5
