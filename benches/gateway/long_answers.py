"""What long answers cost: the memory of idle event streams, and the speed of an answer of 1 GB."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit
import socket

from contenders import OTHER_CORE, Running, free_port, process
from measure import cpu_ns, memory_kib

STREAMS = 1000
STREAMS_BYTES = 40_000_000
BIG = 1 << 30
HERE = Path(__file__).resolve().parent


@contextlib.contextmanager
def holder(work: Path) -> Iterator[Running]:
    port = free_port()
    with process("hold-streams", [sys.executable, HERE / "hold_streams.py", port], port, work, OTHER_CORE) as running:
        yield running


def open_streams(target: Running, token: str, count: int) -> list[socket.socket]:
    """Event streams over HTTP/1.1, each of which has had its first event."""
    host = urlsplit(target.url)
    request = (
        f"GET {host.path} HTTP/1.1\r\nHost: {host.netloc}\r\nAccept: text/event-stream\r\n"
        f"MCP-Protocol-Version: 2025-11-25\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()
    streams = []
    for _ in range(count):
        stream = socket.create_connection((host.hostname, host.port), 10)
        stream.sendall(request)
        streams.append(stream)
    for stream in streams:
        seen = b""
        while b"data: {}" not in seen:
            part = stream.recv(4096)
            if not part:
                sys.exit(f"{target.name} ended a stream: {seen[:300]!r}")
            seen += part
    return streams


def idle_streams(target: Running, token: str, minutes: float, note: Callable[[str], None]) -> bool:
    """Whether the process stays within its memory, and does not grow."""
    before = memory_kib(target.pid)
    streams = open_streams(target, token, STREAMS)
    time.sleep(2)
    first = memory_kib(target.pid)
    note(f"idle streams\t{STREAMS}\tKiB before, with them\t{before}\t{first}")
    last = first
    for minute in range(1, int(minutes) + 1):
        time.sleep(60)
        last = memory_kib(target.pid)
        note(f"idle streams\tminute {minute}\tKiB\t{last}")
    alive = sum(is_open(stream) for stream in streams)
    for stream in streams:
        stream.close()
    print(f"{STREAMS} idle streams: {before / 1024:.1f} MiB before, {first / 1024:.1f} MiB with them, "
          f"{last / 1024:.1f} MiB after {minutes:g} minutes, {alive} still open; bar {STREAMS_BYTES / 2**20:.1f} MiB")  # fmt: skip
    return first * 1024 <= STREAMS_BYTES and last <= first * 1.02 and alive == STREAMS


def is_open(stream: socket.socket) -> bool:
    stream.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        return stream.recv(4096) != b""
    return True


def big_answer(target: Running, url: str, token: str) -> tuple[float, float, int]:
    """Seconds, CPU seconds of the process, and its highest memory in KiB."""
    command = ["taskset", "-c", str(OTHER_CORE), "curl", "-sS", "--noproxy", "*", "-o", "/dev/null", "-w",
               "%{http_code} %{size_download} %{time_total}", "-H", f"Authorization: Bearer {token}", url]  # fmt: skip
    before = cpu_ns(target.pid)
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    if output[:2] != ["200", str(BIG)]:
        sys.exit(f"{target.name}: {output}")
    return float(output[2]), (cpu_ns(target.pid) - before) / 1e9, memory_kib(target.pid, "VmHWM")
