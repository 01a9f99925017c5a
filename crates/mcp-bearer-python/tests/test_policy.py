"""A token is judged by the policy at that moment, however it was set; an invalid policy is refused."""

import asyncio
import enum
import threading
from collections import deque

import pytest
from conftest import AUDIENCE, ISSUER, make_token
from test_provider import refused

from mcp_bearer import BearerAuthProvider
from mcp_bearer.asgi import BearerAuthMiddleware


def no_write(claims):
    return [scope for scope in claims["scope"].split() if scope != "write"]


# --- Hooks ---


async def test_a_hook_on_the_object(provider, token):
    assert (await provider.verify_token(token)).scopes == ["read", "write"]
    provider._extract_scopes = no_write
    assert (await provider.verify_token(token)).scopes == ["read"]
    assert (await provider.verify_token_or_raise(token)).scopes == ["read"]
    del provider._extract_scopes
    assert (await provider.verify_token(token)).scopes == ["read", "write"]


async def test_a_hook_that_is_assigned_to_the_class(provider, token, monkeypatch):
    assert (await provider.verify_token(token)).scopes == ["read", "write"]
    with monkeypatch.context() as patched:
        patched.setattr(BearerAuthProvider, "_extract_scopes", lambda self, claims: no_write(claims))
        assert (await provider.verify_token(token)).scopes == ["read"]
        assert (await BearerAuthProvider(provider.public_key).verify_token(token)).scopes == ["read"]
    assert (await provider.verify_token(token)).scopes == ["read", "write"]


def test_a_method_that_is_assigned_to_the_class_is_called_by_the_middleware(provider, token, monkeypatch):
    async def nobody(self, token):
        return None

    monkeypatch.setattr(BearerAuthProvider, "load_access_token", nobody)
    sent = []

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"authorization", f"Bearer {token}".encode())]}
    asyncio.run(BearerAuthMiddleware(None, provider)(scope, None, send))
    assert sent[0]["status"] == 401


# --- Changes without an assignment ---


async def test_an_attribute_that_a_subclass_computes(pair, other_pair, token):
    class Tenant(BearerAuthProvider):
        now = {"audience": AUDIENCE, "issuer": ISSUER, "public_key": pair.public_key, "algorithm": "RS256", "leeway": 60}

        def computed(name):
            return property(lambda self: self.now[name], lambda self, value: None)

        audience, issuer, public_key = computed("audience"), computed("issuer"), computed("public_key")
        algorithm, leeway = computed("algorithm"), computed("leeway")

    provider = Tenant("x")
    assert await provider.verify_token(token) is not None
    for name, value, kind in [
        ("audience", "https://other.example.com/", "wrong_audience"),
        ("issuer", ["https://other.example.com/"], "wrong_issuer"),
        ("public_key", other_pair.public_key, "bad_signature"),
        ("algorithm", "RS512", "algorithm_not_allowed"),
        ("leeway", 1e9, "keys_unavailable"),
    ]:
        before = Tenant.now[name]
        Tenant.now[name] = value
        assert await refused(provider, token) == kind
        Tenant.now[name] = before
        assert await provider.verify_token(token) is not None


@pytest.mark.parametrize("by", ["property", "getattribute"])
async def test_a_computed_attribute_that_is_the_stored_one_at_first(by, pair, token):
    others = []

    if by == "property":

        class Tenant(BearerAuthProvider):
            @property
            def audience(self):
                return others[0] if others else self.__dict__["audience"]

            @audience.setter
            def audience(self, value):
                self.__dict__["audience"] = value
    else:

        class Tenant(BearerAuthProvider):
            def __getattribute__(self, name):
                return others[0] if name == "audience" and others else super().__getattribute__(name)

    provider = Tenant(pair.public_key, issuer=ISSUER, audience=AUDIENCE)
    assert await provider.verify_token(token) is not None
    others.append("https://other.example.com/")
    assert await refused(provider, token) == "wrong_audience"


def test_an_audience_that_differs_between_threads(pair, token):
    tenant = threading.local()

    class Tenant(BearerAuthProvider):
        audience = property(lambda self: getattr(tenant, "audience", AUDIENCE), lambda self, value: None)

    provider = Tenant(pair.public_key)
    wrong = []

    def ask(audience, good):
        tenant.audience = audience
        wrong.extend(good for _ in range(200) if (asyncio.run(provider.verify_token(token)) is not None) != good)

    tenants = [(AUDIENCE, True), ("https://other.example.com/", False)] * 2
    threads = [threading.Thread(target=ask, args=each) for each in tenants]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


async def test_an_attribute_that_is_deleted(provider, token):
    assert await provider.verify_token(token) is not None
    del provider.audience
    assert await refused(provider, token) == "keys_unavailable"


# --- Values ---


@pytest.mark.parametrize("setting", ["audience", "issuer", "algorithm"])
@pytest.mark.parametrize("value", [{"RS256"}, deque(["RS256"]), {"RS256": 1}, b"RS256", 7, True], ids=repr)
async def test_what_is_neither_a_string_nor_a_list(setting, value, pair, provider, token):
    with pytest.raises(TypeError, match=f"{setting}: must be"):
        BearerAuthProvider(pair.public_key, **{setting: value})
    setattr(provider, setting, value)
    assert await refused(provider, token) == "keys_unavailable"


@pytest.mark.parametrize("setting", ["audience", "issuer", "algorithm", "required_scopes"])
@pytest.mark.parametrize("value", [None, b"a", 7], ids=repr)
def test_what_is_no_name(setting, value, pair):
    with pytest.raises(TypeError, match=f"{setting}: must be"):
        BearerAuthProvider(pair.public_key, **{setting: [value]})


async def test_the_members_of_an_enumeration_mean_their_values(pair, token):
    class Name(str, enum.Enum):
        AUDIENCE = AUDIENCE
        ISSUER = ISSUER
        RS256 = "RS256"
        READ = "read"

    for box in (lambda name: name, lambda name: [name], lambda name: (name,)):
        settings = {"audience": box(Name.AUDIENCE), "issuer": box(Name.ISSUER), "algorithm": box(Name.RS256)}
        assert await BearerAuthProvider(pair.public_key, **settings).verify_token(token) is not None
    provider = BearerAuthProvider(pair.public_key, required_scopes=[Name.READ])
    assert [type(scope) for scope in provider.required_scopes] == [str]
    misread = make_token(pair, audience="Name.READ")
    assert await refused(BearerAuthProvider(pair.public_key, audience=[Name.READ]), misread) == "wrong_audience"


@pytest.mark.parametrize("scopes", ["", " ", ",", "[]"], ids=repr)
def test_a_string_without_a_scope_requires_nothing_and_is_refused(scopes, pair, provider):
    with pytest.raises(ValueError, match="required_scopes"):
        BearerAuthProvider(pair.public_key, required_scopes=scopes)
    with pytest.raises(ValueError, match="required_scopes"):
        BearerAuthMiddleware(None, provider, required_scopes=scopes)
    BearerAuthMiddleware(None, provider, required_scopes=[])
    assert BearerAuthProvider(pair.public_key, required_scopes=[]).required_scopes == []


def test_an_empty_list_of_algorithms_is_not_the_default(pair):
    for algorithm in ([], "", ()):
        with pytest.raises(ValueError):
            BearerAuthProvider(pair.public_key, algorithm=algorithm)
    assert BearerAuthProvider(pair.public_key, algorithm=None).algorithm == "RS256"
