"""The instructions of the program per request from the cache, with authentication and without it.

Callgrind counts them, so that neither the clock nor other programs change the result. What the
system does for the program is not counted: it is the same for both. Connections, keep-alive and the
request are those of the other measurements.
"""

import re
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import contenders

CONNECTIONS = 32
REQUESTS = 1600
BODY = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":""}}}'


def run(open_gateway: Path, work: Path, token: str, note: Callable[[str], None]) -> bool:
    """Only for information: no bar is set for instructions."""
    counted = {kind: per_request(open_gateway, kind, work, token) for kind in ("guarded", "open")}
    for kind, instructions in counted.items():
        note(f"instructions\t{kind}\t{instructions:.0f}")
    guarded, without = counted.values()
    print(f"instructions per request: {guarded:,.0f}, without authentication {without:,.0f}; {guarded - without:,.0f} for authentication")
    return True


def per_request(open_gateway: Path, kind: str, work: Path, token: str) -> float:
    """Twice as many requests take that much more: what does not depend on their number cancels out."""
    out = work / f"callgrind-{kind}"
    command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", open_gateway, kind]
    with contenders.upstream(work, work) as up, contenders.gateway(f"counted-{kind}", work, command, up.url, cache=True) as target:
        port = int(target.url.split(":")[2].split("/")[0])
        send(port, token, REQUESTS)
        few, many = (count(out, target.pid, port, token, requests) for requests in (REQUESTS, 2 * REQUESTS))
    return (many - few) / REQUESTS


def count(out: Path, pid: int, port: int, token: str, requests: int) -> int:
    """The instructions of the process while it answers these requests. Each dump is a file of its own."""
    before = set(out.parent.glob(f"{out.name}*"))
    control(pid, "--zero")
    send(port, token, requests)
    control(pid, "--dump")
    (dump,) = set(out.parent.glob(f"{out.name}*")) - before
    found = re.search(r"^(?:summary|totals): (\d+)", dump.read_text(errors="replace"), re.MULTILINE)
    dump.unlink()
    if found is None:
        raise SystemExit(f"callgrind wrote no total to {dump}")
    return int(found[1])


def control(pid: int, what: str) -> None:
    subprocess.run(["callgrind_control", what, str(pid)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def send(port: int, token: str, requests: int) -> None:
    head = (f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
            f"Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2025-11-25\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: {len(BODY)}\r\n\r\n").encode()  # fmt: skip
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(CONNECTIONS)]
    for _ in range(requests // CONNECTIONS):
        for client in clients:
            client.sendall(head + BODY)
        for client in clients:
            answer = b""
            while not answer.endswith(b"\r\n\r\nok\n"):
                got = client.recv(65536)
                if not got:
                    raise SystemExit(f"the gateway broke off after {answer!r}")
                answer += got
            if not answer.startswith(b"HTTP/1.1 200 "):
                raise SystemExit(f"not served: {answer!r}")
    for client in clients:
        client.close()
