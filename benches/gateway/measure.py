"""CPU time per request of a process, in interleaved pairs, with a bound on the median ratio."""

import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from contenders import OTHER_CORE, Running

CONNECTIONS = 32
HERE = Path(__file__).resolve().parent


@dataclass
class Sample:
    """One run of `wrk`."""

    cpu_us: float
    """CPU time of the process per request."""
    per_second: float
    p99_us: int


@dataclass
class Load:
    """What `wrk` sends."""

    token: str
    seconds: float
    body_bytes: int = 0

    def run(self, target: Running) -> Sample:
        (cpu_us,), per_second, p99_us = self.run_counting(target.url, [target])
        return Sample(cpu_us, per_second, p99_us)

    def run_counting(self, url: str, counted: list[Running]) -> tuple[list[float], float, int]:
        """CPU time per request of each of these processes, requests per second, and p99."""
        command = ["taskset", "-c", str(OTHER_CORE), "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{self.seconds:g}s", "--latency",
                   "-s", HERE / "request.lua", url]  # fmt: skip
        environment = {**os.environ, "TOKEN": self.token, "BODY_BYTES": str(self.body_bytes)}
        before = [cpu_ns(one.pid) for one in counted]
        output = subprocess.run(list(map(str, command)), env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
        used = [cpu_ns(one.pid) - ns for one, ns in zip(counted, before, strict=True)]
        seen = json.loads(output.splitlines()[-1])
        if seen["failed"] or not seen["requests"]:
            sys.exit(f"{', '.join(one.name for one in counted)}: {seen}")
        cpu_us = [ns / 1000 / seen["requests"] for ns in used]
        return cpu_us, seen["requests"] * 1e6 / seen["microseconds"], seen["p99"]


def cpu_ns(pid: int) -> int:
    """Of all its threads, also of those that have ended, as the scheduler counts it (`clock_getcpuclockid`)."""
    return time.clock_gettime_ns((~pid << 3) | 2)


def memory_kib(pid: int, name: str = "VmRSS") -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


@dataclass
class Bar:
    """Two contenders and the largest ratio of their CPU times (first over second)."""

    name: str
    first: Running
    second: Running
    loads: tuple[Load, Load]
    limit: float | None
    """None if the ratio is only for information."""


@dataclass
class Outcome:
    bar: Bar
    pairs: list[tuple[Sample, Sample]]

    @property
    def ratios(self) -> list[float]:
        return [first.cpu_us / second.cpu_us for first, second in self.pairs]

    def median(self) -> tuple[float, float, float]:
        """The median ratio with its 95 % bounds."""
        return median_with_bounds(self.ratios)

    def holds(self) -> bool:
        return self.bar.limit is None or self.median()[2] <= self.bar.limit

    def line(self) -> str:
        middle, low, high = self.median()
        cpu = [statistics.median(pair[side].cpu_us for pair in self.pairs) for side in (0, 1)]
        limit = "" if self.bar.limit is None else f", bar {self.bar.limit}: {'holds' if self.holds() else 'MISSED'}"
        return (f"{self.bar.name}: {self.bar.first.name} {cpu[0]:.1f} us ({1e6 / cpu[0]:,.0f}/s), {self.bar.second.name} {cpu[1]:.1f} us "
                f"({1e6 / cpu[1]:,.0f}/s), ratio {middle:.3f} ({low:.3f} to {high:.3f}){limit}")  # fmt: skip


def median_with_bounds(values: list[float]) -> tuple[float, float, float]:
    """The bounds are order statistics: they assume that the values are independent, and nothing about their distribution."""
    ordered, count = sorted(values), len(values)
    index = 0
    while sum(math.comb(count, k) for k in range(index + 1)) * 2 / 2**count <= 0.05:
        index += 1
    if index == 0:
        return statistics.median(ordered), -math.inf, math.inf
    return statistics.median(ordered), ordered[index - 1], ordered[count - index]


def measure(bar: Bar, number: int, note: Callable[[str], None]) -> tuple[Sample, Sample]:
    """One pair, of two processes that were started for it. The first of each pair alternates. One run of each is not counted.

    Where a process lies in memory changes its speed by a hundredth or two. More pairs of the same two processes would not
    show that, and the bounds assume that pairs are independent.
    """
    contenders = [(bar.first, bar.loads[0]), (bar.second, bar.loads[1])]
    for target, load in contenders:
        load.run(target)
    order = (0, 1) if number % 2 == 0 else (1, 0)
    samples: dict[int, Sample] = {side: contenders[side][1].run(contenders[side][0]) for side in order}
    note(f"{bar.name}\t{number}\t{order[0]}\t" + "\t".join(columns(samples[0], samples[1])))
    return samples[0], samples[1]


def columns(first: Sample, second: Sample) -> Iterator[str]:
    for sample in (first, second):
        yield from (f"{sample.cpu_us:.3f}", f"{sample.per_second:.0f}", str(sample.p99_us))
    yield f"{first.cpu_us / second.cpu_us:.4f}"
    yield f"{os.getloadavg()[0]:.1f}"
