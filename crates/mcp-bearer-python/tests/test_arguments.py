"""Arguments that the provider does not have: those of FastMCP's own classes, and misspelt ones."""

import inspect

import pytest

from mcp_bearer import BearerAuthProvider, EnvBearerAuthProvider
from mcp_bearer._unknown_arguments import ELSEWHERE


@pytest.mark.parametrize("cls", [BearerAuthProvider, EnvBearerAuthProvider])
@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("http_client", "fetch="),
        ("jwks_refresh_interval", "leave it out"),
        ("resource_server_url", "base_url="),
        ("token_verifier", "RemoteAuthProvider(token_verifier=...)"),
        ("audiense", "'audience'"),
        ("require_scopes", "'required_scopes'"),
        ("zzz", "FastMCP's class has none"),
    ],
)
def test_the_error_names_the_replacement(cls, pair, name, instead):
    with pytest.raises(TypeError) as caught:
        cls(pair.public_key, **{name: "a-secret-value"})
    assert f"{cls.__name__} has no argument {name!r}" in str(caught.value)
    assert instead in str(caught.value)
    assert "a-secret-value" not in str(caught.value)


def test_all_of_them_are_named_at_once(pair):
    with pytest.raises(TypeError, match="http_client.*jwks_refresh_interval"):
        BearerAuthProvider(pair.public_key, http_client=None, jwks_refresh_interval=30.0)


def test_every_argument_of_fastmcps_class_is_accepted_or_explained():
    jwt = pytest.importorskip("fastmcp.server.auth.providers.jwt", reason="FastMCP 2.11 and later")
    theirs = set(inspect.signature(jwt.JWTVerifier.__init__).parameters) - {"self"}
    ours = set(inspect.signature(BearerAuthProvider.__init__).parameters)
    assert theirs - ours <= set(ELSEWHERE)
