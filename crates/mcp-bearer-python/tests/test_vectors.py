"""The project's vectors through the Python class: every case whose settings it can express."""

import asyncio
import json
from pathlib import Path

import pytest
from conftest import JWKS_URI, CountingFetch

from mcp_bearer import BearerAuthProvider, Rejection, _native

FOLDER = Path(__file__).parents[3] / "vectors"

# The class refuses these settings before it sees a token.
REFUSED_AT_ONCE = {
    "signature/confusion_jwks.json",
    "signature/confusion_pem.json",
    "signature/oct_in_jwks_hs256.json",
    "signature/secret_short.json",
}

# Keys that fit nothing: the class refuses every token.
CLOSED = {"signature/no_keys.json"}


def load():
    for path in sorted(FOLDER.glob("*/*.json")):
        name = path.relative_to(FOLDER).as_posix()
        if not name.startswith(("wire/", "keys/", "settings/", "operations/")):
            file = json.loads(path.read_text())
            if len(file["settings"]) == 1 and "token_bytes" not in file:
                yield name, file


FILES = dict(load())


def make(file):
    (setting,) = file["settings"]
    ((kind, keys),) = setting["keys"].items()
    options = {}
    if kind == "jwks":
        options = {"jwks_uri": JWKS_URI, "fetch": CountingFetch(json.dumps(keys).encode())}
    elif kind == "jwks_and_secret":
        jwks, secret = keys
        options = {"jwks_uri": JWKS_URI, "fetch": CountingFetch(json.dumps(jwks).encode()), "secret": secret}
    elif kind == "unavailable":
        options = {"jwks_uri": JWKS_URI, "fetch": CountingFetch(b"")}
    else:
        options = {{"pem": "public_key"}.get(kind, kind): keys}
    policy = dict(setting.get("policy", {}))
    if policy.pop("token_type_rfc9068", False):
        policy["token_type"] = "rfc9068"
    provider = BearerAuthProvider(
        **options,
        issuer=setting.get("issuers"),
        audience=setting.get("audiences"),
        algorithm=setting["algorithms"],
        leeway=setting.get("leeway", 60),
        require_expiry=not policy.pop("accept_tokens_that_never_expire", False),
        **policy,
    )
    provider._now = float(file["now"])
    return provider


async def outcome(provider, token, scopes):
    try:
        access = await provider.verify_token_or_raise(token)
    except Rejection as rejection:
        return rejection
    lacking = _native.Rejection.insufficient_scope(scopes, access.scopes)
    return access if lacking is None else Rejection(lacking)


@pytest.mark.parametrize("name", sorted(FILES.keys() - REFUSED_AT_ONCE))
def test_file(name):
    file = FILES[name]
    provider, scopes = make(file), file["settings"][0].get("scopes", [])

    async def run():
        return [await outcome(provider, case["token"], scopes) for case in file["cases"] for _ in range(2)]

    outcomes = iter(asyncio.run(run()))
    for case in file["cases"]:
        for got in (next(outcomes), next(outcomes)):  # the second one may come from the cache
            check(name, case, got)


def check(name, case, got):
    label = f"{name}: {case['name']}"
    if "accept" in case["expect"] and name not in CLOSED:
        wanted = case["expect"]["accept"]
        assert not isinstance(got, Rejection), f"{label}: {got}"
        client = wanted.get("client_id", wanted.get("subject", "unknown"))
        scopes = wanted.get("scopes", [])
        # Included scopes come after those that the token names.
        assert (got.client_id, got.scopes[: len(scopes)]) == (client, scopes), label
        assert len(got.scopes) == len(scopes) or name.startswith("scopes/implied"), label
        expires_at = wanted.get("expires_at")
        assert got.expires_at == (None if expires_at is None else int(expires_at)), label
    else:
        assert isinstance(got, Rejection), label
        if name not in CLOSED:
            wanted = case["expect"]["reject"]
            assert got.kind == wanted["kind"], f"{label}: {got}"
            # The class has its own text for why there are no keys.
            if got.kind != "keys_unavailable":
                assert wanted.get("detail", "") in str(got), label


@pytest.mark.parametrize("name", sorted(REFUSED_AT_ONCE))
def test_settings_that_are_refused(name):
    with pytest.raises(ValueError, match=r"HS\*|shared secret"):
        make(FILES[name])


def test_there_are_many():
    assert sum(len(file["cases"]) for file in FILES.values()) > 1_000
