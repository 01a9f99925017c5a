"""Signs the clients in at a real issuer, oidc-provider, and lets them call a tool that needs a further scope.

The server answers that call with 403 and the scopes to request. Each client must then get a token
with them from the issuer, by itself, and call the tool again; later calls need nothing more. In one case anyone may
connect and list the tools: the client must sign in at its first call, not before, and begin a new session. A client
that did not run is never "ok".

Usage: step_up.py --bin-dir target/debug --work-dir target/clients
"""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from drive import (
    CLIENT_SECONDS,
    TOO_FEW,
    Outcome,
    beside_any_proxy,
    install_python,
    install_typescript,
    listening,
    parse_arguments,
    report,
    run,
    search_log,
)
from issuer import install, process

SUBJECT = "alice"
CALLED = [
    ["whoami", {"subject": SUBJECT}],
    ["delete_all", {"deleted": 0}],
    ["delete_all", {"deleted": 0}],
    ["whoami", {"subject": SUBJECT}],
]


def main() -> None:
    options = parse_arguments(__doc__)
    work = options.work_dir.resolve()
    work.mkdir(parents=True, exist_ok=True)
    beside_any_proxy()
    server = options.bin_dir.resolve() / "examples" / "one_issuer_server"
    clients: dict[str, Callable[[], list]] = {
        "typescript": lambda: install_typescript(work, "step_up.mjs"),
        "python": lambda: install_python(work, "step_up.py"),
    }
    outcomes = {name: drive(name, start, server, work) for name, start in clients.items()}
    first = "typescript, lists first"
    outcomes[first] = drive(first, clients["typescript"], server, work, lists_first=True)
    report(outcomes)


def drive(
    name: str, start: Callable[[], list], server: Path, work: Path, *, lists_first: bool = False
) -> tuple[Outcome, str]:
    """Installs and runs one client with its own issuer and server."""
    try:
        command, script = start(), install(work)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"!!! SKIPPED: the {name} client or oidc-provider cannot be installed: {error}", file=sys.stderr)
        return Outcome.SKIPPED, "a package cannot be installed"
    started = time.monotonic()
    log = work / f"step-up-{name}.log"
    of_server, of_client = (["--open-lists"], ["--list-first"]) if lists_first else ([], [])
    with contextlib.ExitStack() as stack:
        issuer = stack.enter_context(process(["node", script], work / f"step-up-{name}-issuer.log"))
        line = stack.enter_context(listening([server, issuer.line["issuer"], *of_server], log, os.environ))
        try:
            seen = json.loads(run(*command, line["url"], *of_client, timeout=CLIENT_SECONDS))
        except subprocess.SubprocessError as error:
            return Outcome.FAILED, str(error)
        faults = list(judge(seen, line, issuer.line["issuer"], log))
        if lists_first:
            faults += judge_lists_first(seen)
    for fault in faults:
        print(f"{name}: {fault}", file=sys.stderr)
    if faults:
        return Outcome.FAILED, f"{len(faults)} faults"
    return Outcome.OK, f"stepped up by itself, {time.monotonic() - started:.1f} s"


def judge(seen: dict, server: dict, issuer: str, log: Path) -> Iterator[str]:
    url, metadata_url = server["url"], server["metadata_url"]
    challenges = [
        [401, f'Bearer scope="mcp:read", resource_metadata="{metadata_url}"'],
        [403, f'Bearer error="insufficient_scope", scope="mcp:read mcp:admin", '
              f'resource_metadata="{metadata_url}", error_description="{TOO_FEW}"'],
    ]  # fmt: skip
    if seen["challenges"] != challenges:
        yield f"was challenged with\n    {seen['challenges']}\n  not\n    {challenges}"
    # The order of scopes in a request means nothing.
    requested = [set(scopes.split()) for scopes in seen["requested"]]
    if requested != [{"mcp:read"}, {"mcp:read", "mcp:admin"}]:
        yield f"requested {seen['requested']}"
    called = [[name, json.loads(text)] for name, text in seen.get("called", [])]
    if "error" in seen or called != CALLED:
        yield f"called {called}, not {CALLED}: {seen.get('error')}"
    tokens = [status for method, asked, status in seen["answers"] if (method, asked) == ("POST", f"{issuer}/token")]
    if tokens != [200, 200]:
        yield f"the token endpoint answered {tokens}"
    refused = [status for method, asked, status in seen["answers"] if asked == url and status in (401, 403)]
    if refused != [401, 403]:
        yield f"the server refused with {refused}"
    denials = [line for line in log.read_text().splitlines() if "request denied" in line]
    if not denials or 'reason="insufficient_scope"' not in denials[-1]:
        yield f"the last denial in the log is not that of the scope: {denials[-1:]}"
    outcome, why = search_log(log, [])
    if outcome is not Outcome.OK:
        yield f"the log {why}"


def judge_lists_first(seen: dict) -> Iterator[str]:
    if seen.get("listed") != ["delete_all", "whoami"]:
        yield f"listed {seen.get('listed')} before it signed in"
    if seen.get("requested_before_the_call") != []:
        yield "signed in before its first call"
    if seen.get("sessions_over") != 1:
        yield f"{seen.get('sessions_over')} sessions were over, not the one without a token"


if __name__ == "__main__":
    main()
