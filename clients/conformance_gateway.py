"""Runs the official conformance suite of MCP against the open server behind the gateway.

The gateway has the rules of the layer in `conformance.py`. Each scenario must have the results that it has
without anything in front, and as many as `conformance/expected.json` has.

Usage: conformance_gateway.py --bin-dir target/debug --work-dir target/clients
"""

import json
import os
import shutil
import subprocess
import sys

from conformance import check_guarded, install, load_expected
from drive import beside_any_proxy, listening, parse_arguments
from gateway_process import Issuing, free_port, gateway

RULES = """
[[rule]]
method = "tools/call"
scopes = ["tools"]
[[rule]]
method = "resources/*"
scopes = ["resources"]
[[rule]]
method = "prompts/get"
scopes = ["prompts"]
[[rule]]
method = "tools/call"
name = "hidden_*"
scopes = ["nobody"]
hide = true
[[rule]]
method = "resources/read"
name = "hidden:*"
scopes = ["nobody"]
hide = true
[[rule]]
method = "prompts/get"
name = "hidden_*"
scopes = ["nobody"]
hide = true
"""


def main() -> None:
    options = parse_arguments(__doc__)
    bin_dir, work = options.bin_dir.resolve(), options.work_dir.resolve() / "conformance-gateway"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    beside_any_proxy()
    try:
        suite = install(work.parent)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"!!! SKIPPED: the conformance suite cannot be installed: {error}", file=sys.stderr)
        sys.exit(1 if os.environ.get("CI") == "true" else 0)
    # The suite names the proxy that adds the token, in `Host` and `Origin`.
    port = free_port()
    os.environ["ADD_TOKEN_PORT"] = str(port)
    hosts = [f"127.0.0.1:{port}", f"localhost:{port}"]
    # The server has no tasks, and scenarios compare its own answers about them.
    top = f'tasks = "bound_by_server"\nallowed_origins = {json.dumps([f"http://{host}" for host in hosts])}'
    issuing = Issuing(bin_dir / "mcp-bearer", work / "keys")
    server = [bin_dir / "examples" / "conformance_server"]
    with (
        listening(server, work / "server.log", os.environ) as line,
        gateway(issuing, line["open"], work / "gateway", top=top, hosts=hosts, rules=RULES) as running,
    ):
        token = running.token("conformance", "tools", "resources", "prompts")
        faults = list(check_guarded(suite, running.url, token, load_expected(), work))
    for fault in faults:
        print(f"conformance behind the gateway: {fault}", file=sys.stderr)
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
