"""A FastMCP server without authentication, for clients/gateway.py.

Usage: python fastmcp_server.py      prints {"url"} once it listens
"""

import json

from fastmcp import Context, FastMCP
from fastmcp.server.dependencies import get_http_headers
from serve import serve

server = FastMCP("FastMCP")


@server.tool
def shout(text: str) -> str:
    return text.upper()


@server.tool
async def count(to: int, context: Context) -> str:
    for number in range(1, to + 1):
        await context.report_progress(number, to)
    return "counted"


@server.tool
async def announce(context: Context) -> str:
    """Sends a notification on the session's own stream, and not with this answer."""
    await context.session.send_tool_list_changed()
    return "announced"


@server.tool
def headers() -> str:
    """The headers that the server got."""
    return json.dumps(get_http_headers(include_all=True))


@server.tool
def whoami() -> str:
    return json.dumps({"subject": get_http_headers(include_all=True).get("x-auth-subject")})


@server.tool
def delete_all() -> str:
    return json.dumps({"deleted": 0})


@server.resource("text://motto")
def motto() -> str:
    return "Fail closed."


@server.prompt
def greet(name: str) -> str:
    return f"Greet {name}."


if __name__ == "__main__":
    serve(server.http_app())
