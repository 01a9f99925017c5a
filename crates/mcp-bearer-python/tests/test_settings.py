"""Every argument and every variable changes the result for a token, and every error has the name that the operator used."""

import asyncio
import json
import re
from pathlib import Path

import pytest
from conftest import AUDIENCE, ISSUER, JWKS_URI, CountingFetch, hs256, make_jwks, make_token
from test_provider import refused

from mcp_bearer import BearerAuthProvider, EnvBearerAuthProvider, Rejection, _native

EFFECTS = json.loads((Path(__file__).parents[3] / "vectors" / "settings" / "effects.json").read_text())

ARGUMENT = {method: name for name, method in _native.SETTINGS.items()}
"""The argument for each method of the Rust builder."""

# Functions, objects, and what FastMCP's base class requires.
NO_TEXT = {"fetch", "authorization_servers"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in EFFECTS["files"].items():
        (tmp_path / name).write_text(text)
    return tmp_path


def given(settings, folder):
    """The arguments for these settings of the vectors."""
    arguments = {}
    for method, value in settings.items():
        if isinstance(value, str) and value.startswith("file:"):
            value = folder / value.removeprefix("file:")
        elif isinstance(value, str) and value.startswith("text:"):
            value = EFFECTS["files"][value.removeprefix("text:")]
        # The argument means the opposite.
        arguments[ARGUMENT[method]] = not value if ARGUMENT[method] == "require_expiry" else value
    return arguments


def outcome(make, arguments, token):
    """The result for the token."""
    scopes = arguments.get("required_scopes", [])
    try:
        provider = make(arguments)
    except ValueError:
        return "does not start"
    provider._now = float(EFFECTS["now"])
    if provider._verifier()[0].problem:
        return "does not start"
    try:
        access = asyncio.run(provider.verify_token_or_raise(token))
    except Rejection as rejection:
        return rejection.kind
    if lacking := _native.Rejection.insufficient_scope(scopes, access.scopes):
        _, challenge, _, _ = Rejection(lacking).challenge(scopes, provider=provider)
        asked = re.search('scope="(.*?)"', challenge)[1]
        return "insufficient_scope" if asked == " ".join(scopes) else f"insufficient_scope asking for {asked}"
    verifier = provider._verifier()[0]
    if verifier.cached_tokens:
        return "cached"
    return "accepted, by AWS-LC alone" if verifier.by_aws_lc_alone else "accepted"


def walk(make, folder):
    seen = set()
    for case in EFFECTS["cases"]:
        if not {case["setting"], *case["base"]} <= ARGUMENT.keys():
            continue
        base = {"token_cache": False} | given(case["base"], folder)
        with_it = base | given({case["setting"]: case["value"]}, folder)
        without, got = outcome(make, base, case["token"]), outcome(make, with_it, case["token"])
        assert got == case["with"], case["setting"]
        # Issuer and audience may be absent, and are then not checked.
        may_be_absent = case["setting"] in ("issuer", "audience", "resource")
        assert without != got or may_be_absent, f"{case['setting']} changes nothing"
        assert without == case["without"] or may_be_absent, case["setting"]
        seen.add(ARGUMENT[case["setting"]])
    assert seen == _native.SETTINGS.keys() - NO_TEXT


def test_every_argument_has_an_effect(folder):
    walk(lambda arguments: BearerAuthProvider(**arguments), folder)


def test_every_argument_has_an_effect_when_it_is_assigned(folder):
    def make(arguments):
        both = {"secret", "secret_file"} & arguments.keys() and {"public_key", "public_key_file"} & arguments.keys()
        first = KEYS | ({"algorithm"} if both else set())
        provider = BearerAuthProvider(**{name: arguments[name] for name in first & arguments.keys()})
        for name, value in arguments.items():
            setattr(provider, name, value)
        if "algorithm" not in arguments:
            provider.algorithm = "HS256" if {"secret", "secret_file"} & arguments.keys() else "RS256"
        return provider

    KEYS = {"public_key", "public_key_file", "jwks", "jwks_file", "jwks_uri", "discover", "secret", "secret_file", "insecure_allow_http"}
    for case in EFFECTS["cases"]:
        if {case["setting"], *case["base"]} <= ARGUMENT.keys() and "jwks_uri" not in case["base"]:
            arguments = {"token_cache": False} | given({**case["base"], case["setting"]: case["value"]}, folder)
            assert outcome(make, arguments, case["token"]) == case["with"], case["setting"]


def test_every_variable_has_an_effect(folder, monkeypatch):
    def make(arguments):
        with monkeypatch.context() as changed:
            for name, value in arguments.items():
                changed.setenv(variable(name), text(name, value))
            # The Rust crate requires a decision between the two.
            for name in ("issuer", "audience"):
                overruled = {name, f"any_{name}", "discover" if name == "issuer" else "resource"}
                if not overruled & arguments.keys():
                    changed.setenv(f"MCP_BEARER_ANY_{name.upper()}", "true")
            return EnvBearerAuthProvider()

    walk(make, folder)


def variable(argument):
    names = {"algorithm": "ALGORITHMS", "secret": "SHARED_SECRET", "secret_file": "SHARED_SECRET_FILE", "ssrf_safe": "SSRF_GUARD",
             "leeway": "LEEWAY_SECONDS", "max_age": "MAX_AGE_SECONDS", "max_freshness": "MAX_FRESHNESS_SECONDS",
             "staleness_bound": "STALENESS_BOUND_SECONDS", "require_expiry": "ACCEPT_TOKENS_THAT_NEVER_EXPIRE"}  # fmt: skip
    return f"MCP_BEARER_{names.get(argument, argument.upper())}"


def text(argument, value):
    if argument == "require_expiry":
        value = not value
    single = argument in ("issuer", "audience") and isinstance(value, list) and len(value) == 1
    value = value[0] if single else value
    return str(value) if isinstance(value, (str, Path)) else json.dumps(value)


# --- Mistakes ---

WRONG = [
    {"algorithm": []},
    {"leeway": 301},
    {"leeway": -1},
    {"leeway": float("nan")},
    {"max_age": 0},
    {"token_type": "id"},
    {"required_claims": {"tenant": []}},
    {"required_claims": {}},
    {"scope_implies": {"a": ["a"]}},
    {"scope_implies": {"a": 7}},
    {"resource": "http://mcp.example.com/"},
    {"issuer": ISSUER, "any_issuer": True},
    {"audience": AUDIENCE, "any_audience": True},
    {"public_key": None, "public_key_file": "no-such-file"},
    {"public_key": None, "jwks_file": "no-such-file"},
    {"public_key": None, "jwks": '{"keys": []}'},
    {"public_key": None, "secret": b"short", "algorithm": "HS256"},
    {"public_key": None, "secret_file": "no-such-file", "algorithm": "HS256"},
    {"secret": "this is a secret of at least 32 bytes"},
    {"secret": "this is a secret of at least 32 bytes", "algorithm": ["HS256"]},
    {"secret": "this is a secret of at least 32 bytes", "algorithm": ["HS512", "RS256"]},
    {"public_key": None, "discover": "https://idp.example.com/?a=b"},
    {"public_key": None, "discover": "https://idp.example.com/", "algorithm": "HS256"},
    {"public_key": None, "jwks_uri": JWKS_URI, "ca_file": "no-such-file"},
    {"public_key": None, "jwks_uri": JWKS_URI, "proxy": "::"},
    {"public_key": None, "jwks_uri": JWKS_URI, "proxy": "http://a:1", "ssrf_safe": True},
    {"public_key": None, "jwks_uri": JWKS_URI, "fetch": CountingFetch(b""), "ssrf_safe": True},
    {"public_key": None, "jwks_uri": JWKS_URI, "max_freshness": 1},
    {"public_key": None, "jwks_uri": JWKS_URI, "staleness_bound": 1e9},
    {"ca_file": "x"},
    {"proxy": "http://a:1"},
    {"max_freshness": 60},
    {"staleness_bound": 60},
    {"public_key_file": "x", "jwks": "{}"},
]


def foreign(words):
    """Names that only other entrances have. A name of one word is also English."""
    methods = {method for method in _native.SETTINGS.values() if "_" in method} - _native.SETTINGS.keys()
    return [word for word in re.findall(r"[\w.-]+", words) if word in methods or word.startswith(("--", "MCP_", "issuer."))]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: "-".join(name for name in wrong if wrong[name] is not None))
def test_an_error_names_the_argument(wrong, pair):
    with pytest.raises(ValueError) as caught:
        BearerAuthProvider(**{"public_key": pair.public_key} | wrong)
    words = str(caught.value)
    assert any(name in words for name, value in wrong.items() if value is not None), words
    assert foreign(words) == []


# An empty list of scopes is a decision, and a URL may be any object.
ANY = object()
LEGAL = {"required_scopes": [[], {}], "authorization_servers": [ANY]}


@pytest.mark.parametrize("name", sorted(_native.SETTINGS.keys()))
def test_an_argument_that_is_nothing_or_of_another_type_is_refused(name, pair):
    for wrong in ("", " ", [], {}, b"", [""], [" "], ANY):
        if wrong in LEGAL.get(name, []):
            BearerAuthProvider(pair.public_key, base_url=AUDIENCE, **{name: wrong})
            continue
        arguments = {"public_key": pair.public_key, "base_url": AUDIENCE, name: wrong}
        with pytest.raises((ValueError, TypeError)) as caught:
            BearerAuthProvider(**arguments)
        assert name in str(caught.value)
        assert foreign(str(caught.value)) == []


def test_every_problem_is_reported_at_once(pair):
    with pytest.raises(ValueError) as caught:
        BearerAuthProvider("no key", leeway=999, token_type="x", max_age=0, required_claims={}, secret="")
    for name in ("leeway", "token_type", "max_age", "required_claims", "secret"):
        assert f"{name}: " in str(caught.value)


def test_an_unknown_argument_is_refused(pair):
    with pytest.raises(TypeError, match="required_claim"):
        BearerAuthProvider(pair.public_key, required_claim={"a": 1})


# --- Only in Python ---


async def test_scopes_that_are_included_are_shown(pair):
    implies = {"admin": ["write"], "write": "read"}
    provider = BearerAuthProvider(pair.public_key, scope_implies=implies)
    for held, shown in [(["admin"], ["admin", "write", "read"]), (["read"], ["read"]), ([], [])]:
        access = await provider.verify_token(make_token(pair, scopes=held))
        assert sorted(access.scopes) == sorted(shown)
    fetch = CountingFetch(make_jwks((pair, None)))
    remote = BearerAuthProvider(jwks_uri=JWKS_URI, fetch=fetch, scope_implies=implies)
    assert "read" in (await remote.verify_token(make_token(pair, scopes=["admin"]))).scopes


async def test_a_dict_that_is_changed_counts(pair):
    provider = BearerAuthProvider(pair.public_key, required_claims={"tenant": ["a"]})
    token = make_token(pair, additional_claims={"tenant": "b"})
    assert await refused(provider, token) == "claim_not_allowed"
    provider.required_claims["tenant"].append("b")
    assert await provider.verify_token(token) is not None
    del provider.required_claims["tenant"]
    assert await refused(provider, token) == "keys_unavailable"


async def test_a_hook_and_rules_for_scopes_exclude_each_other(pair, token):
    class Hooked(BearerAuthProvider):
        def _extract_scopes(self, claims):
            return ["read"]

    with pytest.raises(ValueError, match="scope_claims and scope_implies: would do nothing"):
        Hooked(pair.public_key, scope_claims=["roles"], scope_implies={"a": ["b"]})
    provider = BearerAuthProvider(pair.public_key, scope_implies={"a": ["b"]})
    assert await provider.verify_token(token) is not None
    provider._extract_scopes = lambda claims: ["read"]
    assert await provider.verify_token(token) is None


SECRET = "correct-horse-battery-staple-1234567890"


async def test_a_secret_is_combined_with_public_keys(pair, caplog):
    fetch = CountingFetch(make_jwks((pair, "a")))
    provider = BearerAuthProvider(
        jwks_uri=JWKS_URI, fetch=fetch, secret=SECRET, algorithm=["RS256", "HS256"], issuer=ISSUER, audience=AUDIENCE
    )
    older = hs256(SECRET)
    assert await provider.verify_token(older) is not None
    assert await provider.verify_token(make_token(pair, kid="a")) is not None
    forged = hs256("x" * 40)
    assert await refused(provider, forged) == "bad_signature"
    for text in (pair.public_key, json.dumps(json.loads(make_jwks((pair, "a")))["keys"][0])):
        assert await refused(provider, hs256(text)) == "bad_signature"
    leak = json.dumps({"keys": json.loads(make_jwks((pair, "a")))["keys"] + [{"kty": "oct", "k": SECRET}]})
    leaking = BearerAuthProvider(
        jwks_uri=JWKS_URI, fetch=CountingFetch(leak.encode()), secret=SECRET, algorithm=["RS256", "HS256"]
    )
    assert await refused(leaking, older) == "unknown_key"
    assert await leaking.verify_token(make_token(pair, kid="a")) is not None
    with pytest.raises(ValueError, match="jwks and secret: the key set holds the shared secret"):
        BearerAuthProvider(jwks=leak, secret=SECRET, algorithm=["RS256", "HS256"])
    one = BearerAuthProvider(pair.public_key, secret=SECRET, algorithm=["RS256", "HS256"])
    assert await one.verify_token(older) is not None
    assert await one.verify_token(make_token(pair)) is not None
    assert "guessed" not in caplog.text


def test_a_weak_secret_is_in_the_log(caplog):
    BearerAuthProvider(secret="secret42secret42secret42secret42")
    assert "easily guessed" in caplog.text and "secret42" not in caplog.text


def test_a_secret_is_a_secret(pair):
    secret = "this is a secret of at least 32 bytes"
    assert BearerAuthProvider(secret=secret).algorithm == "HS256"
    with pytest.raises(ValueError, match="secret"):
        BearerAuthProvider(secret=secret, algorithm="RS256")
    with pytest.raises(ValueError, match="public_key"):
        BearerAuthProvider("short", algorithm="HS256", leeway=999)


async def test_an_issuer_that_is_discovered_is_the_expected_one(pair, token):
    provider = BearerAuthProvider(discover="http://127.0.0.1:1")
    assert await refused(provider, token) == "wrong_issuer"
    provider.issuer = ISSUER
    assert await refused(provider, token) == "keys_unavailable"
