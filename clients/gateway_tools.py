"""The gateway under the tools that operators use: promtool reads its metrics, h2load opens its connections.

A tool that is not installed is never "ok": the check is then skipped, which fails in CI.
"""

import asyncio
import contextlib
import http.client
import re
import resource
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from gateway_checks import OPENER, Session
from gateway_process import Gateway, Issuing, free_port, gateway

CONNECTIONS = 10_000
SECONDS = 120
"""h2load takes some seconds on an idle machine."""
BYTES = 32_000_000
BYTES_PER_CONNECTION = 32 * 1024
"""An idle machine, which serves all of them at the same time, was seen to take 21 KB each in an unoptimised build."""
"""What the gateway may occupy more while they are open: about twice of what a build for development needs."""
PING = '{"jsonrpc":"2.0","id":1,"method":"ping"}'


class Missing(Exception):
    """A tool that is not installed, with the package that has it."""


def tool(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise Missing(f"{name} is not installed (Debian package {package})")
    return found


def prometheus(issuing: Issuing, servers: dict[str, str], work: Path) -> str:
    """promtool finds nothing wrong with the metrics after requests of every outcome."""
    promtool = tool("promtool", "prometheus")
    port = free_port()
    health = f'[health]\nlisten = "127.0.0.1:{port}"\n'
    with gateway(issuing, servers["rmcp"], work / "gateway-promtool", rules=health) as running:
        for token, expected in ((running.token("alice"), None), ("nonsense", 401), (None, 401)):
            status = Session(running.url, token).ask("tools/list").status
            assert expected in (None, status), f"{status}, not {expected}"
        with OPENER.open(f"http://127.0.0.1:{port}/metrics", timeout=15) as answer:
            scrape = answer.read()
    (work / "gateway-promtool" / "scrape").write_bytes(scrape)
    series = [line for line in scrape.splitlines() if line and not line.startswith(b"#")]
    for outcome in (b'outcome="granted"', b'outcome="denied"'):
        assert any(outcome in line for line in series), f"no request with {outcome.decode()}"
    checked = subprocess.run([promtool, "check", "metrics"], input=scrape, capture_output=True, timeout=30)
    said = (checked.stdout + checked.stderr).decode()
    assert checked.returncode == 0, f"promtool: {checked.returncode}: {said}"
    return f"{len(series)} series, and promtool finds nothing wrong with them"


def connections(issuing: Issuing, servers: dict[str, str], work: Path) -> str:
    """h2load opens thousands of connections over HTTP/2 as one caller: each request gets an answer, another caller is
    served meanwhile, and memory stays bounded."""
    h2load = tool("h2load", "nghttp2-client")
    limits = '[limits]\nper_peer = "off"\nconnections = 20000\nconnections_per_peer = 20000\n'
    wanted = min(CONNECTIONS, descriptors() - 2000)
    with pong() as upstream, gateway(issuing, upstream, work / "gateway-h2load", rules=limits) as running:
        body = work / "gateway-h2load" / "body"
        body.write_text(PING)
        before, bob = memory(running), Caller(running, running.token("bob"))
        load = subprocess.Popen(
            [h2load, "-c", str(wanted), "-n", str(wanted), "-d", body, "-H", "content-type: application/json",
             "-H", f"authorization: Bearer {running.token('alice')}", "-N", "20", running.url],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        meanwhile, end = 0, time.monotonic() + SECONDS
        try:
            while load.poll() is None:
                assert time.monotonic() < end, f"h2load is not done after {SECONDS} s"
                status = bob.ping()
                assert status == 200, f"another caller met {status} meanwhile"
                meanwhile += 1
                time.sleep(0.05)
            said = load.communicate()[0]
        finally:
            load.kill()
            load.wait()
        counts = {name: int(count) for count, name in re.findall(r"(\d+) (done|[2-5]xx)", said)}
        # Beyond the places of one caller the answer is 429, and never anything else.
        assert counts["2xx"] > 0 and counts["2xx"] + counts["4xx"] == counts["done"], said
        # A connection that has asked for nothing within 10 s is closed, and a busy machine can be too slow for some.
        assert counts["done"] >= wanted / 2, said
        grown = peak(running) - before
        assert grown < BYTES + wanted * BYTES_PER_CONNECTION, f"{grown} bytes for {wanted} connections"
        assert Session(running.url, running.token("bob")).ask("ping").status == 200, "the next request"
    return f"{counts['done']} of {wanted} connections over HTTP/2, {counts['2xx']} requests served and {counts['4xx']} beyond the caller's places, {meanwhile} of another caller served meanwhile, {grown // 1_000_000} MB at most"


ALL = [prometheus, connections]


class Caller:
    """Another caller, on a connection that it keeps."""

    def __init__(self, running: Gateway, token: str) -> None:
        self.connection = http.client.HTTPConnection(running.url.split("/")[2], timeout=60)
        self.headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        assert self.ping() == 200

    def ping(self) -> int:
        self.connection.request("POST", "/mcp", PING, self.headers)
        answer = self.connection.getresponse()
        answer.read()
        return answer.status


def descriptors() -> int:
    """How many files a process may have open; children inherit it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def status_field(running: Gateway, name: str) -> int:
    lines = Path(f"/proc/{running.process}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def memory(running: Gateway) -> int:
    return status_field(running, "VmRSS")


def peak(running: Gateway) -> int:
    return status_field(running, "VmHWM")


@contextlib.contextmanager
def pong() -> Iterator[str]:
    """A server that answers each request at once, in a thread of its own."""
    port = free_port()
    loop = asyncio.new_event_loop()
    answer = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 36\r\n\r\n{"jsonrpc":"2.0","id":1,"result":{}}'

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = re.search(rb"(?i)content-length: *(\d+)", head)
                await reader.readexactly(int(length[1]) if length else 0)
                writer.write(answer)
                await writer.drain()
        writer.close()

    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", port, backlog=1024))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
