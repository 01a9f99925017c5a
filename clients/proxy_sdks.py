"""Clients of official SDKs call a server of an official SDK, through a proxy."""

import json
import subprocess
from collections.abc import Iterator

from drive import HERE, install_python, install_typescript, run
from gateway_process import free_port
from proxy_programs import Proxy
from proxy_requests import differs, is_open, within
from proxy_stage import Stage


def sdks(proxy: Proxy, stage: Stage) -> Iterator[str]:
    """Those of the Python and the TypeScript SDK list and call tools; the server sees who they are."""
    packages = stage.work.parent
    clients = {
        "python": (install_python(packages), ["auto", "legacy"]),
        "typescript": (install_typescript(packages), ["initialize"]),
    }
    behind = free_port()
    token = stage.token("--scope", "mcp:read", "--subject", "alice")
    with stage.authz() as ports, stage.proxy(proxy, ports, behind) as port:
        python = clients["python"][0][0]
        server = subprocess.Popen([python, HERE / "python" / "server.py", str(behind)])
        try:
            if not within(20, lambda: is_open(behind)):
                yield "the server does not start"
                return
            cases = stage.run / "cases.json"
            case = {"name": "good", "token": token}
            cases.write_text(json.dumps({"url": f"http://127.0.0.1:{port}/mcp", "cases": [case]}))
            for name, (command, modes) in clients.items():
                lines = [json.loads(line) for line in run(*command, cases, timeout=60).splitlines()]
                yield from differs(f"{name}: modes", [line["mode"] for line in lines], modes)
                for line in lines:
                    yield from (f"{name}, {line['mode']}: {fault}" for fault in wrong(line))
        finally:
            server.terminate()
            server.wait(timeout=10)


def wrong(line: dict) -> Iterator[str]:
    """What one client saw in one mode."""
    if "whoami" not in line:
        yield str(line)
        return
    about = json.loads(line["whoami"])
    yield from differs("subject", about.get("x-auth-subject"), "alice")
    yield from differs("token at the server", about.get("authorization"), None)
    yield from differs("sum", line["sum"], "5")
    yield from differs("refusals", line["refusals"], [])
