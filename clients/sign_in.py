"""Gives the Python and TypeScript clients an expired token for a server that holds no keys yet.

The server cannot verify that token but answers 401, because no key could save it. So each client
signs in (RFC 9728 metadata, RFC 8414 metadata, registration, code, token) and calls a tool; or, while
the issuer's keys are down, gets the outage with a token that is good. A client that did not run is
never "ok".

Usage: sign_in.py --bin-dir target/debug --work-dir target/clients
"""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from authorization_server import AuthorizationServer, Keys, authorization_server
from drive import (
    CLIENT_SECONDS,
    INVALID,
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

SUBJECT, SCOPE = "alice", "mcp:read"
MODES = {"python": ["auto", "legacy"], "typescript": ["initialize"]}


def main() -> None:
    options = parse_arguments(__doc__)
    bin_dir, work = options.bin_dir.resolve(), options.work_dir.resolve()
    work.mkdir(parents=True, exist_ok=True)
    beside_any_proxy()
    issue = Issuing(bin_dir / "mcp-bearer", work / "issuer-keys")
    server = bin_dir / "examples" / "one_issuer_server"
    clients: dict[str, Callable[[], list]] = {
        "python": lambda: install_python(work, "sign_in.py"),
        "typescript": lambda: install_typescript(work, "sign_in.mjs"),
    }
    report({name: drive(name, start, server, issue, work) for name, start in clients.items()})


class Issuing:
    """A key pair, and the tokens that it signs."""

    def __init__(self, program: Path, keys: Path) -> None:
        self.program, self.keys = program, keys
        shutil.rmtree(keys, ignore_errors=True)
        run(program, "keygen", "--out", keys, "--kid", "key-1")
        self.jwks = json.loads((keys / "jwks.json").read_text())

    def token(self, issuer: str, resource: str, scope: str, *options: str) -> str:
        return run(self.program, "token", "--private-key", self.keys / "private.pem", "--kid", "key-1",
                   "--subject", SUBJECT, "--issuer", issuer, "--audience", resource,
                   "--scope", scope, *options).strip()  # fmt: skip


class Case:
    """A client's mode, how the issuer's keys answer, and the two servers of this case."""

    def __init__(self, mode: str, issuer: AuthorizationServer, server: dict, log: Path, token: str):
        self.mode, self.issuer, self.server, self.log, self.token = mode, issuer, server, log, token

    def work(self) -> dict:
        return {"name": self.issuer.keys.value, "mode": self.mode, "url": self.server["url"], "token": self.token}

    def judge(self, seen: dict) -> Iterator[str]:
        where = f"keys {seen['case']} ({seen['mode']})"
        url, metadata_url, issuer = self.server["url"], self.server["metadata_url"], self.issuer.issuer
        challenge = (
            f'Bearer error="invalid_token", scope="{SCOPE}", '
            f'resource_metadata="{metadata_url}", error_description="{INVALID}"'
        )
        if seen["challenge"] != challenge:
            yield f"{where}: was refused with\n    {seen['challenge']}\n  not\n    {challenge}"
        begun = [
            ["POST", url, 401],
            ["GET", metadata_url, 200],
            ["GET", f"{issuer}/.well-known/oauth-authorization-server", 200],
            ["POST", f"{issuer}/register", 201],
            ["POST", f"{issuer}/token", 200],
        ]
        # The TypeScript client reads the two documents again when it comes back with the code.
        answers = [list(answer) for answer in dict.fromkeys(map(tuple, seen["answers"]))]
        if answers[: len(begun)] != begun:
            yield f"{where}: did not sign in as it should:\n    {answers}\n  not\n    {begun}"
        last = {status for method, asked, status in answers[len(begun) :] if (method, asked) == ("POST", url)}
        if self.issuer.keys is Keys.DOWN:
            if last != {503} or "whoami" in seen:
                yield f"{where}: after signing in it got {last}, not the outage: {seen}"
        elif "whoami" not in seen or json.loads(seen["whoami"]) != {"subject": SUBJECT}:
            yield f"{where}: no tool was called for {SUBJECT}: {seen}"
        if self.issuer.keys is not Keys.DOWN and self.issuer.key_requests != 1:
            yield f"{where}: the keys were asked for {self.issuer.key_requests} times"
        denials = [line for line in self.log.read_text().splitlines() if "request denied" in line]
        if not denials or 'reason="expired"' not in denials[0] or "not verified" not in denials[0]:
            yield f"{where}: the server was not cold, or its log does not say so: {self.log}"
        outcome, why = search_log(self.log, [self.token])
        if outcome is not Outcome.OK:
            yield f"{where}: the log {why}"


def drive(name: str, start: Callable[[], list], server: Path, issue: Issuing, work: Path) -> tuple[Outcome, str]:
    """Installs and runs one client, and prints the result in one line."""
    try:
        command = start()
    except (OSError, subprocess.SubprocessError) as error:
        print(f"!!! SKIPPED: the {name} client cannot be installed: {error}", file=sys.stderr)
        return Outcome.SKIPPED, "its package cannot be installed"
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        cases = {}
        for keys in Keys:
            for mode in MODES[name]:
                log = work / f"sign-in-{name}-{mode}-{keys.value}.log"
                cases[keys.value, mode] = stack.enter_context(prepared(mode, keys, server, issue, log))
        path = work / f"sign-in-{name}.json"
        path.write_text(json.dumps([case.work() for case in cases.values()]))
        try:
            output = run(*command, path, timeout=CLIENT_SECONDS)
        except subprocess.SubprocessError as error:
            return Outcome.FAILED, str(error)
        observed = {(seen["case"], seen["mode"]): seen for seen in map(json.loads, output.splitlines())}
        faults = [fault for key, seen in observed.items() for fault in cases[key].judge(seen)]
        faults += [f"case {key} was not run" for key in sorted(cases.keys() - observed.keys())]
    for fault in faults:
        print(f"{name}: {fault}", file=sys.stderr)
    if faults:
        return Outcome.FAILED, f"{len(faults)} faults"
    return Outcome.OK, f"signed in at {len(observed)} cold servers, {time.monotonic() - started:.1f} s"


@contextlib.contextmanager
def prepared(mode: str, keys: Keys, program: Path, issue: Issuing, log: Path) -> Iterator[Case]:
    with authorization_server(keys, issue.jwks, issue.token) as issuer:
        with listening([program, issuer.issuer], log, os.environ) as server:
            token = issue.token(issuer.issuer, server["url"], SCOPE, "--expires-in=-1h")
            yield Case(mode, issuer, server, log, token)


if __name__ == "__main__":
    main()
