"""Runs FastMCP's own tests against our classes: `pytest -p plugin` from the unpacked source distribution.

The classes are replaced before the tests import them. Key documents come through the `fetch` hook from the HTTP client
that the tests mock. Tests that use private parts of FastMCP are named in `exceptions.json`, each with its reason;
an entry that matches no failing test fails the run.
"""

import importlib
import json
import os
from pathlib import Path

import pytest

import mcp_bearer
from mcp_bearer import _provider

_client = "httpx2" if os.environ["UPSTREAM_SUITE"] == "4" else "httpx"


async def _fetch(url: str) -> bytes:
    http = importlib.import_module(_client)
    async with http.AsyncClient() as client:
        response = await client.get(url)
        response.raise_for_status()
        return response.content


class BearerAuthProvider(mcp_bearer.BearerAuthProvider):
    """Ours, with key documents from the mocked client."""

    def __init__(self, *args, **options):
        options.setdefault("fetch", _fetch)
        super().__init__(*args, **options)


class EnvBearerAuthProvider(mcp_bearer.EnvBearerAuthProvider, BearerAuthProvider):
    """Ours, and an instance of the class above, as in FastMCP."""


assert _provider.BearerAuthProvider in BearerAuthProvider.__mro__

if _client == "httpx":
    from fastmcp.server import server
    from fastmcp.server.auth.providers import bearer, bearer_env

    bearer.BearerAuthProvider = BearerAuthProvider
    bearer.RSAKeyPair = mcp_bearer.RSAKeyPair
    bearer.JWKData = mcp_bearer.JWKData
    bearer.JWKSData = mcp_bearer.JWKSData
    bearer_env.EnvBearerAuthProvider = server.EnvBearerAuthProvider = EnvBearerAuthProvider
else:
    from fastmcp.server.auth.providers import jwt

    jwt.JWTVerifier = BearerAuthProvider
    jwt.RSAKeyPair = mcp_bearer.RSAKeyPair
    jwt.JWKData = mcp_bearer.JWKData
    jwt.JWKSData = mcp_bearer.JWKSData


class _Exceptions:
    """Every listed test must fail, and no other may."""

    def __init__(self) -> None:
        listed = json.loads((Path(__file__).parent / "exceptions.json").read_text())
        self.reasons: dict[str, str] = {
            name: entry["reason"]
            for entry in listed
            if os.environ["UPSTREAM_SUITE"] in entry["suites"]
            for name in entry["tests"]
        }
        self.seen: set[str] = set()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            name = item.nodeid.split("/")[-1]
            if name in self.reasons:
                self.seen.add(name)
                # Strict: if a listed test suddenly passes, its entry is stale, and the run fails.
                item.add_marker(pytest.mark.xfail(reason=self.reasons[name], strict=True))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo) -> pytest.TestReport:
        report = yield
        if call.when == "teardown" and item.nodeid.split("/")[-1] in self.reasons:
            report.outcome = "passed"  # the mock misses the requests that the test did not get to
            report.__dict__.pop("wasxfail", None)
        return report

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        stale = sorted(set(self.reasons) - self.seen)
        if stale and session.testscollected:
            print(f"\nexceptions.json names tests that are not there: {stale}")
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_Exceptions())
