"""Starts the demo server and drives it with the rmcp, Python and TypeScript clients.

The clients only report the answers. The expectations are written here once, as text, and compared whole: the challenges
are a promise to clients, so they are not computed by the code under test. A client that did not run is never "ok".

Usage: drive.py --bin-dir target/debug --work-dir target/clients
"""

import argparse
import base64
import contextlib
import enum
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NoReturn

HERE = Path(__file__).resolve().parent
CLIENT_SECONDS = 120
INSTALL_SECONDS = 600

ADMIN_TOOL, ADMIN_SCOPE = "delete_all", "mcp:admin"
"""The tool with its own scope."""

INVALID = "The token is not valid here"
TOO_FEW = "The token lacks a required permission"


def main() -> None:
    options = parse_arguments(__doc__)
    work = options.work_dir.resolve()
    work.mkdir(parents=True, exist_ok=True)
    program = options.bin_dir.resolve() / "mcp-bearer"
    beside_any_proxy()
    keys = work / "keys"
    shutil.rmtree(keys, ignore_errors=True)
    run(program, "keygen", "--out", keys)

    clients: dict[str, Callable[[], list]] = {
        "rmcp": lambda: [options.bin_dir.resolve() / "examples" / "rmcp_client"],
        "python": lambda: install_python(work),
        "typescript": lambda: install_typescript(work),
    }
    log = work / "demo.log"
    with demo_server(program, keys, log) as demo:
        metadata = fetch_json(demo["metadata_url"])
        expected = expectations(demo, metadata)
        work_list = make_cases(program, keys, demo, metadata)
        cases = work / "cases.json"
        cases.write_text(json.dumps(work_list))
        outcomes = {name: drive(name, start, cases, expected) for name, start in clients.items()}
    outcomes["log"] = search_log(log, [case["token"] for case in work_list["cases"]])
    report(outcomes)


class Outcome(enum.Enum):
    """The result of one client; in CI only OK passes."""

    OK = enum.auto()
    SKIPPED = enum.auto()
    FAILED = enum.auto()


def report(outcomes: dict[str, tuple[Outcome, str]]) -> NoReturn:
    """Prints the result of each client, and ends the program with the matching exit code."""
    for name, (outcome, detail) in outcomes.items():
        print(f"{name:12} {outcome.name} ({detail})")
    passes = {Outcome.OK} if os.environ.get("CI") == "true" else {Outcome.OK, Outcome.SKIPPED}
    sys.exit(0 if {outcome for outcome, _ in outcomes.values()} <= passes else 1)


def beside_any_proxy() -> None:
    """For the clients too: every request here goes to loopback."""
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1"]))


def parse_arguments(about: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--bin-dir", type=Path, required=True, help="holds mcp-bearer")
    parser.add_argument("--work-dir", type=Path, required=True, help="keys and client packages")
    return parser.parse_args()


@contextlib.contextmanager
def demo_server(program: Path, keys: Path, log: Path) -> Iterator[dict]:
    """The demo on a free port, signing with the keys at hand so that any token can be made.

    All it can log goes to `log`, which is then searched for what must not be there.
    """
    command = [program, "demo", "--listen", "127.0.0.1:0", "--format", "json",
               "--private-key", keys / "private.pem"]  # fmt: skip
    with listening(command, log, {**os.environ, "MCP_BEARER_LOG": "trace"}) as demo:
        assert set(demo) == {"url", "metadata_url", "token", "expires_at"}, sorted(demo)
        yield demo


@contextlib.contextmanager
def listening(command: list, log: Path, environment: Mapping[str, str]) -> Iterator[dict]:
    """A server that prints a line of JSON once it accepts connections. It ends with the context."""
    with log.open("w") as stderr:
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=stderr, env=environment, text=True)  # fmt: skip
    name = Path(command[0]).name
    try:
        line = server.stdout.readline()
        if not line:
            sys.exit(f"{name} ended with {server.wait()} before it said where it listens: {log}")
        yield json.loads(line)
        assert server.poll() is None, f"{name} ended with {server.returncode} on its own"
    finally:
        server.terminate()
        try:
            server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            server.kill()


def make_cases(program: Path, keys: Path, demo: dict, metadata: dict) -> dict:
    claims = claims_of(demo["token"])

    def token(*options: str) -> str:
        return run(program, "token", "--private-key", keys / "private.pem",
                   "--issuer", metadata["authorization_servers"][0],
                   "--audience", metadata["resource"], *options).strip()  # fmt: skip

    return {
        "url": demo["url"],
        "cases": [
            {"name": "good", "token": demo["token"]},
            {"name": "none", "token": None},
            {"name": "expired", "token": token("--scope", claims["scope"], "--expires-in=-1h")},
            {"name": "limited", "token": token("--scope", "some:other", "--subject", "bob")},
            {"name": "tool", "token": demo["token"], "tool": ADMIN_TOOL},
            {"name": "admin", "token": token("--scope", claims["scope"], "--scope", ADMIN_SCOPE), "tool": ADMIN_TOOL},
        ],
    }


def expectations(demo: dict, metadata: dict) -> dict[str, dict]:
    """The answer that each case must get. The parameters' order and every phrase are promised."""
    assert metadata["resource"] == demo["url"], metadata
    scope = claims_of(demo["token"])["scope"]
    assert metadata["scopes_supported"] == [*scope.split(), ADMIN_SCOPE], metadata
    both = f'scope="{scope} {ADMIN_SCOPE}", resource_metadata="{demo["metadata_url"]}"'
    shared = f'scope="{scope}", resource_metadata="{demo["metadata_url"]}"'
    return {
        "good": {"subject": claims_of(demo["token"])["sub"]},
        "none": {"refusal": [401, f"Bearer {shared}"]},
        "expired": {
            "refusal": [401, f'Bearer error="invalid_token", {shared}, error_description="{INVALID}"']
        },
        "limited": {
            "refusal": [
                403,
                f'Bearer error="insufficient_scope", {shared}, error_description="{TOO_FEW}"',
            ]
        },
        # Connected and allowed to call other tools; only this call lacks a scope.
        "tool": {
            "refusal": [
                403,
                f'Bearer error="insufficient_scope", {both}, error_description="{TOO_FEW}"',
            ]
        },
        "admin": {"answer": {"deleted": 0}},
    }


def drive(name: str, start: Callable[[], list], cases: Path, expected: dict) -> tuple[Outcome, str]:
    """Installs and runs one client, and prints the result in one line."""
    try:
        command = start()
    except (OSError, subprocess.SubprocessError) as error:
        print(f"!!! SKIPPED: the {name} client cannot be installed: {error}", file=sys.stderr)
        return Outcome.SKIPPED, "its package cannot be installed"
    started = time.monotonic()
    try:
        output = run(*command, cases, timeout=CLIENT_SECONDS)
    except subprocess.SubprocessError as error:
        return Outcome.FAILED, str(error)
    observed = [json.loads(line) for line in output.splitlines()]
    faults = [fault for seen in observed for fault in judge(seen, expected[seen["case"]])]
    missing = set(expected) - {seen["case"] for seen in observed}
    faults += [f"case {case} was not run" for case in sorted(missing)]
    for fault in faults:
        print(f"{name}: {fault}", file=sys.stderr)
    if faults:
        return Outcome.FAILED, f"{len(faults)} faults"
    return Outcome.OK, f"{len(observed)} cases, {time.monotonic() - started:.1f} s"


def judge(seen: dict, expected: dict) -> Iterator[str]:
    where = f"{seen['case']} ({seen['mode']})"
    if "answer" in expected:
        if "error" in seen or json.loads(seen["answer"]) != expected["answer"]:
            yield f"{where}: was not answered {expected['answer']}: {seen}"
        return
    if "subject" in expected:
        if "error" in seen:
            yield f"{where}: {seen['error']}"
            return
        if json.loads(seen["whoami"]).get("subject") != expected["subject"]:
            yield f"{where}: whoami does not name {expected['subject']!r}: {seen['whoami']}"
        if json.loads(seen["sum"]) != {"sum": 5}:
            yield f"{where}: 2 + 3 is not 5: {seen['sum']}"
        return
    if not seen["refusals"]:
        yield f"{where}: was not refused: {seen}"
    for refusal in seen["refusals"]:
        if refusal != expected["refusal"]:
            yield f"{where}: was refused with\n    {refusal}\n  not\n    {expected['refusal']}"
    # If the SDK has an error with a status, its own result must agree.
    if seen["error_status"] not in (None, expected["refusal"][0]):
        yield f"{where}: the client's error says {seen['error_status']}"


def search_log(log: Path, tokens: list[str | None]) -> tuple[Outcome, str]:
    """No part of a token's claims or signature may be logged, at any level."""
    text = log.read_text()
    for number, token in enumerate(tokens):
        for segment in token.split(".")[1:] if token else []:
            if segment in text:
                return Outcome.FAILED, f"holds a segment of token {number}: {log}"
    if "request denied" not in text:
        return Outcome.FAILED, f"has no denial, so it is not the log that it should be: {log}"
    return Outcome.OK, f"{len(text.splitlines())} lines at TRACE without a segment of a token"


def install_python(work: Path, program: str = "client.py") -> list:
    environment = work / "python"
    python = environment / "bin" / "python"
    requirements = HERE / "python" / "requirements.txt"
    stamp = environment / "requirements.txt"
    if not stamp.is_file() or stamp.read_text() != requirements.read_text():
        run(sys.executable, "-m", "venv", "--clear", environment, timeout=INSTALL_SECONDS)
        run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
            "--require-hashes", "--only-binary", ":all:", "-r", requirements, timeout=INSTALL_SECONDS)  # fmt: skip
        shutil.copy(requirements, stamp)
    return [python, HERE / "python" / program]


def install_typescript(work: Path, program: str = "client.mjs") -> list:
    """The sources are copied beside the packages, because Node resolves imports from there."""
    folder = install_npm(HERE / "typescript", work / "typescript")
    return ["node", shutil.copy(HERE / "typescript" / program, folder)]


def install_npm(source: Path, folder: Path) -> Path:
    """What `source` has locked, and nothing else. No package runs an install script."""
    folder.mkdir(exist_ok=True)
    stamp, lock = folder / "installed.json", source / "package-lock.json"
    if not stamp.is_file() or stamp.read_text() != lock.read_text():
        shutil.rmtree(folder)
        folder.mkdir()
        for file in (source / "package.json", lock):
            shutil.copy(file, folder)
        run("npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--silent",
            cwd=folder, timeout=INSTALL_SECONDS)  # fmt: skip
        shutil.copy(lock, stamp)
    return folder


def run(*command: object, **options: object) -> str:
    words = [str(word) for word in command]
    return subprocess.run(
        words, check=True, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, **options
    ).stdout


def fetch_json(url: str) -> dict:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # it is on loopback
    with opener.open(url, timeout=10) as response:
        return json.load(response)


def claims_of(token: str) -> dict:
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


if __name__ == "__main__":
    main()
