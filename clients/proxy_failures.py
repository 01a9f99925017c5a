"""A service that is down, late, silent, or answers nonsense: no request passes."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

from gateway_process import free_port
from proxy_programs import Proxy
from proxy_requests import differs, post
from proxy_stage import Stage

DELAY = 0.4
"""Seconds: twice the time that the proxies of deploy/ wait."""


def fails_closed(proxy: Proxy, stage: Stage) -> Iterator[str]:
    """No request passes while nothing decides, and clients learn that it is not their fault."""
    token = stage.token("--scope", "mcp:read")
    garbage = [b"\0\1\2nonsense\r\n\r\n", b"HTTP/1.1 999 x\r\n\r\n", b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", b""]
    for name, answer in [("down", None), ("silent", "silent"), *(("garbage", text) for text in garbage)]:
        with contextlib.ExitStack() as stack:
            ports = [free_port(), free_port()]
            if answer is not None:
                for one in ports:
                    stack.enter_context(impostor(one, answer))
            port = stack.enter_context(stage.proxy(proxy, ports))
            count = stage.upstream.count
            started = time.monotonic()
            status = post(port, token).status
            took = time.monotonic() - started
            if name in ("down", "silent"):
                yield from differs(name, status, 503)
            elif 200 <= status < 300:
                yield f"{answer!r} lets a request pass: {status}"
            if took > 2:
                yield f"{name} takes {took:.1f} s"
            yield from differs(f"{name}: requests at the server", stage.upstream.count, count)


def late(proxy: Proxy, stage: Stage) -> Iterator[str]:
    """Each answer of the real service arrives after the proxy's limit of 200 ms."""
    token = stage.token("--scope", "mcp:read")
    with stage.authz() as ports, contextlib.ExitStack() as stack:
        slow = [stack.enter_context(delayed(port)) for port in ports]
        port = stack.enter_context(stage.proxy(proxy, slow))
        count = stage.upstream.count
        for attempt in range(3):
            started = time.monotonic()
            yield from differs(f"attempt {attempt}", post(port, token).status, 503)
            if (took := time.monotonic() - started) > 2:
                yield f"attempt {attempt} takes {took:.1f} s"
        # The answers arrive now, and nothing waits for them any more.
        time.sleep(2 * DELAY)
        yield from differs("requests at the server", stage.upstream.count, count)


@contextlib.contextmanager
def delayed(target: int) -> Iterator[int]:
    """The port of a service whose answers come later by DELAY, whatever it speaks."""
    listener = socket.create_server(("127.0.0.1", 0))
    open_ones: list[socket.socket] = []

    def forward(source: socket.socket, sink: socket.socket, delay: float) -> None:
        with contextlib.suppress(OSError):
            while part := source.recv(65536):
                time.sleep(delay)
                sink.sendall(part)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                asking, _ = listener.accept()
                answering = socket.create_connection(("127.0.0.1", target))
                open_ones.extend([asking, answering])
                threading.Thread(target=forward, args=(asking, answering, 0), daemon=True).start()
                threading.Thread(target=forward, args=(answering, asking, DELAY), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        for one in [listener, *open_ones]:
            one.close()


@contextlib.contextmanager
def impostor(port: int, answer: bytes | str) -> Iterator[None]:
    """Accepts connections and answers nonsense, or nothing."""
    listener = socket.create_server(("127.0.0.1", port))
    kept = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                if answer == "silent":
                    kept.append(connection)
                    continue
                with connection, contextlib.suppress(OSError):
                    connection.recv(65536)
                    connection.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in kept:
            connection.close()
