"""Puts the gateway in front of third-party MCP servers, and drives them with third-party clients.

Each client drives each server twice, directly and through the gateway, and must see the same: lists, tools,
resources, prompts, progress, what the server sends by itself, and the end of a session. Then come the
gateway's own answers: a sign-in at a real issuer with a further scope for one tool, hidden tools, sessions of
two principals, identity headers, a page in a browser, and a server that redirects. At last promtool reads the
metrics, and h2load opens 10,000 connections. A client or server that
did not run is never "ok".

Usage: gateway.py --bin-dir target/debug --work-dir target/clients
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import gateway_checks
import gateway_tools
import step_up
from drive import (
    CLIENT_SECONDS,
    HERE,
    Outcome,
    beside_any_proxy,
    install_npm,
    install_typescript,
    listening,
    parse_arguments,
    report,
    run,
    search_log,
)
from gateway_process import Gateway, Issuing, free_port, gateway, wait_for
from issuer import install as install_issuer
from issuer import process

sys.path.insert(0, str(HERE.parent / "scripts"))
import python_package  # noqa: E402

CHANGED = "notifications/tools/list_changed"
MODERN = {"auto", "discover"}


@dataclass
class Server:
    """A server without authentication, and what a client can ask of it."""

    name: str
    url: str
    case: dict
    sessions: str | None
    """What it sends by itself within a session, if anything."""
    modern: str | None = None
    """The same for the protocol without sessions."""
    speaks_modern: bool = True

    def case_of(self, mode: str, url: str, token: str | None) -> dict:
        is_modern = mode in MODERN and self.speaks_modern
        return {**self.case, "name": self.name, "mode": mode, "url": url, "token": token,
                "announcement": self.modern if is_modern else self.sessions, "subscribes": is_modern}  # fmt: skip


PYTHON = {
    "tool": ["shout", {"text": "hi"}],
    "slow": ["count", {"to": 3}],
    "resource": "text://motto",
    "prompt": ["greet", {"name": "Ada"}],
    "announcer": ["announce", {}],
}
EVERYTHING = {
    "tool": ["echo", {"message": "hi"}],
    "slow": ["trigger-long-running-operation", {"duration": 0.3, "steps": 3}],
    "resource": "demo://resource/static/document/startup.md",
    "prompt": ["simple-prompt", {}],
    "announcer": ["toggle-simulated-logging", {}],
}
RMCP = {
    "tool": ["test_simple_text", {}],
    "slow": ["test_tool_with_progress", {}],
    "resource": "test://static-text",
    "prompt": ["test_simple_prompt", {}],
    "announcer": ["test_trigger_tool_change", {}],
}

PARTS = {"answer": str, "resource": list, "prompt": list, "progress": list, "tools": list, "resources": list, "prompts": list}
"""What every observation has, and never empty."""


def main() -> None:
    options = parse_arguments(__doc__)
    bin_dir, work = options.bin_dir.resolve(), options.work_dir.resolve()
    work.mkdir(parents=True, exist_ok=True)
    beside_any_proxy()
    try:
        packages = Packages(bin_dir, work)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"!!! SKIPPED: a client or server cannot be installed: {error}", file=sys.stderr)
        report({"packages": (Outcome.SKIPPED, "cannot be installed")})
    issuing = Issuing(bin_dir / "mcp-bearer", work / "gateway-keys")
    outcomes: dict[str, tuple[Outcome, str]] = {}
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(server) for server in packages.servers()]
        guarded = [
            stack.enter_context(gateway(issuing, server.url, work / f"gateway-{server.name}")) for server in servers
        ]
        for client in packages.clients():
            outcomes[client.name] = drive(client, list(zip(servers, guarded, strict=True)), work)
        by_name = {server.name: server.url for server in servers}
        for check in [*gateway_checks.ALL, *gateway_tools.ALL]:
            outcomes[check.__name__] = attempt(lambda check=check: check(issuing, by_name, work))
        outcomes["signs_in"] = attempt(lambda: signs_in(packages, issuing.program, by_name["fastmcp"], work))
    report(outcomes)


@dataclass
class Client:
    name: str
    command: list
    modes: list[str]
    without: set[tuple[str, str]]
    """Servers and modes that this client cannot speak with directly either."""


class Packages:
    """Everything that is installed, by lock files with hashes."""

    def __init__(self, bin_dir: Path, work: Path) -> None:
        self.bin_dir, self.work = bin_dir, work
        self.python = python_package.environment("fastmcp-4") / "python"
        self.everything = install_npm(HERE / "everything", work / "everything")
        self.typescript = install_typescript(work, "gateway.mjs")
        self.step_up = install_typescript(work, "step_up.mjs")
        self.issuer = install_issuer(work)

    def servers(self) -> Iterator[contextlib.AbstractContextManager[Server]]:
        yield self.server("fastmcp", [self.python, HERE / "gateway" / "fastmcp_server.py"], "url", PYTHON, sessions=CHANGED)
        yield self.server("sdk", [self.python, HERE / "gateway" / "sdk_server.py"], "url", PYTHON, sessions=CHANGED, modern=CHANGED)
        rmcp = [self.bin_dir / "examples" / "conformance_server"]
        yield self.server("rmcp", rmcp, "open", RMCP, sessions=None, modern=CHANGED)
        yield self.everything_server()

    @contextlib.contextmanager
    def server(self, name: str, command: list, member: str, case: dict, **rest: str | None) -> Iterator[Server]:
        with listening(command, self.work / f"gateway-server-{name}.log", os.environ) as line:
            yield Server(name, line[member], case, **rest)

    @contextlib.contextmanager
    def everything_server(self) -> Iterator[Server]:
        """It reports no address, and takes its port from a variable."""
        port = free_port()
        program = self.everything / "node_modules/@modelcontextprotocol/server-everything/dist/index.js"
        with (self.work / "gateway-server-everything.log").open("w") as log:
            child = subprocess.Popen(["node", program, "streamableHttp"], env={**os.environ, "PORT": str(port)},
                                     stdin=subprocess.DEVNULL, stdout=log, stderr=log)  # fmt: skip
        try:
            wait_for(port, child)
            url = f"http://127.0.0.1:{port}/mcp"
            yield Server("everything", url, EVERYTHING, "notifications/message", speaks_modern=False)
        finally:
            child.kill()
            child.wait()

    def clients(self) -> Iterator[Client]:
        yield Client("fastmcp", [self.python, HERE / "gateway" / "fastmcp_client.py"], ["legacy", "auto"], set())
        yield Client("typescript", self.typescript, ["initialize"], set())
        rmcp = self.bin_dir / "examples" / "gateway_client"
        yield Client("rmcp", [rmcp], ["initialize", "discover"], {("everything", "discover")})


def drive(client: Client, pairs: list[tuple[Server, Gateway]], work: Path) -> tuple[Outcome, str]:
    """Compares what the client sees through the gateway with what it sees without."""
    started = time.monotonic()
    faults, compared = [], 0
    observed = []
    for through in (False, True):
        cases = [
            server.case_of(mode, guarded.url if through else server.url, guarded.token("alice") if through else None)
            for server, guarded in pairs
            for mode in client.modes
            if (server.name, mode) not in client.without
        ]
        path = work / f"gateway-{client.name}-{'through' if through else 'direct'}.json"
        path.write_text(json.dumps(cases))
        try:
            output = run(*client.command, path, timeout=CLIENT_SECONDS)
        except subprocess.SubprocessError as error:
            return Outcome.FAILED, str(error)
        lines = [json.loads(line) for line in output.splitlines()]
        observed.append({(seen["case"], seen["mode"]): seen for seen in lines})
        missing = {(case["name"], case["mode"]): case["announcement"] for case in cases}
        for key, announcement in missing.items():
            faults += [f"{key} {'through the gateway' if through else 'directly'}: {fault}"
                       for fault in judge(observed[-1].get(key), announcement)]  # fmt: skip
    direct, through = observed
    for key in direct.keys() & through.keys():
        compared += 1
        if direct[key] != through[key]:
            differing = [part for part in direct[key] if direct[key][part] != through[key].get(part)]
            faults.append(f"{key}: the gateway changes {differing}: {[through[key].get(part) for part in differing]}")
    for fault in faults:
        print(f"{client.name}: {fault}", file=sys.stderr)
    if faults:
        return Outcome.FAILED, f"{len(faults)} faults"
    return Outcome.OK, f"{compared} servers and modes as without the gateway, {time.monotonic() - started:.1f} s"


def judge(seen: dict | None, announcement: str | None) -> Iterator[str]:
    """Two equal observations of nothing would prove nothing."""
    if seen is None or "error" in seen:
        yield f"did not work: {seen and seen['error']}"
        return
    for part, kind in PARTS.items():
        if not isinstance(seen.get(part), kind) or not seen[part]:
            yield f"has no {part}: {seen.get(part)!r}"
    if len(seen.get("progress", [])) < 3:
        yield f"progress: {seen.get('progress')}"
    if announcement is not None and seen.get("heard") != announcement:
        yield f"heard {seen.get('heard')}, not {announcement}"


def signs_in(packages: Packages, program: Path, upstream: str, work: Path) -> str:
    """The TypeScript client signs in at oidc-provider by the gateway's metadata, and gets a further scope for one tool."""
    folder = work / "gateway-sign-in"
    with process(["node", packages.issuer], work / "gateway-issuer.log") as issuer:
        name = issuer.line["issuer"]
        tables = f'[[issuer]]\nissuer = "{name}"\nrequired_scopes = ["mcp:read"]\nalgorithms = ["RS256", "ES256", "Ed25519"]\n'
        rule = '[[rule]]\nmethod = "tools/call"\nname = "delete_*"\nscopes = ["mcp:admin"]\n'
        with gateway(Issuing(program, work / "gateway-keys", make=False), upstream, folder, tables=tables, rules=rule) as running:
            seen = json.loads(run(*packages.step_up, running.url, timeout=CLIENT_SECONDS))
            line = {"url": running.url, "metadata_url": running.metadata_url}
            faults = list(step_up.judge(seen, line, name, running.log))
    if faults:
        raise AssertionError("\n".join(faults))
    return "signed in at oidc-provider, and stepped up for one tool"


def attempt(check: Callable[[], str]) -> tuple[Outcome, str]:
    try:
        return Outcome.OK, check()
    except gateway_tools.Missing as error:
        print(f"!!! SKIPPED: {error}", file=sys.stderr)
        return Outcome.SKIPPED, str(error)
    except (AssertionError, OSError, subprocess.SubprocessError) as error:
        print(f"{error}", file=sys.stderr)
        return Outcome.FAILED, str(error).splitlines()[0] if str(error) else type(error).__name__


if __name__ == "__main__":
    main()
