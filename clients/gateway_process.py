"""Starts gateways on loopback, and signs the tokens that they accept."""

import contextlib
import json
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from drive import run

ISSUER = "https://idp.example.com/"
SCOPE = "mcp:read"
GIVEN: set[int] = set()
"""The ports that `free_port` gave."""


class Issuing:
    """A key pair, and the tokens that it signs."""

    def __init__(self, program: Path, keys: Path, *, make: bool = True) -> None:
        self.program, self.keys = program, keys
        if make:
            shutil.rmtree(keys, ignore_errors=True)
            run(program, "keygen", "--out", keys, stderr=subprocess.DEVNULL)

    def token(self, resource: str, subject: str, *scopes: str) -> str:
        asked = [word for scope in (SCOPE, *scopes) for word in ("--scope", scope)]
        return run(self.program, "token", "--private-key", self.keys / "private.pem", "--issuer", ISSUER,
                   "--audience", resource, "--subject", subject, *asked).strip()  # fmt: skip


@dataclass
class Gateway:
    """A gateway that accepts connections."""

    issuing: Issuing
    url: str
    log: Path
    process: int

    @property
    def metadata_url(self) -> str:
        return self.url.replace("/mcp", "/.well-known/oauth-protected-resource/mcp")

    def token(self, subject: str, *scopes: str) -> str:
        return self.issuing.token(self.url, subject, *scopes)


@contextlib.contextmanager
def gateway(issuing: Issuing, upstream: str, folder: Path, *, top: str = "", hosts: list[str] | None = None, tables: str | None = None, rules: str = "") -> Iterator[Gateway]:
    """`top` are further lines of the configuration, `hosts` further hosts, `tables` replaces the issuer, `rules` are
    further tables."""
    folder.mkdir(exist_ok=True)
    port = free_port()
    url = f"http://127.0.0.1:{port}/mcp"
    if tables is None:
        tables = f'[[issuer]]\nissuer = "{ISSUER}"\npublic_key_file = "{issuing.keys}/public.pem"\nrequired_scopes = ["{SCOPE}"]\n'
    if hosts is not None:
        top += f"\nallowed_hosts = {json.dumps([f'127.0.0.1:{port}', *hosts])}"
    unmatched = 'unmatched = "allow"\n' if "[[rule]]" in rules else ""
    config = folder / "gateway.toml"
    config.write_text(f'listen = "127.0.0.1:{port}"\nresource = "{url}"\nupstream = "{upstream}"\n{unmatched}{top}\n{tables}\n{rules}')
    log = folder / "log"
    with log.open("w") as stderr:
        child = subprocess.Popen([issuing.program, "gateway", "--config", config], stdin=subprocess.DEVNULL,
                                 stderr=stderr, env={**os.environ, "NO_COLOR": "1"})  # fmt: skip
    try:
        wait_for(port, child)
        yield Gateway(issuing, url, log, child.pid)
        if child.poll() is not None:
            sys.exit(f"a gateway ended with {child.returncode} on its own: {log}")
    finally:
        child.terminate()
        try:
            child.wait(timeout=10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def free_port() -> int:
    """A port that nobody listens on, and that this process was not given before.

    It lies below those that Linux takes for outgoing connections: one of them could take the port
    before the program that it is meant for listens on it.
    """
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as listener, contextlib.suppress(OSError):
            listener.bind(("127.0.0.1", port))
            if port not in GIVEN:
                GIVEN.add(port)
                return port


def wait_for(port: int, child: subprocess.Popen) -> None:
    for _ in range(300):
        if child.poll() is not None:
            sys.exit(f"{child.args} ended with {child.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.1)
    sys.exit(f"{child.args} does not accept connections")
