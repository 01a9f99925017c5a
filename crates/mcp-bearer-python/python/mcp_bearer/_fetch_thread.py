"""The thread on which a caller's `fetch` function is awaited, with its own event loop.

The callers of `verify_token` come and go with their loops; this one stays, whatever a `fetch` function does to it. A `fetch`
function never runs on a caller's loop, and every request gets an answer. The thread is started again in a forked child,
where the parent's thread does not exist.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import threading
import weakref
from collections.abc import Awaitable, Callable
from typing import TypeAlias
from urllib.parse import urlsplit

from mcp_bearer import _log, _native

Fetch: TypeAlias = Callable[[str], Awaitable[bytes]]

Asker: TypeAlias = Callable[[str, _native.Answer], None]
"""What `_native` calls: returns at once, and completes the answer later."""

# A key source gives up on an exchange after 5 s; calls that still run then must not pile up.
_SECONDS = 5.0
# Calls of one function that nothing waits for any more, and that do not end when they are cancelled.
_LEFT_OVER = 4
# How many characters of an exception of the function are reported.
_TEXT = 500


class _LoopThread:
    def __init__(self) -> None:
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def loop(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None or self._loop.is_closed():
                loop = asyncio.new_event_loop()
                try:
                    threading.Thread(target=self._run, args=(loop,), name="mcp-bearer-fetch", daemon=True).start()
                except BaseException:
                    loop.close()
                    raise
                self._loop = loop
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


_thread = _LoopThread()


def _begin_in_child() -> None:
    global _thread
    _thread = _LoopThread()
    _native.nobody_inside()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
atexit.register(_native.interpreter_ends)


class Hook:
    """A `fetch` function. It lasts as long as its creator keeps it: `_native` does not, because what Rust keeps is hidden
    from the garbage collector, and the function may well refer to its provider."""

    __slots__ = ("__weakref__", "_running", "fetch")

    def __init__(self, fetch: Fetch) -> None:
        if not callable(fetch):
            raise TypeError(f"fetch: must be an async function, not {type(fetch).__name__}")
        self.fetch = fetch
        self._running: set[asyncio.Task[object]] = set()

    def asker(self) -> Asker:
        reference = weakref.ref(self)

        def ask(url: str, answer: _native.Answer) -> None:
            hook = reference()
            if hook is None:
                answer.fail("the provider is gone")
                return
            answering = hook._answer_with(url, answer)
            try:
                asyncio.run_coroutine_threadsafe(answering, _thread.loop())
            except BaseException as error:
                answering.close()
                _fail(answer, url, f"the fetch function cannot be asked: {_told(error, url)}")

        return ask

    async def _answer_with(self, url: str, answer: _native.Answer) -> None:
        try:
            answer.complete(await self._document(url))
        except _Failed as failed:
            _fail(answer, url, str(failed))
        except asyncio.CancelledError:
            _fail(answer, url, "the fetch function was cancelled")
            raise
        except BaseException as error:
            _fail(answer, url, f"the answer of the fetch function cannot be read: {_told(error, url)}")

    async def _document(self, url: str) -> bytes:
        loop = asyncio.get_running_loop()
        # Calls on a closed loop, or of the process before a fork, never end.
        self._running = {task for task in self._running if task.get_loop() is loop}
        if len(self._running) >= _LEFT_OVER:
            raise _Failed(f"{_LEFT_OVER} earlier calls of the fetch function were cancelled and still run")
        task = loop.create_task(self._ask(url))
        self._running.add(task)
        task.add_done_callback(self._ended)
        try:
            done, _ = await asyncio.wait({task}, timeout=_SECONDS)
        finally:
            task.cancel()
        if not done:
            raise _Failed(f"the fetch function took longer than {_SECONDS:.0f} s")
        if task.cancelled():
            raise _Failed("the fetch function was cancelled")
        body = task.result()
        if not isinstance(body, (bytes, bytearray, memoryview)):
            raise _Failed(f"the fetch function returned {type(body).__name__}, not bytes")
        return bytes(body)

    async def _ask(self, url: str) -> object:
        try:
            return await self.fetch(url)
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            # In a separate task, SystemExit and KeyboardInterrupt would end the loop.
            raise _Failed(f"the fetch function raised {_told(error, url)}") from None

    def _ended(self, task: asyncio.Task[object]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # otherwise asyncio reports an exception that was never retrieved


class _Failed(Exception):
    """Why a fetch function returned nothing."""


def _fail(answer: _native.Answer, url: str, why: str) -> None:
    answer.fail(why)
    _log.write(logging.WARNING, "no keys from %s: %s", _label(url), why)


def _told(error: BaseException, url: str) -> str:
    """In one line, and without those parts of the address that may be secret."""
    try:
        text = str(error).replace(url, _label(url))
        if query := urlsplit(url).query:
            text = text.replace(query, "...")
        line = f"{type(error).__name__}: {text}"[:_TEXT]
        return "".join(character if character.isprintable() else " " for character in line)
    except BaseException:
        return "an exception without a readable text"


def _label(url: str) -> str:
    """The address without user and query."""
    try:
        parts = urlsplit(url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    except ValueError:
        return "an invalid address"
