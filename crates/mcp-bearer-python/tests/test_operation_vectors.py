"""The cases under `vectors/operations/`, through the middleware."""

import json
from pathlib import Path

import pytest
from conftest import AUDIENCE, ISSUER
from operations import LIST, Server, ask, token_of

from mcp_bearer import BearerAuthProvider
from mcp_bearer.asgi import BearerAuthMiddleware
from mcp_bearer.operations import OperationRule, OperationRules

VECTORS = Path(__file__).parents[3] / "vectors" / "operations"


def files(kind):
    return [pytest.param(json.loads(path.read_text()), id=path.stem) for path in sorted((VECTORS / kind).glob("*.json"))]


def rules_of(written):
    return OperationRules(
        [OperationRule(**rule) for rule in written.get("rules", [])],
        unmatched=written.get("unmatched"),
        tasks="bound_by_server" if written.get("tasks_are_bound") else "refuse",
        hidden_answer="challenge" if written.get("hidden_is_challenged") else "not_found",
        anonymous_sees="all" if written.get("anonymous_sees_all") else "allowed",
    )


def bytes_of(written):
    return written["text"].encode() if "text" in written else bytes.fromhex(written["hex"])


def guarded(pair, server, rules, caller):
    provider = BearerAuthProvider(
        pair.public_key,
        issuer=ISSUER,
        audience=AUDIENCE,
        required_scopes=caller.get("required", "").split(),
        scope_implies=caller.get("implies") or None,
    )
    return BearerAuthMiddleware(server, provider, operations=rules)


@pytest.mark.parametrize("file", files("requests"))
def test_requests(file, pair):
    rules = rules_of(file["rules"])
    opens = any(rule.get("anonymous") for rule in file["rules"].get("rules", []))
    tokens = {}
    for case in file["cases"]:
        caller, expected = case["caller"], case["expect"]
        scopes = caller.get("scopes")
        if scopes is not None and scopes not in tokens:
            tokens[scopes] = token_of(pair, scopes)
        token = tokens.get(scopes)
        server = Server(headers=[(b"mcp-session-id", b"s")])
        app = guarded(pair, server, rules, caller)
        headers = [
            (name, value.encode("latin-1"))
            for name, key in ((b"mcp-protocol-version", "protocol_version"), (b"mcp-method", "method"), (b"mcp-name", "name"))
            for value in case.get("headers", {}).get(key, [])
        ]
        if caller.get("in_bound_session"):
            begun = ask(app, b"", token, "GET")
            headers.append((b"mcp-session-id", begun.headers["mcp-session-id"].encode()))
            server.bodies.clear()
        body = bytes_of(case["body"])
        answer = ask(app, body, token, headers=headers, size=5)
        label = f"{case['name']}: {answer.status} {answer.headers} {answer.body!r}"
        allowed = expected == "allowed" and (scopes is not None or opens)
        assert server.bodies == ([body] if allowed else []), label
        if scopes is None and not opens:
            assert answer.status == 401, label
        elif allowed:
            assert answer.status == 200, label
        elif "needs_token" in expected:
            assert answer.status == 401, label
        elif "needs_scopes" in expected:
            challenge = expected["needs_scopes"]["challenge"]
            assert answer.status == 403, label
            assert f'scope="{challenge}"' in answer.headers["www-authenticate"], label
        else:
            (wanted,) = expected.values()
            error = json.loads(answer.body)
            error = error[0] if isinstance(error, list) else error
            assert (answer.status, error["error"]["code"]) == (wanted["status"], wanted["code"]), label
            assert ("id" in error) == ("id" in wanted), label
            assert json.loads(wanted.get("id", "null")) == error.get("id"), label


@pytest.mark.parametrize("file", files("lists"))
def test_lists(file, pair):
    rules = rules_of(file["rules"])
    for case in file["cases"]:
        scopes = case["caller"].get("scopes")
        written = bytes_of(case["input"])
        events = case["format"] == "events"
        # The limit is the layer's own, and so are the tags of ids. Callers without a token only POST.
        if "limit" in case or case.get("ids_are_tagged") or scopes is None or (events and b"id:" in written):
            continue
        kind = b"text/event-stream" if events else b"application/json"
        pieces = [written[start : start + 11] for start in range(0, len(written), 11)] or [b""]
        server = Server(*pieces, kind=kind, headers=[(b"content-length", str(len(written)).encode())])
        app = guarded(pair, server, rules, {})
        method, body = ("POST", LIST) if case.get("list_was_asked_for") else ("GET", b"")
        answer = ask(app, body, token_of(pair, scopes), method)
        label = f"{case['name']}: {answer.status} {answer.body!r}"
        expected = case["expect"]
        if expected == "unchanged":
            assert answer.body == written, label
        elif "changed" in expected:
            assert answer.body == bytes_of(expected["changed"]), label
        else:
            assert answer.status == 502, label
        if "content-length" in answer.headers:
            assert int(answer.headers["content-length"]) == len(answer.body), label
