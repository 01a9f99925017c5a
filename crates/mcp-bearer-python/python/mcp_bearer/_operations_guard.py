"""Carries bytes between an ASGI server, the Rust layer of operations, and the app behind it.

The layer decides; this module interprets neither bodies nor headers.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, TypeAlias

import anyio

from mcp_bearer import _log, _native
from mcp_bearer._anonymous_scope import without_caller
from mcp_bearer._releases import access_token
from mcp_bearer._provider import BearerAuthProvider, waited
from mcp_bearer._rejection import Rejection
from mcp_bearer.operations import OperationRules

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

SHOWN_CHARACTERS = 200

CLOCK_TOLERANCE = 0.05
"""In seconds. The layer counts by another clock: its time must be up when a wait for the body ends."""


class OperationsGuard:
    """The layer in front of one app, with the provider's current verifier."""

    def __init__(
        self,
        provider: BearerAuthProvider,
        rules: OperationRules | None,
        session_keys: Sequence[bytes | str] | bytes | str | None,
        session_keys_file: str | os.PathLike[str] | None,
        token_header: str | None,
        require_body_hash: bool,
        resource: tuple[str, list[str]] | None,
    ) -> None:
        self._provider = provider
        native_rules = None if rules is None else rules._native
        keys = _keys(session_keys)
        self._native = _native.Operations(
            native_rules, keys, session_keys_file, token_header, require_body_hash, resource
        )
        self._made: tuple[_native.Verifier, list[str], _native.GuardedApp] | None = None

    def has_credential(self, headers: list[tuple[bytes, bytes]]) -> bool:
        """Whether a request has a credential of any kind, wherever this layer looks for one."""
        return self._native.has_credential(headers)

    def layer(self, required_scopes: list[str]) -> tuple[_native.GuardedApp, Any]:
        """The layer for the provider's current attributes, and what must be kept alive while it waits for keys."""
        verifier, cell = self._provider._verifier()
        made = self._made
        if made is None or made[0] is not verifier or made[1] != required_scopes:
            made = self._made = verifier, required_scopes, self._native.layer(verifier, required_scopes)
        return made[2], cell

    async def serve(self, app: App, scope: Scope, receive: Receive, send: Send, required_scopes: list[str]) -> None:
        layer, cell = self.layer(required_scopes)
        headers = [(bytes(name), bytes(value)) for name, value in scope.get("headers", [])]
        exchange = layer.begin(scope["method"], scope.get("http_version", "1.1"), headers)
        body = _Body(exchange, receive, _native.BODY_SECONDS[0 if self.has_credential(headers) else 1])
        while (step := exchange.step())[0] in ("read", "keys"):
            if step[0] == "keys":
                await waited(exchange.wait_for_keys, cell)
            elif not await body.bring():
                return  # the client has disconnected
        if step[0] == "answer":
            await _answer(send, *step[1])
            return
        headers, read, fields = step[1]
        access = None if fields is None else access_token(fields)
        inner = {**(without_caller(scope) if access is None else scope), "headers": headers, "extensions": {}}
        inner["state"] = {**scope.get("state", {}), "access_token": access}
        await app(inner, receive if read is None else _after(read, receive), _Answer(exchange, send).take)


class _Body:
    """Reads the body of a request within its time limit."""

    def __init__(self, exchange: _native.Exchange, receive: Receive, seconds: float) -> None:
        self._exchange, self._receive, self._seconds = exchange, receive, seconds
        self._until: float | None = None

    async def bring(self) -> bool:
        """One part, or nothing once the time is up: then the layer answers. False if the client has disconnected."""
        now = anyio.current_time()
        if self._until is None or self._until <= now:
            self._until = now + self._seconds + CLOCK_TOLERANCE
        message: Message = {"type": "late"}
        with anyio.move_on_after(self._until - now):
            message = await self._receive()
        if message["type"] == "http.request":
            self._exchange.feed(message.get("body", b""), message.get("more_body", False))
        return bool(message["type"] != "http.disconnect")


class _Answer:
    """Takes the app's answer, and sends what the layer makes of it."""

    def __init__(self, exchange: _native.Exchange, send: Send) -> None:
        self._exchange, self._send = exchange, send
        self._start: Message | None = None
        self._has_begun = self._has_head = self._has_ended = self._has_logged = False

    async def take(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            self._start = message
            if _is_stream(message):  # its head must not wait for the first event
                self._begin(is_empty=False)
                await self._pass_on(b"", True)
        elif kind == "http.response.body":
            body, more = message.get("body", b""), message.get("more_body", False)
            if not self._has_begun:
                self._begin(is_empty=not body and not more)
            await self._pass_on(bytes(body), bool(more))
        else:
            raise RuntimeError(f"{kind} cannot be sent from behind rules for operations")

    def _begin(self, *, is_empty: bool) -> None:
        if self._start is None:
            raise RuntimeError("http.response.body before http.response.start")
        headers = [(bytes(name), bytes(value)) for name, value in self._start.get("headers", [])]
        self._exchange.respond(self._start["status"], headers, is_empty)
        self._has_begun = True

    async def _pass_on(self, body: bytes, more: bool) -> None:
        if self._has_ended:
            return
        head, out, more, fault = self._exchange.send(body, more)
        if head is not None:
            self._has_head = True
            if self._start is not None and head[0] != self._start["status"]:
                fault = _reason(out)
        if fault is not None and not self._has_logged:
            self._has_logged = True  # once per stream, however many of its events are replaced
            _log.write(logging.WARNING, "the server's answer was not passed on: %s", fault)
        if head is not None:
            await self._send({"type": "http.response.start", "status": head[0], "headers": head[1]})
        if self._has_head and (out or not more):
            self._has_ended = not more
            await self._send({"type": "http.response.body", "body": out, "more_body": more})


def _is_stream(start: Message) -> bool:
    values = [bytes(value) for name, value in start.get("headers", []) if bytes(name).lower() == b"content-type"]
    return any(value.strip().lower().startswith(b"text/event-stream") for value in values)


def _after(body: bytes, receive: Receive) -> Receive:
    """The body that was read, and then whatever else the server sends."""
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        if first:
            return first.pop()
        while (message := await receive())["type"] == "http.request":
            pass
        return message

    return receive_again


async def _answer(
    send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes, refused: _native.Rejection | None
) -> None:
    if refused is not None:
        rejection = Rejection(refused)
        level = logging.WARNING if refused.is_service_fault else logging.INFO
        _log.write(level, "request denied: %s: %s", rejection.kind, rejection)
    else:
        _log.write(logging.INFO, "request refused: %d: %.*r", status, SHOWN_CHARACTERS, _reason(body))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _reason(body: bytes) -> str:
    """The fault that an answer of the layer reports."""
    try:
        answer = json.loads(body)
        return str((answer[0] if isinstance(answer, list) else answer)["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return ""


def _keys(given: Sequence[bytes | str] | bytes | str | None) -> list[bytes] | None:
    if given is None:
        return None
    keys = [given] if isinstance(given, (bytes, str)) else list(given)
    return [key.encode() if isinstance(key, str) else bytes(key) for key in keys]
