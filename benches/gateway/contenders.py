"""What is measured: the gateway, Envoy, HAProxy and nginx, each a process on one core.

All check the same: the signature (RS256), `iss`, `aud`, `exp` and one scope. All remove the token, and
set four headers from its claims and `X-Forwarded-For`. None writes an access log.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ISSUER = "https://idp.example.com/"
AUDIENCE = "https://mcp.example.com/mcp"
SCOPE = "mcp:read"
CORE, OTHER_CORE = 0, 1
"""The contender has the first; the upstream and the load have the second."""

HEADERS = {"sub": "X-Auth-Subject", "client_id": "X-Auth-Client-Id", "scope": "X-Auth-Scopes", "iss": "X-Auth-Issuer"}


@dataclass
class Running:
    """A process that accepts connections."""

    name: str
    pid: int
    url: str


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def process(name: str, command: list, port: int, work: Path, core: int = CORE) -> Iterator[Running]:
    """Runs until the context ends. Its log is in `work`."""
    words = ["taskset", "-c", str(core), *map(str, command)]
    with (work / f"{name}.log").open("w") as log:
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        wait_for(port, child, name)
        yield Running(name, child.pid, f"http://127.0.0.1:{port}/mcp")
    finally:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def wait_for(port: int, child: subprocess.Popen, name: str) -> None:
    for _ in range(200):
        if child.poll() is not None:
            sys.exit(f"{name} ended with {child.returncode}; see its log")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    sys.exit(f"{name} does not accept connections")


NGINX = """
daemon off; master_process off; worker_processes 1; error_log stderr error; pid {work}/{name}.pid;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; client_body_temp_path {work}/body; proxy_temp_path {work}/proxy;
  fastcgi_temp_path {work}/f; uwsgi_temp_path {work}/u; scgi_temp_path {work}/s;
  {inner}
}}
"""


def nginx(name: str, inner: str, port: int, work: Path, core: int) -> contextlib.AbstractContextManager[Running]:
    path = work / f"{name}.conf"
    path.write_text(NGINX.format(work=work, name=name, inner=inner))
    return process(name, ["nginx", "-e", "stderr", "-c", path], port, work, core)


def upstream(work: Path, root: Path) -> contextlib.AbstractContextManager[Running]:
    """Answers `ok`, or the file `big` below /big."""
    port = free_port()
    inner = f"""sendfile on; server {{ listen 127.0.0.1:{port};
      location = /big {{ root {root}; default_type application/octet-stream; }}
      location / {{ default_type application/json; return 200 "ok\\n"; }} }}"""
    return nginx("upstream", inner, port, work, OTHER_CORE)


def nginx_proxy(work: Path, target: str) -> contextlib.AbstractContextManager[Running]:
    """A plain proxy, with the settings for streams that its documentation recommends."""
    port = free_port()
    inner = f"""server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass {target};
      proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }} }}"""
    return nginx("nginx-proxy", inner, port, work, CORE)


def gateway(name: str, work: Path, command: list, upstream_url: str, rules: str = "", *, cache: bool) -> contextlib.AbstractContextManager[Running]:
    """`command` is the program. With `rules`, everything else is refused."""
    port = free_port()
    path = work / f"{name}.toml"
    path.write_text(f"""
listen = "127.0.0.1:{port}"
resource = "{AUDIENCE}"
allowed_hosts = ["127.0.0.1:{port}"]
upstream = "{upstream_url}"
token_cache = {str(cache).lower()}
{'unmatched = "deny"' if rules else ""}
[[issuer]]
issuer = "{ISSUER}"
public_key_file = "{work}/keys/public.pem"
algorithms = ["RS256"]
required_scopes = ["{SCOPE}"]
[limits]
per_peer = "off"
denials_per_peer = "off"
streams_per_caller = 2000
{rules}""")
    return process(name, [*command, "--config", path], port, work)


def haproxy(work: Path, upstream_port: int) -> contextlib.AbstractContextManager[Running]:
    """Claims by ACLs. Without `alg_ok` it would accept HS256 with the file's path as the secret."""
    port = free_port()
    path = work / "haproxy.cfg"
    headers = "\n".join(f"  http-request set-header {header} %[var(txn.{claim})]" for claim, header in HEADERS.items())
    claims = "\n".join(f"  http-request set-var(txn.{claim}) var(txn.t),jwt_payload_query('$.{claim}')" for claim in (*HEADERS, "aud"))
    path.write_text(f"""
global
  nbthread 1
  maxconn 4000
defaults
  mode http
  option http-keep-alive
  option forwardfor
  http-reuse always
  timeout connect 2s
  timeout client 30s
  timeout server 30s
frontend jwt
  bind 127.0.0.1:{port}
  http-request set-var(txn.t) http_auth_bearer
  http-request set-var(txn.alg) var(txn.t),jwt_header_query('$.alg')
{claims}
  http-request set-var(txn.exp) var(txn.t),jwt_payload_query('$.exp','int')
  http-request set-var(txn.now) date()
  acl alg_ok var(txn.alg) -m str RS256
  acl iss_ok var(txn.iss) -m str {ISSUER}
  acl aud_ok var(txn.aud) -m str {AUDIENCE}
  acl has_exp var(txn.exp) -m found
  acl expired var(txn.exp),sub(txn.now) -m int lt 0
  acl scope_ok var(txn.scope) -m reg (^|\\ ){SCOPE}(\\ |$)
  acl sig_ok var(txn.t),jwt_verify(txn.alg,"{work}/keys/public.pem") -m int 1
  http-request return status 401 content-type application/json string '{{}}' unless alg_ok iss_ok aud_ok has_exp !expired sig_ok
  http-request return status 403 content-type application/json string '{{}}' unless scope_ok
{headers}
  http-request del-header authorization
  default_backend up
backend up
  server s1 127.0.0.1:{upstream_port} maxconn 1000
""")
    return process("haproxy", ["haproxy", "-f", path, "-db"], port, work)


ENVOY_KIND = "type.googleapis.com/envoy.extensions."


def envoy(name: str, work: Path, program: Path, upstream_port: int, *, cache: bool) -> contextlib.AbstractContextManager[Running]:
    """`jwt_authn`, and `rbac` for the scope."""
    return envoy_with(name, work, program, upstream_port, jwt_filters(work, cache=cache))


def envoy_with(
    name: str, work: Path, program: Path, upstream_port: int, filters: list, clusters: list = (), removed: list[str] = ()
) -> contextlib.AbstractContextManager[Running]:
    """With these filters, with these clusters beside the upstream, and without these request headers."""
    port = free_port()
    config = envoy_config(port, [*filters, ROUTER], [envoy_cluster("up", upstream_port), *clusters], list(removed))
    return envoy_of(name, work, program, port, json.dumps(config, indent=1), "json")


def envoy_of(name: str, work: Path, program: Path, port: int, text: str, form: str) -> contextlib.AbstractContextManager[Running]:
    """With this configuration (`json` or `yaml`)."""
    path = work / f"{name}.{form}"
    path.write_text(text)
    command = [program, "-c", path, "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
    return process(name, command, port, work)


ROUTER = {
    "name": "envoy.filters.http.router",
    "typed_config": {"@type": f"{ENVOY_KIND}filters.http.router.v3.Router"},
}


def jwt_filters(work: Path, *, cache: bool) -> list:
    provider = {
        "issuer": ISSUER,
        "audiences": [AUDIENCE],
        "require_expiration": True,
        "local_jwks": {"inline_string": (work / "keys" / "jwks.json").read_text()},
        "payload_in_metadata": "p",
        "normalize_payload_in_metadata": {"space_delimited_claims": ["scope"]},
        "claim_to_headers": [
            {"header_name": header.lower(), "claim_name": claim} for claim, header in HEADERS.items()
        ],
    }
    if cache:
        provider["jwt_cache_config"] = {"jwt_cache_size": 10000}
    scope = {
        "metadata": {
            "filter": "envoy.filters.http.jwt_authn",
            "path": [{"key": "p"}, {"key": "scope"}],
            "value": {"list_match": {"one_of": {"string_match": {"exact": SCOPE}}}},
        }
    }
    return [
        {
            "name": "envoy.filters.http.jwt_authn",
            "typed_config": {
                "@type": f"{ENVOY_KIND}filters.http.jwt_authn.v3.JwtAuthentication",
                "providers": {"p": provider},
                "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "p"}}],
            },
        },
        {
            "name": "envoy.filters.http.rbac",
            "typed_config": {
                "@type": f"{ENVOY_KIND}filters.http.rbac.v3.RBAC",
                "rules": {"policies": {"scope": {"permissions": [{"any": True}], "principals": [scope]}}},
            },
        },
    ]


def envoy_config(port: int, filters: list, clusters: list, removed: list[str]) -> dict:
    route = {"match": {"prefix": "/"}, "route": {"cluster": "up", "timeout": "0s"}}
    if removed:
        route["request_headers_to_remove"] = removed
    manager = {
        "@type": f"{ENVOY_KIND}filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "x",
        "generate_request_id": False,
        "use_remote_address": True,
        "http_filters": filters,
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [route],
                }
            ]
        },
    }
    address = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return {
        "static_resources": {
            "listeners": [
                {
                    "address": address,
                    "filter_chains": [
                        {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
                    ],
                }
            ],
            "clusters": clusters,
        }
    }


def envoy_cluster(name: str, port: int) -> dict:
    target = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": "2s",
        "circuit_breakers": {"thresholds": [{"max_connections": 4096, "max_requests": 4096}]},
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": target}}]}],
        },
    }


def make_token(program: Path, work: Path) -> str:
    """About as long as the tokens of identity providers, with its keys in `work/keys`."""
    subprocess.run([program, "keygen", "--force", "--out", work / "keys"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    (work / "keys" / "public.pem").chmod(0o644)
    command = [program, "token", "--private-key", work / "keys" / "private.pem", "--issuer", ISSUER, "--audience", AUDIENCE,
               "--subject", "auth0|64b1f0c2a7e9d3f4b5a6c7d8", "--scope", SCOPE, "--scope", "mcp:write", "--scope", "offline_access",
               "--expires-in", "24h", "--claim", 'client_id="s6BhdRkqt3ZvYw8xNf2mQp7L"', "--claim", 'azp="s6BhdRkqt3ZvYw8xNf2mQp7L"',
               "--claim", 'jti="1f7c3a52-7e0a-4a55-9d55-0c8f5f3e9b11"']  # fmt: skip
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=dict(os.environ)).stdout.strip()
