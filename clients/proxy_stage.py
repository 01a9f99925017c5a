"""An issuer, a server, and what is started between them: `mcp-bearer authz` and a proxy, with the files of deploy/."""

import contextlib
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from drive import HERE, run
from gateway_process import free_port
from proxy_programs import Proxy
from proxy_requests import is_open, send, within

DEPLOY = HERE.parent / "deploy"
RESOURCE = "https://mcp.example.com/mcp"
ORIGIN = "https://app.example.com"


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
