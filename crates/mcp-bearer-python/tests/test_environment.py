"""`EnvBearerAuthProvider`: the variables of FastMCP 2.9, and those of the Rust crate."""

import base64
import hmac
import json
import os
import subprocess
import sys

import pytest
from conftest import ISSUER, JWKS_URI
from test_settings import NO_TEXT, variable

from mcp_bearer import EnvBearerAuthProvider, _native


def test_settings_from_the_environment(monkeypatch, pair, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASTMCP_AUTH_BEARER_PUBLIC_KEY", pair.public_key)
    monkeypatch.setenv("FASTMCP_AUTH_BEARER_ISSUER", ISSUER)
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
        changed.setenv("FASTMCP_AUTH_BEARER_REQUIRED_SCOPES", "[]")
        assert EnvBearerAuthProvider().required_scopes == []
        for name in ("AUDIENCE", "ISSUER"):
            with changed.context() as emptied:
                emptied.setenv(f"FASTMCP_AUTH_BEARER_{name}", "")
                with pytest.raises(ValueError, match=f"FASTMCP_AUTH_BEARER_{name}: set to nothing"):
                    EnvBearerAuthProvider()
        (tmp_path / ".env").write_text("FASTMCP_AUTH_BEARER_REQUIRED_SCOPES=\n")
        changed.delenv("FASTMCP_AUTH_BEARER_REQUIRED_SCOPES")
        with pytest.raises(ValueError, match="FASTMCP_AUTH_BEARER_REQUIRED_SCOPES"):
            EnvBearerAuthProvider()
        # A placeholder in the file, and a value in the environment.
        changed.setenv("FASTMCP_AUTH_BEARER_REQUIRED_SCOPES", '["write"]')
        assert EnvBearerAuthProvider().required_scopes == ["write"]
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
        "MAX_AGE_SECONDS": "600",
        "REQUIRED_CLAIMS": '{"tenant": "a"}',
        "LOG": "debug",
    }.items():
        monkeypatch.setenv(f"MCP_BEARER_{name}", value)
    provider = EnvBearerAuthProvider()
    assert (provider.issuer, provider.audience, provider.leeway) == (ISSUER, None, 5)
    assert (provider.required_scopes, provider.algorithm) == (["read", "write"], ["RS256", "ES256"])
    assert (provider.max_age, provider.required_claims) == (600, '{"tenant": "a"}')
    assert EnvBearerAuthProvider(leeway=7, audience="a").leeway == 7
    for name, value, why in [
        ("MCP_BEARER_REQUIRED_SCOPE", "read", "misspelt"),
        ("MCP_BEARER_MAX_AGE_SECONDS", "0", "MCP_BEARER_MAX_AGE_SECONDS: zero"),
        ("MCP_BEARER_ALLOWED_CLIENT_IDS", "[]", "an empty list"),
        ("MCP_BEARER_AUDIENCE", "a", "MCP_BEARER_AUDIENCE and MCP_BEARER_ANY_AUDIENCE contradict"),
        ("MCP_BEARER_JWKS_URI", JWKS_URI, "one place"),
        ("MCP_BEARER_PUBLIC_KEY_FILE", "hunter2", "MCP_BEARER_PUBLIC_KEY_FILE: there is no such file"),
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
    assert (provider.secret_file, provider.algorithm) == (str(secret), "HS256")
    text = ".".join(base64url(json.dumps(part).encode()) for part in ({"alg": "HS256"}, {"sub": "alice", "exp": 4_000_000_000}))
    signature = hmac.digest(b"0123456789abcdef0123456789abcdef", text.encode(), "sha256")
    assert (await provider.verify_token(f"{text}.{base64url(signature)}")).client_id == "alice"


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.fixture
def rust(monkeypatch, pair, tmp_path):
    """A provider from ``MCP_BEARER_*`` variables that suffice, and from these."""
    monkeypatch.chdir(tmp_path)

    def make(**variables):
        with monkeypatch.context() as changed:
            base = {"PUBLIC_KEY": pair.public_key, "ANY_ISSUER": "true", "ANY_AUDIENCE": "true"}
            for name, value in {**base, **variables}.items():
                changed.setenv(f"MCP_BEARER_{name}", value)
            return EnvBearerAuthProvider()

    return make


def test_lists_mean_the_same_as_in_the_rust_crate(rust):
    assert rust(REQUIRED_SCOPES=",").required_scopes == [","]
    assert rust(REQUIRED_SCOPES="read,write").required_scopes == ["read,write"]
    assert rust(REQUIRED_SCOPES=' ["read", "write"] ').required_scopes == ["read", "write"]
    assert rust(ALGORITHMS="RS256, ES256").algorithm == ["RS256", "ES256"]
    for name, value in [
        ("REQUIRED_SCOPES", " "),
        ("REQUIRED_SCOPES", '["a b"]'),
        ("ALGORITHMS", ","),
        ("ALGORITHMS", "RS256 none"),
        ("ANY_ISSUER", " true"),
        ("LEEWAY_SECONDS", "\u0665"),
        ("LEEWAY_SECONDS", "301"),
        ("LEEWAY_SECONDS", "9" * 5000),
    ]:
        with pytest.raises(ValueError, match=f"MCP_BEARER_{name}: "):
            rust(**{name: value})


def test_every_problem_is_reported_at_once(rust, monkeypatch):
    monkeypatch.setenv("mcp_bearer_audience", "x")
    with pytest.raises(ValueError) as caught:
        rust(SCOPES="a", TOKEN_TYPE="id", ALGORITHMS=",", LEEWAY_SECONDS="soon", ISSUER="hunter2")
    assert str(caught.value).count("mcp_bearer_audience: ") == 1
    for name in ("SCOPES: ", "TOKEN_TYPE: ", "ALGORITHMS: ", "LEEWAY_SECONDS: ", "ISSUER and MCP_BEARER_ANY_ISSUER"):
        assert str(caught.value).count(f"MCP_BEARER_{name}") == 1
    assert "hunter2" not in str(caught.value)


@pytest.mark.skipif(os.name == "nt", reason="names have no case there")
@pytest.mark.parametrize(
    "name",
    ["FASTMCP_AUTH_BEARER_AUDIENCES", "fastmcp_auth_bearer_audience", "mcp_bearer_required_scopes", "Mcp_Bearer_Audience"],
)
def test_a_name_that_is_misspelt_or_in_lower_case(monkeypatch, pair, tmp_path, name):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASTMCP_AUTH_BEARER_PUBLIC_KEY", pair.public_key)
    monkeypatch.setenv(name, "a")
    with pytest.raises(ValueError, match=f"{name}: no such setting"):
        EnvBearerAuthProvider()
    monkeypatch.delenv(name)
    (tmp_path / ".env").write_text(f"{name}=a\n")
    with pytest.raises(ValueError, match=f"{name}: no such setting"):
        EnvBearerAuthProvider()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("FASTMCP_AUTH_BEARER_REQUIRED_SCOPES\n", "has no value"),
        ("FASTMCP_AUTH_BEARER_AUDIENCE\n", "has no value"),
        ("FASTMCP_AUTH_BEARER_REQUIRED_SCOPES=null\n", "not a JSON list"),
        ("A=1\nFASTMCP_AUTH_BEARER_AUDIENCE: hunter2\n", "line 2"),
        ('"FASTMCP_AUTH_BEARER_AUDIENCE"=hunter2\n', "no such setting"),
        ("-FASTMCP_AUTH_BEARER_AUDIENCE=hunter2\n", "no such setting"),
        ("$MCP_BEARER_AUDIENCE=hunter2\n", "no such setting"),
        ("FASTMCP_AUTH_BEARER_AUDIENCE='hunter2\n", "line 1"),
    ],
)
def test_a_line_of_the_file_that_would_do_nothing(monkeypatch, pair, tmp_path, text, why):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASTMCP_AUTH_BEARER_PUBLIC_KEY", pair.public_key)
    (tmp_path / ".env").write_text(text)
    with pytest.raises(ValueError, match=why) as caught:
        EnvBearerAuthProvider()
    assert "hunter2" not in str(caught.value)


def test_no_error_holds_a_value(monkeypatch, pair, tmp_path):
    monkeypatch.chdir(tmp_path)
    secret = b"\xffhunter2-hunter2-hunter2-hunter2"
    assert EnvBearerAuthProvider(secret=secret, algorithm="HS256").secret == secret
    monkeypatch.setenv("FASTMCP_AUTH_BEARER_PUBLIC_KEY", pair.public_key)
    monkeypatch.setenv("FASTMCP_AUTH_BEARER_REQUIRED_SCOPES", "hunter2")
    with pytest.raises(ValueError, match="REQUIRED_SCOPES: not a JSON list") as caught:
        EnvBearerAuthProvider()
    assert "hunter2" not in str(caught.value) + repr(caught.value)
    monkeypatch.setenv("FASTMCP_AUTH_BEARER_REQUIRED_SCOPES", '["hunter2 x"]')
    with pytest.raises(ValueError, match="REQUIRED_SCOPES: one of its names is not a scope") as caught:
        EnvBearerAuthProvider()
    assert "hunter2" not in str(caught.value) + repr(caught.value)
    assert EnvBearerAuthProvider(required_scopes=["a"]).required_scopes == ["a"]


@pytest.mark.skipif(os.name == "nt", reason="variables are Unicode there")
@pytest.mark.parametrize("name", ["FASTMCP_AUTH_BEARER_PUBLIC_KEY", "MCP_BEARER_SHARED_SECRET"])
def test_a_value_that_is_not_unicode(tmp_path, name):
    code = "from mcp_bearer import EnvBearerAuthProvider as E; E(algorithm='HS256')"
    surroundings = {os.fsencode(each): os.fsencode(value) for each, value in os.environ.items()}
    surroundings[name.encode()] = b"hunter2\xff" * 8
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], env=surroundings, cwd=tmp_path, capture_output=True)
    assert done.returncode == 1
    assert f"{name}: not Unicode".encode() in done.stderr
    assert b"hunter2" not in done.stderr


def test_an_argument_overrides_a_decision_of_the_rust_crate(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MCP_BEARER_JWKS_URI", JWKS_URI)
    provider = EnvBearerAuthProvider(issuer=ISSUER, audience="a")
    assert (provider.issuer, provider.audience, provider.jwks_uri) == (ISSUER, "a", JWKS_URI)
    provider = EnvBearerAuthProvider(issuer=None, audience="a")
    assert (provider.issuer, provider.audience) == (None, "a")
    with pytest.raises(ValueError, match="MCP_BEARER_AUDIENCE") as caught:
        EnvBearerAuthProvider(issuer=ISSUER)
    assert "ISSUER" not in str(caught.value)
    # Each problem by the name that was used.
    monkeypatch.setenv("MCP_BEARER_MAX_AGE_SECONDS", "0")
    with pytest.raises(ValueError) as caught:
        EnvBearerAuthProvider(issuer=ISSUER, audience="a", leeway=999)
    assert str(caught.value).startswith("leeway: ")
    assert str(caught.value).endswith("MCP_BEARER_MAX_AGE_SECONDS: zero")
    assert EnvBearerAuthProvider(issuer=ISSUER, audience="a", max_age=5).max_age == 5


@pytest.mark.parametrize("family", ["MCP_BEARER_", "FASTMCP_AUTH_BEARER_"])
@pytest.mark.parametrize("nothing", ["", " "], ids=repr)
@pytest.mark.parametrize("where", ["environment", "file"])
def test_a_variable_that_is_set_to_nothing_is_refused_by_its_name(family, nothing, where, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    names = VARIABLES if family == "MCP_BEARER_" else ["PUBLIC_KEY", "JWKS_URI", "ISSUER", "AUDIENCE", "REQUIRED_SCOPES"]
    for name in names:
        with monkeypatch.context() as changed:
            if where == "file":
                (tmp_path / ".env").write_text(f'{family}{name}="{nothing}"\n')
            else:
                changed.setenv(f"{family}{name}", nothing)
            with pytest.raises(ValueError, match=f"{family}{name}: set to nothing"):
                EnvBearerAuthProvider()


VARIABLES = [name.removeprefix("MCP_BEARER_") for name in map(variable, sorted(_native.SETTINGS.keys() - NO_TEXT))]


def test_variables_of_fastmcp_that_leave_something_unchecked_make_one_warning(monkeypatch, pair, tmp_path, caplog):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASTMCP_AUTH_BEARER_PUBLIC_KEY", pair.public_key)
    monkeypatch.setenv("FASTMCP_AUTH_BEARER_ISSUER", ISSUER)
    with caplog.at_level("WARNING", logger="mcp_bearer"):
        EnvBearerAuthProvider()
    assert [record.message.count("the audience is not checked") for record in caplog.records] == [1]
    caplog.clear()
    with caplog.at_level("WARNING", logger="mcp_bearer"):
        EnvBearerAuthProvider(any_audience=True)
    assert caplog.records == []


def test_a_secret_in_the_variable_of_the_public_key_is_refused(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FASTMCP_AUTH_BEARER_PUBLIC_KEY", "0123456789abcdef0123456789abcdef")
    with pytest.raises(ValueError, match="give it as secret="):
        EnvBearerAuthProvider(algorithm="HS256")
