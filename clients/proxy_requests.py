"""Sends requests to a proxy, and compares what comes back."""

import contextlib
import http.client
import socket
import time
from collections.abc import Callable, Iterator

PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'


class Answer(http.client.HTTPResponse):
    body: bytes


def send(port: int, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body or None, headers)
        answer = connection.getresponse()
        answer.body = answer.read()
        return answer
    finally:
        connection.close()


def post(port: int, token: str | None, headers: dict[str, str] | None = None, body: bytes = PING) -> Answer:
    own = {"Authorization": f"Bearer {token}"} if token else {}
    return send(port, "POST", "/mcp", {"Content-Type": "application/json"} | (headers or {}) | own, body)


def differs(name: str, found: object, expected: object) -> Iterator[str]:
    if found != expected:
        yield f"{name}: {found!r} instead of {expected!r}"


def within(seconds: float, is_so: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if is_so():
                return True
        time.sleep(0.05)
    return False


def is_open(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
