"""The one way into the log (logger ``mcp_bearer``).

It must never raise, whatever the application's filters do: a refused token stays refused. It must never be given a token.
"""

from __future__ import annotations

import logging

_logger = logging.getLogger("mcp_bearer")


def write(level: int, message: str, *arguments: object, exc_info: bool = False) -> None:
    """As `Logger.log`, with the place of the caller."""
    try:
        _logger.log(level, message, *arguments, exc_info=exc_info, stacklevel=2)
    except Exception:
        pass
