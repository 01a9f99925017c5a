"""Checks what the gateway itself answers in front of third-party servers, which clients/gateway.py starts.

Each check returns what was seen, or raises.
"""

import contextlib
import http.server
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import Message
from pathlib import Path

from gateway_process import ISSUER, SCOPE, Gateway, Issuing, gateway

VERSION = "2025-11-25"
PAGE = "https://app.example.com"


class NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirects())  # everything is on loopback


@dataclass
class Answer:
    status: int
    headers: Message
    text: str

    def message(self) -> dict:
        """The JSON-RPC answer, from JSON or from an event stream."""
        data = [line.removeprefix("data:") for line in self.text.splitlines() if line.startswith("data:") and line[5:].strip()]
        return json.loads(data[-1] if data else self.text)


@dataclass
class Session:
    """A session of one principal, over plain HTTP."""

    url: str
    token: str | None
    more: dict[str, str] = field(default_factory=dict)
    id: str | None = None

    def send(self, method: str, message: dict | None, **more: str) -> Answer:
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream" if method == "POST" else "text/event-stream",
            "MCP-Protocol-Version": VERSION,
            **({"Authorization": f"Bearer {self.token}"} if self.token else {}),
            **({"Mcp-Session-Id": self.id} if self.id else {}),
            **self.more,
            **more,
        }
        body = None if message is None else json.dumps(message).encode()
        request = urllib.request.Request(self.url, body, headers, method=method)
        try:
            with OPENER.open(request, timeout=15) as response:
                # A stream of GET has no end.
                return Answer(response.status, response.headers, "" if method == "GET" else response.read().decode())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read().decode())

    def ask(self, method: str, params: dict | None = None) -> Answer:
        return self.send("POST", {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}})

    def call(self, tool: str) -> Answer:
        return self.ask("tools/call", {"name": tool, "arguments": {}})

    def begin(self) -> "Session":
        answer = self.ask("initialize", {"protocolVersion": VERSION, "capabilities": {}, "clientInfo": {"name": "check", "version": "1"}})
        assert answer.status == 200, f"no session: {answer.status} {answer.text}"
        self.id = answer.headers["mcp-session-id"]
        assert self.id, "the server has no sessions"
        self.send("POST", {"jsonrpc": "2.0", "method": "notifications/initialized"})
        return self

    def tools(self) -> list[str]:
        return sorted(tool["name"] for tool in self.ask("tools/list").message()["result"]["tools"])


def two_principals(issuing: Issuing, servers: dict[str, str], work: Path) -> str:
    """The session of one principal is unknown to the other, at each server with sessions."""
    for name in ("fastmcp", "sdk", "rmcp", "everything"):
        with gateway(issuing, servers[name], work / f"gateway-two-{name}") as running:
            alice = Session(running.url, running.token("alice")).begin()
            bob = Session(running.url, running.token("bob"), id=alice.id)
            refreshed = Session(running.url, running.token("alice", "mcp:other"), id=alice.id)
            assert alice.tools() == refreshed.tools() != [], f"{name}: the session does not outlive its token"
            for method in ("POST", "GET", "DELETE"):
                message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"} if method == "POST" else None
                status = bob.send(method, message).status
                assert status == 404, f"{name}: another principal's {method} got {status}"
            nobody = Session(running.url, None, id=alice.id)
            assert nobody.ask("tools/list").status == 401, f"{name}: no token"
            # The id that the server itself gave is not one of ours.
            assert alice.tools(), f"{name}: the session ended"
            ended = alice.send("DELETE", None).status
            assert ended in (200, 202, 204), f"{name}: DELETE got {ended}"
            after = alice.ask("tools/list").status
            assert after in (400, 404), f"{name}: the session goes on with {after}"
    return "POST, GET and DELETE with another's session are 404 at four servers; a refreshed token keeps it"


def hides_tools(issuing: Issuing, servers: dict[str, str], work: Path) -> str:
    """What a rule hides is in no list, in JSON or in an event stream, and cannot be called."""
    rules = '[[rule]]\nmethod = "tools/call"\nname = "{}"\nscopes = ["mcp:admin"]\nhide = true\n'
    for name, pattern, tool in (("fastmcp", "delete_*", "delete_all"), ("sdk", "ann*", "announce"), ("everything", "get-e*", "get-env")):
        with gateway(issuing, servers[name], work / f"gateway-hides-{name}", rules=rules.format(pattern)) as running:
            without = Session(running.url, running.token("alice")).begin()
            admin = Session(running.url, running.token("alice", "mcp:admin")).begin()
            shown, all_tools = without.tools(), admin.tools()
            assert set(all_tools) - set(shown) == {tool}, f"{name}: hidden: {set(all_tools) - set(shown)}"
            refused = without.call(tool)
            assert "result" not in refused.message(), f"{name}: {tool} answered {refused.text}"
            assert "result" in admin.call(tool).message(), f"{name}: {tool} is refused to its admin"
    return "a hidden tool is in no list of three servers, and is refused"


def identity_headers(issuing: Issuing, servers: dict[str, str], work: Path) -> str:
    """The server learns the caller from the gateway, whatever the client claims, and gets no token."""
    forged = {
        "X-Auth-Subject": "root", "X_Auth_Subject": "root", "x-auth_client-id": "root", "X-Auth-Scopes": "all",
        "X-Auth-Issuer": "https://evil.example.com/", "X-Forwarded-For": "192.0.2.1", "X-Real-IP": "192.0.2.1",
        "Forwarded": "for=192.0.2.1", "Connection": "close, x-auth-subject",
    }  # fmt: skip
    with gateway(issuing, servers["fastmcp"], work / "gateway-identity") as running:
        session = Session(running.url, running.token("alice"), more=forged).begin()
        got = json.loads(session.call("headers").message()["result"]["content"][0]["text"])
    expected = {"x-auth-subject": "alice", "x-auth-scopes": SCOPE, "x-auth-issuer": ISSUER, "x-forwarded-for": "127.0.0.1"}
    for name, value in expected.items():
        assert got.get(name) == value, f"{name}: {got.get(name)!r}, not {value!r}"
    for name in ("authorization", "x_auth_subject", "x-auth_client-id", "x-real-ip", "forwarded"):
        assert name not in got, f"the server got {name}: {got[name]!r}"
    assert not {"root", "192.0.2.1"} & set(got.values()), f"{got}"
    return "forged headers in every spelling do not arrive, nor does the token"


def answers_pages(issuing: Issuing, servers: dict[str, str], work: Path) -> str:
    """A page of an allowed origin gets our CORS headers and not the server's; any other is refused."""
    top = f'allowed_origins = ["{PAGE}"]'
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type,mcp-session-id"}
    with gateway(issuing, servers["everything"], work / "gateway-pages", top=top) as running:
        token = running.token("alice")
        asked = Session(running.url, None).send("OPTIONS", None, Origin=PAGE, **preflight)
        assert asked.status in (200, 204), f"the preflight got {asked.status}"
        assert asked.headers["access-control-allow-origin"] == PAGE, f"{asked.headers}"
        allowed = asked.headers["access-control-allow-headers"].lower()
        assert "authorization" in allowed and "mcp-session-id" in allowed, allowed
        page = Session(running.url, token, more={"Origin": PAGE}).begin()
        answer = page.ask("tools/list")
        assert answer.status == 200 and answer.headers.get_all("access-control-allow-origin") == [PAGE], f"{answer.status} {answer.headers}"
        exposed = answer.headers["access-control-expose-headers"].lower()
        assert "mcp-session-id" in exposed and "www-authenticate" in exposed, exposed
        refused = Session(running.url, None, more={"Origin": PAGE}).ask("tools/list")
        assert refused.status == 401 and refused.headers["access-control-allow-origin"] == PAGE, f"{refused.status} {refused.headers}"
        for origin in ("https://evil.example.com", "null", f"{PAGE}.evil.example.com"):
            status = Session(running.url, token, more={"Origin": origin}).ask("tools/list").status
            assert status == 403, f"{origin} got {status}"
        beside = Session(running.url, token).begin().ask("tools/list")
        assert "access-control-allow-origin" not in beside.headers, "the server's own CORS header passes"
        metadata = Session(running.metadata_url, None, more={"Origin": "https://evil.example.com"}).send("OPTIONS", None, **preflight)
        assert metadata.headers["access-control-allow-origin"] == "*", f"{metadata.status} {metadata.headers}"
    return "CORS headers are ours, other origins are 403, the metadata is for everybody"


def redirects_are_refused(issuing: Issuing, servers: dict[str, str], work: Path) -> str:
    """A server at `/mcp/` that redirects `/mcp`: 502, and the log names the address to configure."""
    with redirecting() as upstream, gateway(issuing, upstream, work / "gateway-redirect") as running:
        answer = Session(running.url, running.token("alice")).ask("tools/list")
        assert answer.status == 502, f"got {answer.status}"
        assert "location" not in answer.headers and "/mcp/" not in answer.text, f"{answer.headers}{answer.text}"
        log = running.log.read_text()
        assert f"{upstream}/" in log and "upstream" in log, log
    return "502, and the log names the address"


@contextlib.contextmanager
def redirecting() -> Iterator[str]:
    """Starlette's answer to a path without its slash."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(307)
            self.send_header("Location", f"http://{self.headers['Host']}{self.path}/")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/mcp"
    finally:
        server.shutdown()
        server.server_close()


ALL = [two_principals, hides_tools, identity_headers, answers_pages, redirects_are_refused]
