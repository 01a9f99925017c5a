"""Bearer authentication for any ASGI app: Starlette, FastAPI, an MCP server.

FastMCP and the official SDK have their own answers to refused requests. Behind this middleware
the answers are those of the specifications instead: RFC 6750 challenges with ``scope`` and
``resource_metadata``, 503 for a token that keys could save while they cannot be fetched. No request
passes by default, whatever the provider or a subclass of it does, and the peer never learns which
check failed.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Literal, TypeAlias

import anyio

from mcp_bearer import _log, _metadata, _native, _fastmcp_arguments
from mcp_bearer._anonymous_scope import without_caller
from mcp_bearer._operations_guard import OperationsGuard
from mcp_bearer._provider import BUILT_IN, BearerAuthProvider
from mcp_bearer._rejection import Rejection
from mcp_bearer.operations import OperationRules

__all__ = ["BearerAuthMiddleware", "Cors"]

Headers: TypeAlias = list[tuple[bytes, bytes]]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


class Cors:
    """CORS rules for an MCP endpoint: which web pages may call it from a browser.

    The methods and headers are those of the MCP transports. Credentials such as cookies are never allowed: a page sends its
    token in ``Authorization``.

    Args:
        origins: such as ``["https://app.example.com"]``, compared byte for byte as browsers send them.

    Raises:
        ValueError: for an origin that no browser sends, such as one with a path, and for a list without any.
    """

    def __init__(self, origins: Sequence[str]) -> None:
        self._native = _native.Preflight.answer([origins] if isinstance(origins, str) else list(origins))

    @classmethod
    def any_origin(cls) -> Cors:
        """Pages of any origin. A page without a token still gets nothing."""
        cors = cls.__new__(cls)
        cors._native = _native.Preflight.answer(None)
        return cors


class BearerAuthMiddleware:
    """Accepts requests with a good token that holds the required scopes.

    The handler finds the token's contents as ``request.state.access_token`` (``scope["state"]["access_token"]``).

    Args:
        app: the app behind it.
        provider: what verifies tokens. If a subclass overrides `verify_token` or `load_access_token`, `verify_token` is
            called, and the log then gives no reason.
        required_scopes: instead of the provider's; ``[]`` for none.
        resource: the public URL of this app, for its RFC 9728 document.
        authorization_servers: where clients get a token; by default the provider's. With ``resource`` the document is
            served, to anyone, and challenges name it.
        resource_name: what this app is called there, for people.
        resource_documentation: the URL of its documentation there.
        preflight: how a CORS preflight is handled, which carries no token: an ``OPTIONS`` request with one ``Origin``,
            one ``Access-Control-Request-Method`` that names a method, no ``Authorization``, no `token_header` and no
            body. ``"pass_on"``: the app gets it, with ``Host``, ``Origin`` and ``Access-Control-Request-*`` and no
            other header, and must only answer CORS. A `Cors`: this middleware answers it, and puts the
            rules on every other answer. ``"refuse"``: it is judged like any request.
        operations: what single tools, prompts and resources need; then the app behind must be an MCP server, because every
            request is judged as one. With this or one of the next four, sessions are bound to their users.
        session_keys: the keys that bind sessions, each of at least 32 random bytes; the first one signs, all of them verify.
            Replicas share them. By default each process has its own.
        session_keys_file: the same keys in a file, one per line.
        token_header: the header that holds the token instead of ``Authorization``: the assertion of a proxy in front.
        require_body_hash: accepts a token only with the body that it was signed for (claim ``body_sha256``): for servers behind
            ``mcp-bearer gateway``, or another proxy that signs a token for each request.

    Raises:
        ValueError: if a scope, the resource, the servers, the origins, a key or the header is invalid, and for ``operations``
            with a provider whose methods a subclass overrides.
    """

    def __init__(
        self,
        app: App,
        provider: BearerAuthProvider,
        *,
        required_scopes: Sequence[str] | None = None,
        resource: str | None = None,
        authorization_servers: str | Sequence[str] | None = None,
        resource_name: str | None = None,
        resource_documentation: str | None = None,
        preflight: Literal["pass_on", "refuse"] | Cors = "pass_on",
        operations: OperationRules | None = None,
        session_keys: Sequence[bytes | str] | bytes | str | None = None,
        session_keys_file: str | os.PathLike[str] | None = None,
        token_header: str | None = None,
        require_body_hash: bool = False,
    ) -> None:
        for name, text in {"resource_name": resource_name, "resource_documentation": resource_documentation}.items():
            if text is not None and not text.strip():
                raise ValueError(f"{name}: set to nothing; leave it out if it is not intended")
        self.app = app
        self.provider = provider
        self._preflight = _preflight_choice(preflight)
        self._answers_cors = isinstance(preflight, Cors)
        self._own_scopes = _fastmcp_arguments.scope_list(required_scopes)
        self._path: str | None = None
        self._url: str | None = None
        self._document = ""
        if resource is not None:
            own = provider.authorization_servers if authorization_servers is None else authorization_servers
            servers = _metadata.servers(own)
            self._path, self._url, self._document = _native.protected_resource_metadata(
                resource,
                servers,
                provider.get_challenge_scopes(self._published_scopes(operations)),
                resource_name,
                resource_documentation,
                insecure_allow_http=bool(provider.insecure_allow_http),
            )
        self._guard: OperationsGuard | None = None
        if type(require_body_hash) is not bool:
            raise TypeError(f"require_body_hash: must be True or False, not {require_body_hash!r}")
        if require_body_hash or (operations, session_keys, session_keys_file, token_header) != (None, None, None, None):
            named = None if resource is None else (resource, servers)
            self._guard = OperationsGuard(
                provider, operations, session_keys, session_keys_file, token_header, require_body_hash, named
            )
            self._refuse_overrides()
            self._guard.layer(self._required_scopes())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http" and self._is_metadata(scope):
            await self._metadata(scope, send)
        elif scope["type"] == "http" and await self._preflighted(scope, receive, send):
            return
        elif self._guard is not None:
            await self._guarded(self._guard, scope, receive, self._with_cors(scope, send))
        else:
            send = self._with_cors(scope, send)
            access = await self._access_or_rejection(scope)
            if isinstance(access, Rejection):
                await self._deny(scope, send, access)
                return
            scope.setdefault("state", {})["access_token"] = access
            await self.app(scope, receive, send)

    async def _preflighted(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Whether it was a CORS preflight, which is then finished."""
        headers = _headers(scope)
        # Looks for a body only where that decides.
        if self._preflight.judge(scope["method"], headers, True) is None:
            return False
        if self._guard is not None and self._guard.has_credential(headers):
            return False
        verdict = self._preflight.judge(scope["method"], headers, await _has_no_body(headers, receive))
        if verdict is None:
            return False
        status, said = verdict
        if status is not None:
            await _answer(send, status, said, b"")
        else:
            await self.app({**without_caller(scope), "headers": said}, _bodyless(receive), send)
        return True

    def _with_cors(self, scope: Scope, send: Send) -> Send:
        """Puts CORS headers on every answer: a script could not read a challenge otherwise."""
        if not self._answers_cors or scope["type"] != "http":
            return send

        async def with_cors(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": self._preflight.on_answer(_headers(scope), _headers(message))}
            await send(message)

        return with_cors

    async def _guarded(self, guard: OperationsGuard, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._refuse_overrides()
            required = self._required_scopes()
            guard.layer(required)
        except Exception:
            _log.write(logging.ERROR, "request denied: its token could not be verified", exc_info=True)
            await self._deny(scope, send, Rejection(_native.Rejection.unusable("verification failed")))
            return
        if scope["type"] == "http":
            await guard.serve(self.app, scope, receive, send, required)
        else:  # messages sent over it cannot be judged
            await send({"type": "websocket.close", "code": 1008})

    def _refuse_overrides(self) -> None:
        """The rules would not know what Python decides about a token."""
        names = ("verify_token", "load_access_token", "verify_token_or_raise")
        if any(self._overrides(name) for name in names) or self.provider._has_hook():
            raise ValueError("rules for operations need a provider whose methods are not overridden")

    async def _access_or_rejection(self, scope: Scope) -> Any:
        try:
            return await self._access(scope)
        except Rejection as rejection:
            level = logging.WARNING if rejection._native.is_service_fault else logging.INFO
            _log.write(level, "request denied: %s: %s", rejection.kind, rejection)
            return rejection
        except Exception:
            _log.write(logging.ERROR, "request denied: its token could not be verified", exc_info=True)
            return Rejection(_native.Rejection.unusable("verification failed"))

    async def _access(self, scope: Scope) -> Any:
        values = [value for name, value in scope.get("headers", []) if name.lower() == b"authorization"]
        token = _native.bearer_token(values)
        if isinstance(token, _native.Rejection):
            raise Rejection(token)
        access = await self._verified(token)
        lacking = _native.Rejection.insufficient_scope(self._required_scopes(), access.scopes)
        if lacking is not None:
            raise Rejection(lacking)
        return access

    async def _verified(self, token: str) -> Any:
        if self._overrides("verify_token") or self._overrides("load_access_token"):
            access = await self.provider.verify_token(token)
            if access is None:
                detail = f"{type(self.provider).__name__} refuses the token"
                raise Rejection(_native.Rejection.malformed(), kind="claim_not_allowed", detail=detail)
            if not self._overrides("verify_token_or_raise"):
                return access
        return await self.provider.verify_token_or_raise(token)

    def _overrides(self, name: str) -> bool:
        method = getattr(self.provider, name)
        return getattr(method, "__func__", None) is not BUILT_IN[name]

    async def _deny(self, scope: Scope, send: Send, rejection: Rejection) -> None:
        try:
            required = self._required_scopes()
            status, challenge, retry_after, body = rejection.challenge(required, self._url, self.provider)
        except Exception:  # invalid scopes or settings
            status, challenge, retry_after, body = rejection.challenge([], self._url)
        headers = [
            (b"content-length", str(len(body.encode())).encode()),
            (b"cache-control", b"no-store"),
            (b"access-control-expose-headers", b"WWW-Authenticate"),
        ]
        if body:
            headers.append((b"content-type", b"application/json"))
        if challenge is not None:
            headers.append((b"www-authenticate", challenge.encode("latin-1")))
        if retry_after is not None:
            headers.append((b"retry-after", str(retry_after).encode()))
        if scope["type"] == "websocket":
            # Closing before accepting is answered with 403: every server understands only that.
            await send({"type": "websocket.close", "code": 1008})
            return
        await _answer(send, status, headers, body.encode())

    def _required_scopes(self) -> list[str]:
        return list((self.provider.required_scopes if self._own_scopes is None else self._own_scopes) or [])

    def _published_scopes(self, operations: OperationRules | None) -> list[str]:
        scopes = self._required_scopes()
        if operations is not None:
            scopes += [scope for scope in operations._native.scopes_to_publish if scope not in scopes]
        return scopes

    def _is_metadata(self, scope: Scope) -> bool:
        asked = self._path is not None and _metadata.is_asked_for(self._path, scope)
        return asked and scope["method"] in ("GET", "HEAD", "OPTIONS")

    async def _metadata(self, scope: Scope, send: Send) -> None:
        body = b"" if scope["method"] == "OPTIONS" else self._document.encode()
        headers = [(name.encode(), value.encode()) for name, value in _metadata.HEADERS.items()]
        headers.append((b"content-length", str(len(body)).encode()))
        await _answer(send, 200, headers, b"" if scope["method"] == "HEAD" else body)


async def _answer(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _preflight_choice(choice: object) -> _native.Preflight:
    if isinstance(choice, Cors):
        return choice._native
    if choice == "pass_on":
        return _native.Preflight.pass_on()
    if choice == "refuse":
        return _native.Preflight.refuse()
    raise ValueError('preflight: must be "pass_on", "refuse" or Cors([...])')


def _headers(message: MutableMapping[str, Any]) -> Headers:
    return [(bytes(name), bytes(value)) for name, value in message.get("headers", [])]


async def _has_no_body(headers: Headers, receive: Receive) -> bool:
    """Whether a request has no body. Waits no longer than for the body of a caller without a token.

    A body may come without a header that announces it, as HTTP/2 allows. Then the first message decides: it ends a body
    that is empty.
    """
    if any(_announces_body(name.lower(), value) for name, value in headers):
        return False
    message: MutableMapping[str, Any] = {"type": "late"}
    with anyio.move_on_after(_native.BODY_SECONDS[1]):
        message = await receive()
    return message["type"] == "http.request" and not message.get("body") and not message.get("more_body", False)


def _announces_body(name: bytes, value: bytes) -> bool:
    return name == b"transfer-encoding" or (name == b"content-length" and value.strip() != b"0")


def _bodyless(receive: Receive) -> Receive:
    """The empty body, which was already received, and then what follows it."""
    given = False

    async def bodyless() -> MutableMapping[str, Any]:
        nonlocal given
        if not given:
            given = True
            return {"type": "http.request", "body": b"", "more_body": False}
        while (message := await receive())["type"] == "http.request":
            pass
        return message

    return bodyless
