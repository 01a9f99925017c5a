"""Drives an MCP server with the official Python SDK and prints one JSON object per case.

It only observes: clients/drive.py defines what is right. It does not retry, and has no OAuth
provider to get a token by itself.

Usage: python client.py CASES.json
"""

import asyncio
import json
import logging
import sys
from pathlib import Path

import httpx2
from mcp import MCPError
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

# `auto` sends `server/discover` first (protocol 2026-07-28), `legacy` sends `initialize`.
MODES = ("auto", "legacy")


async def main() -> None:
    work = json.loads(Path(sys.argv[1]).read_text())
    for case in work["cases"]:
        for mode in MODES:
            print(json.dumps(await observe(work["url"], case, mode)), flush=True)


async def observe(url: str, case: dict, mode: str) -> dict:
    refusals: list[tuple[int, str | None]] = []

    # The SDK's error has neither status nor header: its own hook for the HTTP client sees both.
    async def note(response: httpx2.Response) -> None:
        if response.status_code in (400, 401, 403, 503):
            refusals.append((response.status_code, response.headers.get("www-authenticate")))

    headers = {"Authorization": f"Bearer {case['token']}"} if case["token"] else {}
    seen = {"case": case["name"], "mode": mode, "refusals": refusals, "error_status": None}
    async with httpx2.AsyncClient(
        headers=headers, event_hooks={"response": [note]}, timeout=20
    ) as http:
        transport = streamable_http_client(url, http_client=http)
        try:
            async with Client(transport, mode=mode, read_timeout_seconds=20) as client:
                if tool := case.get("tool"):
                    seen["answer"] = text(await client.call_tool(tool, {}))
                    return seen
                who = await client.call_tool("whoami", {})
                total = await client.call_tool("add", {"a": 2, "b": 3})
                seen |= {"whoami": text(who), "sum": text(total)}
        except* MCPError as group:
            seen["error"] = str(group.exceptions[0])
    return seen


def text(result) -> str:
    return "".join(part.text for part in result.content)


if __name__ == "__main__":
    logging.disable(logging.ERROR)  # refusals are expected
    asyncio.run(main())
