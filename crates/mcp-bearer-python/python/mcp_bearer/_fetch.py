"""The thread on which a `fetch` function of the caller's is awaited, with an event loop of its own.

The callers of `verify_token` come and go with their loops; this one stays, whatever a `fetch` function does to it. It
must never hand a `fetch` function to a caller's loop, and it is made anew in a forked child, where the parent's thread
does not exist.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from mcp_bearer import _log, _native

Fetch: TypeAlias = Callable[[str], Awaitable[bytes]]

# A key source gives an exchange up after 5 s; what still runs then must not pile up.
_SECONDS = 5.0


class _LoopThread:
    def __init__(self) -> None:
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def loop(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None or self._loop.is_closed():
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._run, args=(self._loop,), name="mcp-bearer-fetch", daemon=True).start()
            return self._loop

    @staticmethod
    def _run(loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        while not loop.is_closed():
            try:
                loop.run_forever()
            except BaseException as error:  # of a task that a fetch function left behind
                what = "a task on the event loop of the fetch functions raised %s"
                _log.write(logging.ERROR, what, type(error).__name__)


class _Raised(Exception):
    """Why a fetch function gave nothing."""


_thread = _LoopThread()


def _forget_thread() -> None:
    global _thread
    _thread = _LoopThread()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_thread)


def asker(fetch: Fetch) -> Callable[[str, _native.Answer], None]:
    """`fetch` as `_native` wants it: a function that returns at once and completes the answer later."""

    async def document(url: str) -> bytes:
        try:
            return await fetch(url)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            # In a task of its own, SystemExit and KeyboardInterrupt would end the loop.
            raise _Raised(f"the fetch function raised {type(error).__name__}: {error}") from None

    async def answer_with(url: str, answer: _native.Answer) -> None:
        try:
            body = await asyncio.wait_for(document(url), _SECONDS)
            if not isinstance(body, (bytes, bytearray, memoryview)):
                raise _Raised(f"the fetch function returned {type(body).__name__}, not bytes")
        except asyncio.TimeoutError:
            answer.fail(f"the fetch function took longer than {_SECONDS:.0f} s")
        except _Raised as error:
            answer.fail(str(error))
        except asyncio.CancelledError:
            answer.fail("the fetch function was cancelled")
            raise
        else:
            answer.complete(bytes(body))

    def ask(url: str, answer: _native.Answer) -> None:
        asyncio.run_coroutine_threadsafe(answer_with(url, answer), _thread.loop())

    return ask
