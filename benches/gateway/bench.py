"""The speed and the memory of the gateway, beside Envoy, HAProxy and nginx, and of external authorization; see scripts/bench-gateway.

CPU time per request and not requests per second is compared, because other processes of the machine
change the second much and the first little. Each contender has one core, `wrk` and the upstream
the other. A bar is missed when the 95 % bound of its median ratio misses.
"""

import argparse
import contextlib
import os
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import authz
import contenders
import instructions
import long_answers
from measure import Bar, Load, Outcome, Sample, measure, median_with_bounds

RULES = """
[[rule]]
method = "tools/call"
name = "echo"
scopes = ["mcp:read"]
[[rule]]
method = "tools/call"
name = "delete_*"
scopes = ["mcp:admin"]
[[rule]]
method = "resources/*"
scopes = ["mcp:read"]
"""
PARTS = ["speed", "streams", "big", "authz", "instructions"]
KIB = 1024


def main() -> None:
    options = parse_arguments()
    work = options.work_dir.resolve()
    work.mkdir(parents=True, exist_ok=True)
    raw = options.raw.open("w")

    def note(line: str) -> None:
        print(line, file=raw, flush=True)

    note(f"# scripts/bench-gateway {shlex.join(options.parts)} --rounds {options.rounds} --seconds {options.seconds}")
    note(f"# {time.strftime('%Y-%m-%d %H:%M')}, {processor()}, {os.cpu_count()} cores, Linux {platform.release()}, load {os.getloadavg()[0]:.1f}")
    note("# bar, round, which was first, then for both: CPU us per request, requests per second, p99 us; ratio, load of the machine")
    bench = Bench(options, work, note)
    held = [getattr(bench, part)() for part in options.parts]
    sys.exit(0 if all(held) else 1)


class Bench:
    """One run. Each part returns whether its bars hold."""

    def __init__(self, options: argparse.Namespace, work: Path, note) -> None:
        self.options, self.work, self.note = options, work, note
        self.token = contenders.make_token(options.program, work)
        self.command = [options.program, "gateway"]

    def speed(self) -> bool:
        outcomes = list(self.outcomes())
        return all(outcome.holds() for outcome in outcomes)

    def outcomes(self) -> Iterator[Outcome]:
        load = Load(self.token, self.options.seconds)
        big = Load(self.token, self.options.seconds, KIB)
        for name, make in self.bars().items():
            if self.options.only and name not in self.options.only:
                continue
            body = big if name.startswith("rules") else load
            pairs: list[tuple[Sample, Sample]] = []
            for number in range(self.options.rounds):
                with contextlib.ExitStack() as stack:
                    first, second, limit = make(stack)
                    bar = Bar(name, first, second, (body, body), limit)
                    pairs.append(measure(bar, number, self.note))
            outcome = Outcome(bar, pairs)
            print(outcome.line(), flush=True)
            yield outcome

    def bars(self) -> dict:
        def gateway(stack: contextlib.ExitStack, name: str, cache: bool, rules: str = "", command: list | None = None):
            up = stack.enter_context(contenders.upstream(self.work, self.work))
            return stack.enter_context(contenders.gateway(name, self.work, command or self.command, up.url, rules, cache=cache))

        def upstream_port(stack: contextlib.ExitStack) -> int:
            up = stack.enter_context(contenders.upstream(self.work, self.work))
            return int(up.url.split(":")[2].split("/")[0])

        def envoy(stack: contextlib.ExitStack, cache: bool):
            name = "envoy-cached" if cache else "envoy"
            return stack.enter_context(contenders.envoy(name, self.work, self.options.envoy, upstream_port(stack), cache=cache))

        def haproxy(stack: contextlib.ExitStack):
            return stack.enter_context(contenders.haproxy(self.work, upstream_port(stack)))

        bars = {
            "cached, to Envoy's cache": lambda stack: (gateway(stack, "gateway-cached", True), envoy(stack, True), 1.0),
            "uncached, to HAProxy": lambda stack: (gateway(stack, "gateway", False), haproxy(stack), 1.0),
            "uncached, to Envoy": lambda stack: (gateway(stack, "gateway", False), envoy(stack, False), None),
            "rules, to none": lambda stack: (
                gateway(stack, "gateway-rules", True, RULES), gateway(stack, "gateway-cached", True), 1.1),
        }  # fmt: skip
        if self.options.open_gateway:
            bars["authentication, to none"] = lambda stack: (
                gateway(stack, "gateway-cached", True, command=[self.options.open_gateway, "guarded"]),
                gateway(stack, "gateway-open", True, command=[self.options.open_gateway, "open"]),
                1.05,
            )
        return bars

    def streams(self) -> bool:
        with contextlib.ExitStack() as stack:
            up = stack.enter_context(long_answers.holder(self.work))
            target = stack.enter_context(contenders.gateway("gateway-streams", self.work, self.command, up.url, cache=True))
            return long_answers.idle_streams(target, self.token, self.options.minutes, self.note)

    def big(self) -> bool:
        """Pairs of one answer each, by wall time and by CPU time; the slower of the two counts."""
        with (self.work / "big").open("wb") as file:
            file.truncate(long_answers.BIG)
        with contextlib.ExitStack() as stack:
            up = stack.enter_context(contenders.upstream(self.work, self.work))
            target = up.url.replace("/mcp", "/big")
            ours = stack.enter_context(contenders.gateway("gateway-big", self.work, self.command, target, cache=True))
            plain = stack.enter_context(contenders.nginx_proxy(self.work, target))
            sides = [(ours, ours.url), (plain, plain.url.removesuffix("mcp"))]
            for running, url in sides:
                long_answers.big_answer(running, url, self.token)
            memory = 0
            ratios: dict[str, list[float]] = {"wall": [], "CPU": []}
            seconds: list[list[float]] = [[], []]
            for number in range(self.options.rounds):
                order = (0, 1) if number % 2 == 0 else (1, 0)
                seen = {side: long_answers.big_answer(*sides[side], self.token) for side in order}
                memory = max(memory, seen[0][2])
                ratios["wall"].append(seen[0][0] / seen[1][0])
                ratios["CPU"].append(seen[0][1] / seen[1][1])
                for side in order:
                    seconds[side].append(seen[side][0])
                self.note("1 GB\t" + "\t".join(map(str, [number, order[0], *seen[0], *seen[1]])))
        holds = True
        for kind, values in ratios.items():
            middle, low, high = median_with_bounds(values)
            holds &= high <= 2
            print(f"1 GB, {kind} time to plain nginx: ratio {middle:.3f} ({low:.3f} to {high:.3f}), bar 2: {'holds' if high <= 2 else 'MISSED'}")
        print(f"1 GB: gateway {statistics.median(seconds[0]):.2f} s, nginx {statistics.median(seconds[1]):.2f} s; gateway's highest memory {memory / 1024:.1f} MiB")
        return holds and memory < 64 * KIB

    def instructions(self) -> bool:
        return instructions.run(self.options.open_gateway, self.work, self.token, self.note)

    def authz(self) -> bool:
        options = self.options
        load = Load(self.token, options.seconds)
        return authz.run(options.program, options.bare_check, options.envoy, self.work, load, options.rounds, self.note)


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown processor")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench-gateway", description=__doc__.splitlines()[0])
    parser.add_argument("--program", type=Path, required=True, help="the optimised mcp-bearer")
    parser.add_argument("--open-gateway", type=Path, help="the bench program that can leave authentication out")
    parser.add_argument("--bare-check", type=Path, required=True, help="the bench program that times a bare signature check")
    parser.add_argument("--envoy", type=Path, required=True)
    parser.add_argument("--work-dir", type=Path, required=True)
    parser.add_argument("--raw", type=Path, required=True, help="where the raw pairs go")
    parser.add_argument("--rounds", type=int, default=11, help="pairs per bar, at least nine")
    parser.add_argument("--seconds", type=int, default=3, help="per run of wrk")
    parser.add_argument("--minutes", type=float, default=10, help="that the idle streams are watched")
    parser.add_argument("--only", action="append", help="a bar of `speed`")
    parser.add_argument("parts", nargs="*", default=PARTS, help=", ".join(PARTS))
    options = parser.parse_args()
    if set(options.parts) - set(PARTS):
        parser.error(f"parts are {', '.join(PARTS)}")
    return options


if __name__ == "__main__":
    main()
