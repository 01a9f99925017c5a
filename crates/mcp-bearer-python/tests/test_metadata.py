"""The RFC 9728 document where FastMCP mounts it."""

import json

import pytest
from conftest import ISSUER

from mcp_bearer import BearerAuthProvider, _releases

pytest.importorskip("starlette")

WELL_KNOWN = "/.well-known/oauth-protected-resource"


def served(provider, mcp_path="/mcp"):
    """The paths of the provider's routes, and the answer to a request for each."""
    from starlette.applications import Starlette
    from starlette.testclient import TestClient

    routes = [route for route in provider.get_routes(mcp_path) if WELL_KNOWN in route.path]
    client = TestClient(Starlette(routes=routes))
    return {route.path: client.get(route.path.replace("%", "%25")).json()["resource"] for route in routes}


def provider_at(pair, base_url, servers=ISSUER):
    return BearerAuthProvider(pair.public_key, base_url=base_url, authorization_servers=servers)


@pytest.fixture
def named_beside(monkeypatch):
    """FastMCP 2.11 and 2.12."""
    monkeypatch.setattr(_releases, "NAMES_METADATA_BESIDE", True)


@pytest.fixture
def named_where_it_belongs(monkeypatch):
    monkeypatch.setattr(_releases, "NAMES_METADATA_BESIDE", False)


@pytest.mark.usefixtures("named_where_it_belongs")
def test_an_encoded_path_is_compared_as_it_is_decoded(pair):
    provider = provider_at(pair, "https://h.example/a%20b")
    assert served(provider) == {f"{WELL_KNOWN}/a b/mcp": "https://h.example/a%20b/mcp"}


@pytest.mark.parametrize("path", ["/{x}", "/%7Bx%7D", "/{x:path}"])
def test_a_path_with_braces_is_no_route(path, pair):
    with pytest.raises(ValueError, match="middleware"):
        provider_at(pair, "https://h.example").get_routes(path)


@pytest.mark.usefixtures("named_beside")
@pytest.mark.parametrize(
    ("base_url", "mcp_path", "paths", "resource"),
    [
        ("https://h.example", "/mcp", [f"{WELL_KNOWN}/mcp", WELL_KNOWN], "https://h.example/mcp"),
        ("https://h.example/mcp", None, [f"{WELL_KNOWN}/mcp", f"/mcp{WELL_KNOWN}"], "https://h.example/mcp"),
    ],
)
def test_the_document_is_also_where_old_releases_say_it_is(base_url, mcp_path, paths, resource, pair):
    assert served(provider_at(pair, base_url), mcp_path) == dict.fromkeys(paths, resource)


@pytest.mark.usefixtures("named_beside")
def test_a_document_at_the_root_is_mounted_once(pair):
    assert len(served(provider_at(pair, "https://h.example"), None)) == 1


@pytest.mark.skipif(not hasattr(_releases.Base, "get_middleware"), reason="FastMCP before 2.12.1, or none")
@pytest.mark.parametrize("base_url", ["https://h.example", "https://h.example/"])
def test_the_challenge_names_a_path_that_is_served(base_url, pair):
    import fastmcp
    from starlette.testclient import TestClient

    app = fastmcp.FastMCP("t", auth=provider_at(pair, base_url)).http_app(path="/mcp")
    with TestClient(app, base_url="https://h.example") as client:
        challenge = client.post("/mcp", json={}).headers["WWW-Authenticate"]
        url = challenge.split('resource_metadata="')[1].split('"')[0]
        assert json.loads(client.get(url).text)["resource"] == "https://h.example/mcp"


@pytest.mark.parametrize("servers", ["nothing", ["https://idp.example.com/", "http://far.example/"]])
def test_an_invalid_authorization_server_is_refused(servers, pair):
    with pytest.raises(ValueError, match="authorization_servers"):
        provider_at(pair, "https://h.example", servers).get_routes("/mcp")
    provider = provider_at(pair, "https://h.example")
    provider.authorization_servers = servers
    with pytest.raises(ValueError, match="authorization_servers"):
        provider.get_routes("/mcp")


def test_allowing_http_for_keys_allows_such_a_server_too(pair):
    servers = ["http://idp.internal:8080/realms/x"]
    provider = BearerAuthProvider(
        pair.public_key, base_url="https://h.example", authorization_servers=servers, insecure_allow_http=True
    )
    assert served(provider) == {f"{WELL_KNOWN}/mcp": "https://h.example/mcp"}


def test_the_document_names_what_clients_must_request(pair):
    from starlette.applications import Starlette
    from starlette.testclient import TestClient

    provider = BearerAuthProvider(
        pair.public_key,
        base_url="https://h.example",
        authorization_servers=ISSUER,
        required_scopes=["read"],
        requested_scope_prefix="api://id/",
    )
    routes = [route for route in provider.get_routes("/mcp") if WELL_KNOWN in route.path]
    client = TestClient(Starlette(routes=routes))
    for route in routes:
        assert client.get(route.path).json()["scopes_supported"] == ["api://id/read"]
    assert provider.scopes_supported == ["api://id/read"]
    assert provider.get_challenge_scopes(["write"]) == ["api://id/write"]
