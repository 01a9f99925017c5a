"""Writes to the log (logger ``mcp_bearer``).

It never raises, whatever the application's filters do: a refused token stays refused. No caller passes it a token.
"""

from __future__ import annotations

import logging

_logger = logging.getLogger("mcp_bearer")


def write(level: int, message: str, *arguments: object, exc_info: bool = False) -> None:
    """Like `Logger.log`, with the caller's place in the code."""
    try:
        _logger.log(level, message, *arguments, exc_info=exc_info, stacklevel=2)
    except Exception:
        pass
