"""External authorization: what a check costs `mcp-bearer authz`, and Envoy with it beside Envoy's own `jwt_authn`.

Envoy and the service share one core, so that requests per second compare all that a decision costs;
`wrk` and the upstream have the other core. The service answers from its cache of verified tokens, and
`jwt_authn` has no cache. The bars for a check were set on a machine on which a bare AWS-LC check of
RS256 takes 12.2 us. Each round measures that check too, and the ratio to it is compared.
"""

import contextlib
import os
import statistics
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import contenders
from contenders import CORE, ENVOY_KIND, Running, envoy_cluster
from measure import Load, median_with_bounds

DEPLOY = Path(__file__).resolve().parents[2] / "deploy" / "envoy"
REFERENCE_US = 12.2
"""The bare check on the machine for which the bars were set."""
BARS_US = {"grpc": 25.0, "http": 20.0}
LEAST = 0.9
"""Of the requests per second of `jwt_authn`."""

# A machine that is busy otherwise would need more than the 200 ms.
PATIENCE = "5s"


@dataclass
class Asked:
    """One run of `wrk` through Envoy with the service behind it, or through Envoy alone."""

    envoy_us: float
    service_us: float
    """CPU time of each process per request."""
    per_second: float
    p99_us: int

    @property
    def cpu_us(self) -> float:
        return self.envoy_us + self.service_us

    def columns(self) -> list[str]:
        return [f"{self.envoy_us:.3f}", f"{self.service_us:.3f}", f"{self.per_second:.0f}", str(self.p99_us)]


@dataclass
class Contender:
    name: str
    envoy: Running
    service: Running | None

    def run(self, load: Load) -> Asked:
        counted = [self.envoy, *([self.service] if self.service else [])]
        cpu_us, per_second, p99_us = load.run_counting(self.envoy.url, counted)
        return Asked(cpu_us[0], cpu_us[1] if self.service else 0.0, per_second, p99_us)


def run(program: Path, bare_check: Path, envoy: Path, work: Path, load: Load, rounds: int, note: Callable[[str], None]) -> bool:
    """Whether all bars hold."""
    with contextlib.ExitStack() as stack:
        up = stack.enter_context(contenders.upstream(work, work))
        upstream_port = int(up.url.split(":")[2].split("/")[0])
        service = stack.enter_context(authz(work, program))
        port = int(service.url.split(":")[2].split("/")[0])
        jwt = contenders.envoy_with("envoy-jwt", work, envoy, upstream_port, contenders.jwt_filters(work, cache=False))
        all_of_them = [
            Contender("grpc", stack.enter_context(asking("grpc", work, envoy, upstream_port, port)), service),
            Contender("http", stack.enter_context(asking("http", work, envoy, upstream_port, port)), service),
            Contender("shipped grpc", stack.enter_context(shipped("grpc", work, envoy, upstream_port, port)), service),
            Contender("shipped http", stack.enter_context(shipped("http", work, envoy, upstream_port, port)), service),
            Contender("jwt_authn", stack.enter_context(jwt), None),
        ]
        for contender in all_of_them:
            contender.run(load)
        note("# authz: round, us of a bare check, then for each of these CPU us per request of Envoy and of the service, "
             f"requests per second, p99 us; load of the machine: {', '.join(one.name for one in all_of_them)}")  # fmt: skip
        bare, seen = [], {one.name: [] for one in all_of_them}
        for number in range(rounds):
            bare.append(bare_us(bare_check))
            for contender in all_of_them if number % 2 == 0 else reversed(all_of_them):
                seen[contender.name].append(contender.run(load))
            columns = [column for one in seen.values() for column in one[-1].columns()]
            note("\t".join(["authz", str(number), f"{bare[-1]:.3f}", *columns, f"{os.getloadavg()[0]:.1f}"]))
    return all([*(check_holds(form, seen[form], bare) for form in BARS_US), serves_enough(seen)])


def check_holds(form: str, runs: list[Asked], bare: list[float]) -> bool:
    ratios = [one.service_us / us for one, us in zip(runs, bare, strict=True)]
    middle, low, high = median_with_bounds(ratios)
    bar = BARS_US[form] / REFERENCE_US
    print(f"a check over {form}: {statistics.median(one.service_us for one in runs):.1f} us of mcp-bearer, bare check {statistics.median(bare):.1f} us, "
          f"ratio {middle:.3f} ({low:.3f} to {high:.3f}), bar {BARS_US[form]:g} us / {REFERENCE_US} us = {bar:.3f}: {verdict(high <= bar)}")  # fmt: skip
    return high <= bar


def serves_enough(seen: dict[str, list[Asked]]) -> bool:
    """The bar is for gRPC and the same checks; the other rows are for information."""
    own = seen["jwt_authn"]
    holds = False
    for name in seen:
        if name == "jwt_authn":
            continue
        ratios = [one.per_second / other.per_second for one, other in zip(seen[name], own, strict=True)]
        middle, low, high = median_with_bounds(ratios)
        by_cpu = statistics.median(other.cpu_us / one.cpu_us for one, other in zip(seen[name], own, strict=True))
        bar = f", bar {LEAST}: {verdict(low >= LEAST)}" if name == "grpc" else ""
        holds |= name == "grpc" and low >= LEAST
        print(f"Envoy asking over {name}: {statistics.median(one.per_second for one in seen[name]):,.0f}/s, with jwt_authn {statistics.median(one.per_second for one in own):,.0f}/s, "
              f"ratio {middle:.3f} ({low:.3f} to {high:.3f}), by CPU time {by_cpu:.3f}{bar}; "
              f"CPU per request: Envoy {statistics.median(one.envoy_us for one in seen[name]):.1f} us and the service {statistics.median(one.service_us for one in seen[name]):.1f} us, "
              f"jwt_authn {statistics.median(one.envoy_us for one in own):.1f} us")  # fmt: skip
    return holds


def verdict(holds: bool) -> str:
    return "holds" if holds else "MISSED"


def bare_us(program: Path) -> float:
    output = subprocess.run(["taskset", "-c", str(CORE), program], stdout=subprocess.PIPE, text=True, check=True).stdout
    return int(output) / 1000


def authz(work: Path, program: Path) -> contextlib.AbstractContextManager[Running]:
    """With its metrics, as it is run."""
    port, health = contenders.free_port(), contenders.free_port()
    path = work / "authz.toml"
    path.write_text(f"""
listen = "127.0.0.1:{port}"
resource = "{contenders.AUDIENCE}"
token_cache = true
[[issuer]]
issuer = "{contenders.ISSUER}"
public_key_file = "{work}/keys/public.pem"
algorithms = ["RS256"]
required_scopes = ["{contenders.SCOPE}"]
[health]
listen = "127.0.0.1:{health}"
[authz]
proxy_timeout = "{PATIENCE}"
""")
    return contenders.process("authz", [program, "authz", "--config", path], port, work)


def asking(form: str, work: Path, envoy: Path, upstream_port: int, port: int) -> contextlib.AbstractContextManager[Running]:
    """Envoy that does what it does with `jwt_authn`, and no more: no body is sent."""
    cluster = envoy_cluster("authz", port)
    config = {"@type": f"{ENVOY_KIND}filters.http.ext_authz.v3.ExtAuthz", "transport_api_version": "V3"}
    if form == "grpc":
        options = f"{ENVOY_KIND}upstreams.http.v3.HttpProtocolOptions"
        cluster["typed_extension_protocol_options"] = {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": options, "explicit_http_config": {"http2_protocol_options": {}}}}  # fmt: skip
        config["encode_raw_headers"] = True
        config["grpc_service"] = {"envoy_grpc": {"cluster_name": "authz"}, "timeout": PATIENCE}
    else:
        config["http_service"] = {
            "server_uri": {"uri": f"http://127.0.0.1:{port}", "cluster": "authz", "timeout": PATIENCE},
            "path_prefix": "/envoy",
            "authorization_response": {"allowed_upstream_headers": {"patterns": [{"prefix": "x-auth-"}]}},
        }
    filters = [{"name": "envoy.filters.http.ext_authz", "typed_config": config}]
    removed = ["authorization"] if form == "http" else []
    return contenders.envoy_with(f"envoy-{form}", work, envoy, upstream_port, filters, [cluster], removed)


def shipped(form: str, work: Path, envoy: Path, upstream_port: int, service_port: int) -> contextlib.AbstractContextManager[Running]:
    """Envoy with the file of deploy/: it sends the body, removes forged headers and probes the service."""
    port = contenders.free_port()
    text = (DEPLOY / f"ext_authz_{form}.yaml").read_text()
    for old, new in {8000: port, 9000: upstream_port, 9191: service_port, 9192: service_port}.items():
        text = text.replace(f"port_value: {old}}}", f"port_value: {new}}}")
    text = text.replace("timeout: 0.2s", f"timeout: {PATIENCE}").replace("max_interval: 0.1s", "max_interval: 2s")
    return contenders.envoy_of(f"envoy-shipped-{form}", work, envoy, port, text, "yaml")
