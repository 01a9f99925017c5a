"""Signs in with the official Python SDK and calls a tool, then a tool that needs a further scope.

Prints one JSON object. It only observes: clients/step_up.py defines what is right.

Usage: python step_up.py URL
"""

import asyncio
import json
import logging
import sys
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
from mcp import MCPError
from mcp.client import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

REDIRECT = "http://127.0.0.1:1/callback"  # nothing listens there: this program acts as the browser


class Storage:
    """Starts with the client that the issuer knows, and no token."""

    def __init__(self) -> None:
        self.tokens: OAuthToken | None = None
        self.client: OAuthClientInformationFull | None = OAuthClientInformationFull(
            client_id="host", redirect_uris=[REDIRECT], token_endpoint_auth_method="none"
        )

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Browser:
    """Goes where the user is sent, and comes back with the code. It keeps its cookies."""

    def __init__(self) -> None:
        self.requested: list[str | None] = []
        self.cookies = httpx2.Cookies()
        self.came_back_with: dict[str, list[str]] = {}

    async def go(self, url: str) -> None:
        self.requested += parse_qs(urlsplit(url).query).get("scope", [None])
        async with httpx2.AsyncClient(cookies=self.cookies) as http:
            for _ in range(10):
                if url.startswith(REDIRECT):
                    break
                response = await http.get(url)
                url = urljoin(url, response.headers["location"])
            self.cookies = http.cookies
        self.came_back_with = parse_qs(urlsplit(url).query)

    async def come_back(self) -> AuthorizationCodeResult:
        found = self.came_back_with
        return AuthorizationCodeResult(code=found["code"][0], state=found["state"][0], iss=found.get("iss", [None])[0])


async def observe(address: str) -> dict:
    browser = Browser()
    answers: list[tuple[str, str, int]] = []
    challenges: list[tuple[int, str | None]] = []
    called: list[tuple[str, str]] = []
    seen = {"answers": answers, "challenges": challenges, "requested": browser.requested, "called": called}

    async def note(response: httpx2.Response) -> None:
        request = response.request
        answers.append((request.method, str(request.url), response.status_code))
        if response.status_code in (401, 403):
            challenges.append((response.status_code, response.headers.get("www-authenticate")))

    auth = OAuthClientProvider(
        address,
        OAuthClientMetadata(
            redirect_uris=[REDIRECT], token_endpoint_auth_method="none", grant_types=["authorization_code"]
        ),
        Storage(),
        browser.go,
        browser.come_back,
    )
    async with httpx2.AsyncClient(auth=auth, event_hooks={"response": [note]}, timeout=20) as http:
        transport = streamable_http_client(address, http_client=http)
        try:
            async with Client(transport, read_timeout_seconds=20) as client:
                for name in ("whoami", "delete_all", "delete_all", "whoami"):
                    result = await client.call_tool(name, {})
                    called.append((name, "".join(part.text for part in result.content)))
        except* MCPError as group:
            seen["error"] = str(group.exceptions[0])
    return seen


if __name__ == "__main__":
    logging.disable(logging.ERROR)  # refusals are expected
    print(json.dumps(asyncio.run(observe(sys.argv[1]))))
