"""What each proxy lets pass, and the answer that a client gets otherwise. The challenges are written here once."""

import json
from collections.abc import Iterator

from proxy_programs import Proxy
from proxy_requests import PING, differs, post, send
from proxy_stage import ORIGIN, RESOURCE, Stage

METADATA = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp"
METADATA_PATH = "/.well-known/oauth-protected-resource/mcp"
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


def decisions(proxy: Proxy, stage: Stage) -> Iterator[str]:
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


def forged(proxy: Proxy, stage: Stage) -> Iterator[str]:
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


def rules(proxy: Proxy, stage: Stage) -> Iterator[str]:
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
