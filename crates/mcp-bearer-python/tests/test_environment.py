"""`EnvBearerAuthProvider`: the variables of FastMCP 2.9, and those of the Rust crate."""

import pytest
from conftest import ISSUER, JWKS_URI

from mcp_bearer import EnvBearerAuthProvider


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
