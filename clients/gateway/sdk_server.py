"""A server of the official Python SDK without authentication, for clients/gateway.py.

Usage: python sdk_server.py      prints {"url"} once it listens
"""

from mcp.server.mcpserver import Context, MCPServer
from serve import serve

server = MCPServer("SDK")


@server.tool()
def shout(text: str) -> str:
    return text.upper()


@server.tool()
async def count(to: int, context: Context) -> str:
    for number in range(1, to + 1):
        await context.report_progress(number, to)
    return "counted"


@server.tool()
async def announce(context: Context) -> str:
    """Sends a notification on a long stream, and not with this answer."""
    await context.session.send_tool_list_changed()
    await context.notify_tools_changed()
    return "announced"


@server.resource("text://motto")
def motto() -> str:
    return "Fail closed."


@server.prompt()
def greet(name: str) -> str:
    return f"Greet {name}."


if __name__ == "__main__":
    serve(server.streamable_http_app())
