"""Drives an MCP server with FastMCP's `Client`, and prints one JSON object per case.

It only observes: clients/gateway.py defines what is right.

Usage: python fastmcp_client.py CASES.json
"""

import asyncio
import contextlib
import json
import logging
import sys
from pathlib import Path

from fastmcp import Client
from mcp.client.subscriptions import Subscription, ToolsListChanged, listen

SECONDS = 10


async def observe(case: dict) -> dict:
    progress: list[list[float | None]] = []
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def on_progress(done: float, total: float | None, message: str | None) -> None:
        progress.append([done, total])

    async def on_message(message: object) -> None:
        heard.put_nowait(str(getattr(message, "method", type(message).__name__)))

    seen: dict = {"case": case["name"], "mode": case["mode"]}
    options = {"auth": case["token"], "mode": case["mode"], "timeout": SECONDS, "message_handler": on_message}
    try:
        async with Client(case["url"], **options) as client:
            seen["tools"] = sorted(tool.name for tool in await client.list_tools())
            seen["resources"] = sorted(str(resource.uri) for resource in await client.list_resources())
            seen["prompts"] = sorted(prompt.name for prompt in await client.list_prompts())
            seen["answer"] = text((await client.call_tool(*case["tool"])).content)
            await client.call_tool(*case["slow"], progress_handler=on_progress)
            seen["progress"] = progress
            seen["resource"] = [part.text for part in await client.read_resource(case["resource"])]
            prompt = await client.get_prompt(*case["prompt"])
            seen["prompt"] = [message.content.text for message in prompt.messages]
            if case["announcement"]:
                # Since 2026-07-28 a client subscribes to what it wants to hear.
                subscription = listen(client.session, tools_list_changed=True) if case["subscribes"] else contextlib.nullcontext()
                async with subscription as events:
                    seen["heard"] = await until_heard(client, case, heard, events)
    except Exception as error:  # whatever it is, it is the observation
        seen["error"] = f"{type(error).__name__}: {error}"
    return seen


async def until_heard(client: Client, case: dict, heard: asyncio.Queue[str], events: Subscription | None) -> str:
    """The stream of notifications may open after the first announcement."""
    for _ in range(SECONDS):
        await client.call_tool(*case["announcer"])
        try:
            if events is not None:
                event = await asyncio.wait_for(anext(events), 1)
                return case["announcement"] if isinstance(event, ToolsListChanged) else type(event).__name__
            while (message := await asyncio.wait_for(heard.get(), 1)) != case["announcement"]:
                pass
            return message
        except TimeoutError:
            pass
    return "nothing"


def text(parts: list) -> str:
    return "".join(part.text for part in parts)


async def main() -> None:
    for case in json.loads(Path(sys.argv[1]).read_text()):
        print(json.dumps(await observe(case)), flush=True)


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)  # notifications are logged too
    asyncio.run(main())
