"""Calls a tool with tokens of a real issuer, oidc-provider, while the issuer rotates its keys.

The demo server gets only the issuer's name. Each algorithm's token must be accepted; after a
rotation, the very first token of the new key; and a withdrawn key must be refused once the server
has seen the newer set. A step that did not run is never "ok".

Usage: issuer.py --bin-dir target/debug --work-dir target/clients
"""

import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from drive import HERE, claims_of, fetch_json, install_npm, parse_arguments, run

VERSION = "2026-07-28"
ALGORITHMS = ["RS256", "ES256", "Ed25519"]
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # everything is on loopback


def main() -> None:
    options = parse_arguments(__doc__)
    bin_dir, work = options.bin_dir.resolve(), options.work_dir.resolve()
    work.mkdir(parents=True, exist_ok=True)
    try:
        script = install(work)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"!!! SKIPPED: oidc-provider cannot be installed: {error}", file=sys.stderr)
        sys.exit(1 if os.environ.get("CI") == "true" else 0)
    with process(["node", script], work / "issuer.log") as issuer:
        name = issuer.line["issuer"]
        command = [bin_dir / "mcp-bearer", "demo", "--listen", "127.0.0.1:0", "--format", "json",
                   "--also-issuer", name]  # fmt: skip
        with process(command, work / "issuer-demo.log") as server:
            steps = Steps(bin_dir / "mcp-bearer", issuer, server.line["url"])
            for step in (steps.every_algorithm, steps.wrong_tokens, steps.the_program_agrees,
                         steps.rotation, steps.withdrawal, steps.changed_tokens):  # fmt: skip
                step()
                print(f"ok: {step.__doc__}")


class Steps:
    """What must hold, in order. A step that fails ends the run."""

    def __init__(self, program: Path, issuer: "Process", url: str) -> None:
        self.program, self.issuer, self.url = program, issuer, url
        self.tokens: dict[str, str] = {}

    def every_algorithm(self) -> None:
        """a token of each algorithm calls a tool"""
        for algorithm in ALGORITHMS:
            token = self.token(algorithm)
            self.check(token_header(token)["alg"] == algorithm, f"{algorithm}: {token_header(token)}")
            self.check(claims_of(token)["aud"] == self.url, f"{claims_of(token)}")
            self.calls(token, algorithm)
            self.tokens[algorithm] = token

    def wrong_tokens(self) -> None:
        """a token for another server or without the scope is refused"""
        for algorithm in ALGORITHMS:
            self.refused(401, self.token(algorithm, resource="http://127.0.0.1:9/other"))
            self.refused(403, self.token(algorithm, scope="mcp:write"))

    def the_program_agrees(self) -> None:
        """the program finds the same keys by discovery, and verifies the same tokens"""
        name = self.issuer.line["issuer"]
        rules = ["--discover", name, "--audience", self.url, "--scope", "mcp:read", "--format", "json"]
        for algorithm in ALGORITHMS:
            rules += ["--algorithm", algorithm]
        report = json.loads(run(self.program, "check", *rules))
        kids = [key["kid"] for key in report["issuers"][0]["keys"] if key["usable"]]
        self.check(kids == self.issuer.line["kids"], f"{report} has other keys than {self.issuer.line['kids']}")
        for token in self.tokens.values():
            answer = json.loads(run(self.program, "verify", *rules, token))
            self.check(answer["accepted"], f"{answer}")

    def rotation(self) -> None:
        """after a rotation the first token of each new key is let in, and the old ones still are"""
        self.issuer.tell("add")
        for algorithm in ALGORITHMS:
            token = self.token(algorithm)
            changed = token_header(token)["kid"] != token_header(self.tokens[algorithm])["kid"]
            self.check(changed, f"{algorithm} is signed with the old key still")
            self.calls(token, algorithm)
            self.calls(self.tokens[algorithm], algorithm)

    def withdrawal(self) -> None:
        """withdrawn keys are refused once the newer set is there"""
        self.issuer.tell("withdraw")
        for algorithm in ALGORITHMS:
            self.calls(self.token(algorithm), algorithm)
        for token in self.tokens.values():
            self.refused(401, token)

    def changed_tokens(self) -> None:
        """a changed token is refused"""
        # The last step: a bad signature also requests newer keys, and strangers have a small budget.
        for algorithm in ALGORITHMS:
            token = self.token(algorithm)
            head, claims, signature = token.split(".")
            other = "A" if signature[9] != "A" else "B"
            self.refused(401, f"{head}.{claims}.{signature[:9]}{other}{signature[10:]}")
            self.calls(token, algorithm)

    def token(self, algorithm: str, resource: str | None = None, scope: str = "mcp:read") -> str:
        """By the client credentials grant with a resource indicator (RFC 8707)."""
        issuer = self.issuer.line["issuer"]
        form = {"grant_type": "client_credentials", "scope": scope, "resource": resource or self.url}
        endpoint = fetch_json(f"{issuer}/.well-known/oauth-authorization-server")["token_endpoint"]
        request = urllib.request.Request(endpoint, urllib.parse.urlencode(form).encode())
        client = base64.b64encode(f"{algorithm.lower()}:loopback-check".encode()).decode()
        request.add_header("Authorization", f"Basic {client}")
        with OPENER.open(request, timeout=10) as response:
            return json.load(response)["access_token"]

    def call(self, token: str) -> tuple[int, dict]:
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                   "params": {"name": "whoami", "_meta": {
                       "io.modelcontextprotocol/protocolVersion": VERSION,
                       "io.modelcontextprotocol/clientCapabilities": {}}}}  # fmt: skip
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": VERSION,
            "Mcp-Method": "tools/call",
            "Mcp-Name": "whoami",
        }
        request = urllib.request.Request(self.url, json.dumps(message).encode(), headers)
        try:
            with OPENER.open(request, timeout=15) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or "{}")

    def calls(self, token: str, algorithm: str) -> None:
        status, answer = self.call(token)
        self.check(status == 200, f"{token_header(token)} got {status}: {answer}")
        who = json.loads(answer["result"]["content"][0]["text"])
        self.check(who["client_id"] == algorithm.lower(), f"whoami says {who}")

    def refused(self, expected: int, token: str) -> None:
        status, answer = self.call(token)
        self.check(status == expected, f"{token_header(token)} got {status}, not {expected}: {answer}")

    def check(self, good: bool, what: str) -> None:
        if not good:
            sys.exit(f"issuer: {what}")


class Process:
    """A program that prints a JSON line once it is ready, and after each command on its stdin."""

    def __init__(self, child: subprocess.Popen) -> None:
        self.child = child
        self.line = self.read()

    def tell(self, command: str) -> None:
        self.child.stdin.write(f"{command}\n")
        self.child.stdin.flush()
        self.line = self.read()

    def read(self) -> dict:
        for line in self.child.stdout:
            if line.startswith("{"):
                return json.loads(line)
        sys.exit(f"{self.child.args[0]} ended with {self.child.wait()} before it was ready")


@contextlib.contextmanager
def process(command: list, log: Path) -> Iterator[Process]:
    with log.open("w") as stderr:
        child = subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE, stderr=stderr, text=True)  # fmt: skip
    try:
        yield Process(child)
        if child.poll() is not None:
            sys.exit(f"{command[0]} ended with {child.returncode} on its own: {log}")
    finally:
        child.terminate()
        try:
            child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            child.kill()


def install(work: Path) -> Path:
    """The script is copied beside its packages, because Node resolves imports from there."""
    folder = install_npm(HERE / "issuer", work / "issuer")
    return Path(shutil.copy(HERE / "issuer" / "issuer.mjs", folder))


def token_header(token: str) -> dict:
    header = token.split(".")[0]
    return json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))


if __name__ == "__main__":
    main()
