"""`BearerAuthProvider`: FastMCP's class, with a verifier in Rust behind it.

Nothing a token holds may make `verify_token` raise, and an attribute that is assigned counts from the next token on:
the old verifier goes with its cache.
"""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Sequence
from typing import Any, NoReturn, TypeAlias

import anyio
import anyio.to_thread

from mcp_bearer import _fastmcp, _log, _metadata, _native, _settings
from mcp_bearer._fastmcp import AccessToken
from mcp_bearer._fetch import Fetch, asker
from mcp_bearer._rejection import Rejection


class _Cell:
    """The place of one policy's verifier. Replaced, never emptied: who builds for an old policy fills an old cell."""

    __slots__ = ("__weakref__", "building", "built")

    built: _Built | None
    """Assigned at once, so that no thread sees a verifier with the lists of another."""

    def __init__(self) -> None:
        self.built = None
        self.building = threading.RLock()
        _cells.add(self)

    def renew_in_child(self) -> None:
        """A lock that another thread held at the moment of the fork would be held for ever."""
        self.building = threading.RLock()


_Built: TypeAlias = tuple[_native.Verifier, list[tuple[list[str], Any]]]
"""A verifier, and the lists of the caller's that may change, each with what it held."""

_cells: weakref.WeakSet[_Cell] = weakref.WeakSet()


class BearerAuthProvider(_fastmcp.Base):
    """Verifies the bearer tokens of a hosted MCP server: JWTs that a control plane signed.

    Takes part in no OAuth flow. It can be used from several threads and event loops at once, and after a `fork`.

    Args:
        public_key: a PEM public key or certificate; with an HS* algorithm, the shared secret.
        jwks_uri: where the issuer publishes its keys. Exactly one of the two must be given.
        issuer: what ``iss`` must be, or a list of such values. Not checked when absent.
        audience: what ``aud`` must contain, or a list of which one suffices. Not checked when absent: then a token
            that was made for another server is accepted here.
        required_scopes: asked for by the HTTP layer, which answers 403.
        algorithm: what tokens are signed with, or a list.
        base_url: the public URL of this server, for its RFC 9728 document.
        authorization_servers: where clients get a token; FastMCP 2.11 and later then serve the RFC 9728 document.
        leeway: seconds by which clocks may differ, at most 300.
        require_expiry: whether a token without ``exp`` is refused.
        token_cache: whether tokens that were verified are kept for some minutes; times are checked every time.
        ssrf_safe: connects to public addresses only, for a ``jwks_uri`` that somebody else names.
        fetch: ``async def fetch(url: str) -> bytes``, which gives the JWKS. It is awaited on an event loop of its own,
            so it must not use objects of another; its answer counts for one hour.
        insecure_allow_http: allows a ``jwks_uri`` with http beyond loopback. Whoever stands between can mint tokens.

    Raises:
        ValueError: when the arguments contradict each other. Keys that cannot verify anything are no reason: then an
            error is logged and every token is refused.
        TypeError: when an algorithm stands in the place of the audience.
    """

    public_key: str | bytes | None
    jwks_uri: str | None
    issuer: str | list[str] | None
    audience: str | list[str] | None
    algorithm: str | list[str]
    authorization_servers: list[str] | None
    leeway: float
    require_expiry: bool
    token_cache: bool
    ssrf_safe: bool
    fetch: Fetch | None
    insecure_allow_http: bool

    _now: float | None = None
    """A fixed time, for tests."""

    _cell: _Cell

    def __init__(
        self,
        public_key: str | bytes | None = None,
        jwks_uri: str | None = None,
        issuer: str | list[str] | None = None,
        audience: str | list[str] | None = None,
        required_scopes: Sequence[str] | None = None,
        *,
        algorithm: str | list[str] | None = "RS256",
        base_url: Any = None,
        authorization_servers: Sequence[Any] | None = None,
        leeway: float = 60,
        require_expiry: bool = True,
        token_cache: bool = True,
        ssrf_safe: bool = False,
        fetch: Fetch | None = None,
        insecure_allow_http: bool = False,
    ) -> None:
        if authorization_servers and base_url is None:
            raise ValueError("authorization_servers needs base_url: the RFC 9728 document names this server")
        if ssrf_safe and fetch is not None:
            raise ValueError("fetch cannot be used with ssrf_safe=True: the guard belongs to the built-in client")
        scopes = _settings.scope_list(required_scopes)
        _fastmcp.initialize(self, issuer, base_url, scopes)
        self.public_key = public_key
        self.jwks_uri = jwks_uri
        self.issuer = issuer
        self.audience = audience
        self.algorithm = algorithm or "RS256"
        self.authorization_servers = [str(server) for server in authorization_servers or []] or None
        self.leeway = leeway
        self.require_expiry = require_expiry
        self.token_cache = token_cache
        self.ssrf_safe = ssrf_safe
        self.fetch = fetch
        self.insecure_allow_http = insecure_allow_http
        self._verifier()

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "required_scopes":
            value = _settings.scope_list(value)
        super().__setattr__(name, value)
        if name in _POLICY:
            self.__dict__["_cell"] = _Cell()

    # --- Verification ---

    async def verify_token(self, token: str) -> AccessToken | None:
        """The token's contents; ``None`` when it is refused, and then the reason is in the log."""
        try:
            return await self.load_access_token(token)
        except RecursionError:  # the caller left no room to look at the token
            return None

    async def load_access_token(self, token: str) -> AccessToken | None:
        """What `verify_token` asks. A subclass that overrides it is asked instead."""
        try:
            try:
                return await self._verified(token)
            except Rejection as rejection:
                level = logging.WARNING if rejection._native.is_service_fault else logging.INFO
                _log.write(level, "bearer token rejected: %s: %s", rejection.kind, rejection)
            except Exception:
                _log.write(logging.ERROR, "bearer token rejected: it could not be verified", exc_info=True)
        except RecursionError:  # nor to say so
            pass
        return None

    async def verify_token_or_raise(self, token: str) -> AccessToken:
        """As `verify_token`, for callers that want the reason.

        Raises:
            Rejection: when the token is refused.
        """
        return await self._verified(token)

    async def _verified(self, token: str) -> AccessToken:
        try:
            verifier = self._verifier()
        except Exception as error:
            raise Rejection(_native.Rejection.unusable(f"the provider's settings cannot work: {error}")) from error
        if not isinstance(token, str):
            raise Rejection(_native.Rejection.malformed(), detail=f"the token is {type(token).__name__}, not str")
        outcome = verifier.verify(token)
        if type(outcome) is not dict:
            outcome = await _settled(outcome)
            if isinstance(outcome, _native.Rejection):
                raise Rejection(outcome)
        return self._access_token(outcome)

    def _access_token(self, fields: dict[str, Any]) -> AccessToken:
        if type(self)._extract_scopes is BearerAuthProvider._extract_scopes:
            return AccessToken(**fields)
        try:
            fields["scopes"] = self._extract_scopes(fields["claims"])
            return AccessToken(**fields)
        except Exception as error:
            _log.write(logging.WARNING, "_extract_scopes cannot read the claims of a token", exc_info=True)
            detail = f"_extract_scopes cannot read the claims: {type(error).__name__}"
            raise Rejection(_native.Rejection.malformed(), kind="invalid_claim", detail=detail) from error

    def _extract_scopes(self, claims: dict[str, Any]) -> list[str]:
        """The scopes in these claims: ``scope``, else ``scp``. A subclass may read others."""
        for name in ("scope", "scp"):
            if name in claims:
                value = claims[name]
                return value.split() if isinstance(value, str) else list(value)
        return []

    # --- The verifier behind the attributes ---

    def _verifier(self) -> _native.Verifier:
        while True:
            cell = self._cell
            verifier, lists = cell.built or self._build(cell)
            for live, held in lists:
                if live != held:
                    break
            else:
                return verifier
            self.__dict__["_cell"] = _Cell()

    def _build(self, cell: _Cell) -> _Built:
        with cell.building:
            if cell.built is not None:
                return cell.built
            # What is compared later must be what the verifier is built from, whatever another thread does to the lists.
            live = (self.issuer, self.audience, self.algorithm)
            held = [list(value) if isinstance(value, list) else value for value in live]
            verifier = _native.Verifier(self._settings(*held), self._wants_claims())
            lists = [(value, copy) for value, copy in zip(live, held, strict=True) if isinstance(value, list)]
            built = cell.built = verifier, lists
        if verifier.problem is not None:
            _log.write(logging.ERROR, "%s refuses every token: %s", type(self).__name__, verifier.problem)
        return built

    def _settings(self, issuer: Any, audience: Any, algorithm: Any) -> _settings.Settings:
        _settings.refuse_algorithm_as_audience(audience)
        algorithms = _settings.names(algorithm) or []
        return _settings.Settings(
            **_settings.keys(self.public_key, self.jwks_uri, algorithms),
            issuers=_settings.names(issuer),
            audiences=_settings.names(audience),
            algorithms=algorithms,
            leeway=self.leeway,
            require_expiry=self.require_expiry,
            token_cache=self.token_cache,
            ssrf_safe=self.ssrf_safe,
            insecure_allow_http=self.insecure_allow_http,
            fetch=asker(self.fetch) if self.fetch is not None else None,
            now=self._now,
        )

    def _wants_claims(self) -> bool:
        return _fastmcp.HAS_CLAIMS or type(self)._extract_scopes is not BearerAuthProvider._extract_scopes

    # --- Routes ---

    def get_routes(self, *args: Any, **options: Any) -> list[Any]:
        """The RFC 9728 document of this server, when its authorization servers are known. FastMCP mounts it."""
        inherited = getattr(super(), "get_routes", None)
        routes: list[Any] = list(inherited(*args, **options)) if inherited else []
        path = args[0] if args else options.get("mcp_path")
        if self.authorization_servers and self.base_url is not None:
            resource = _metadata.resource(str(self.base_url), path)
            routes.append(_metadata.route(resource, self.authorization_servers, list(self.required_scopes or [])))
        return routes

    # --- What the reference does not support either ---

    async def get_client(self, client_id: str) -> NoReturn:
        raise NotImplementedError("Client management not supported")

    async def register_client(self, client_info: Any) -> NoReturn:
        raise NotImplementedError("Client registration not supported")

    async def authorize(self, client: Any, params: Any) -> NoReturn:
        raise NotImplementedError("Authorization flow not supported")

    async def load_authorization_code(self, client: Any, authorization_code: str) -> NoReturn:
        raise NotImplementedError("Authorization code flow not supported")

    async def exchange_authorization_code(self, client: Any, authorization_code: Any) -> NoReturn:
        raise NotImplementedError("Authorization code exchange not supported")

    async def load_refresh_token(self, client: Any, refresh_token: str) -> NoReturn:
        raise NotImplementedError("Refresh token flow not supported")

    async def exchange_refresh_token(self, client: Any, refresh_token: Any, scopes: list[str]) -> NoReturn:
        raise NotImplementedError("Refresh token exchange not supported")

    async def revoke_token(self, token: Any) -> NoReturn:
        raise NotImplementedError("Token revocation not supported")


_POLICY = frozenset({"public_key", "jwks_uri", "issuer", "audience", "algorithm", "leeway", "require_expiry", "token_cache",
                     "ssrf_safe", "fetch", "insecure_allow_http", "_now"})  # fmt: skip


async def _settled(
    outcome: dict[str, Any] | _native.Rejection | _native.Pending,
) -> dict[str, Any] | _native.Rejection:
    """Waits for newer keys, at most 5 s, in a thread that no other work of the program queues for."""
    while isinstance(outcome, _native.Pending):
        outcome = await anyio.to_thread.run_sync(
            outcome.wait, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1)
        )
    return outcome


def _renew_all_in_child() -> None:
    for cell in list(_cells):
        cell.renew_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all_in_child)
