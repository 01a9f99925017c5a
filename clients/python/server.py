"""An MCP server of the official Python SDK, behind a proxy: it reports what identity headers it gets.

Usage: python server.py PORT
"""

import json
import logging
import sys

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context

server = MCPServer("behind a proxy", log_level="ERROR")
PREFIXES = ("authorization", "x-auth", "x_auth", "x-original", "x_original")


@server.tool()
def whoami(context: Context) -> str:
    """Returns the headers about the caller."""
    about = {name: value for name, value in context.headers.items() if name.lower().startswith(PREFIXES)}
    return json.dumps(about)


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


if __name__ == "__main__":
    logging.disable(logging.ERROR)
    app = server.streamable_http_app()
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")
