"""Calls a tool with the official Python SDK, which holds an expired token and may get another one.

Prints one JSON object per case. It only observes: clients/sign_in.py defines what is right.

Usage: python sign_in.py CASES.json
"""

import asyncio
import json
import logging
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
from mcp import MCPError
from mcp.client import Client
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken

REDIRECT = "http://127.0.0.1:1/callback"  # nothing listens there: this program acts as the browser


class Storage:
    """Starts with a token and no registered client."""

    def __init__(self, token: str) -> None:
        self.tokens: OAuthToken | None = OAuthToken(access_token=token)
        self.client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


class Browser:
    """Goes where the user is sent, and comes back with the code."""

    def __init__(self) -> None:
        self.came_back_with: dict[str, list[str]] = {}

    async def go(self, url: str) -> None:
        async with httpx2.AsyncClient() as http:
            response = await http.get(url)
        self.came_back_with = parse_qs(urlsplit(response.headers["location"]).query)

    async def come_back(self) -> AuthorizationCodeResult:
        found = self.came_back_with
        return AuthorizationCodeResult(code=found["code"][0], state=found["state"][0])


async def observe(case: dict) -> dict:
    answers: list[tuple[str, str, int]] = []
    seen = {"case": case["name"], "mode": case["mode"], "answers": answers, "challenge": None}

    async def note(response: httpx2.Response) -> None:
        request = response.request
        answers.append((request.method, str(request.url), response.status_code))
        if response.status_code == 401 and seen["challenge"] is None:
            seen["challenge"] = response.headers.get("www-authenticate")

    browser = Browser()
    auth = OAuthClientProvider(
        case["url"],
        OAuthClientMetadata(redirect_uris=[REDIRECT], token_endpoint_auth_method="none"),
        Storage(case["token"]),
        browser.go,
        browser.come_back,
    )
    async with httpx2.AsyncClient(auth=auth, event_hooks={"response": [note]}, timeout=20) as http:
        transport = streamable_http_client(case["url"], http_client=http)
        try:
            async with Client(transport, mode=case["mode"], read_timeout_seconds=20) as client:
                result = await client.call_tool("whoami", {})
                seen["whoami"] = "".join(part.text for part in result.content)
        except* MCPError as group:
            seen["error"] = str(group.exceptions[0])
    return seen


async def main() -> None:
    for case in json.loads(Path(sys.argv[1]).read_text()):
        print(json.dumps(await observe(case)), flush=True)


if __name__ == "__main__":
    logging.disable(logging.ERROR)  # refusals are expected
    asyncio.run(main())
