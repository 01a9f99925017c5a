"""`BearerAuthProvider`: FastMCP's class, with a verifier in Rust behind it.

Nothing a token holds may make `verify_token` raise. An attribute counts as it is when the token comes, assigned, changed
in place or computed by a subclass: the old verifier goes with its cache.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any, NoReturn, TypeVar

import anyio
import anyio.to_thread

from mcp_bearer import _arguments, _fastmcp, _log, _metadata, _native, _settings
from mcp_bearer._cell import POLICY, Cell, snapshot
from mcp_bearer._fastmcp import AccessToken
from mcp_bearer._fetch import Fetch
from mcp_bearer._rejection import Rejection

# anyio imports it when first used: a child of a `fork` in the middle of that would wait for the import for ever.
with contextlib.suppress(ImportError):
    importlib.import_module("anyio._backends._asyncio")

_T = TypeVar("_T")


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
        insecure_allow_http: allows a ``jwks_uri`` with http beyond loopback. Whoever stands between can mint tokens. It
            allows ``authorization_servers`` with http, too.

    Raises:
        ValueError: when the arguments contradict each other. Keys that cannot verify anything are no reason: then an
            error is logged and every token is refused.
        TypeError: when an algorithm stands in the place of the audience, and when an issuer, audience or algorithm is
            neither a string nor a list of strings. An argument that only FastMCP's own class has raises it, too, and the
            error names what takes its place here.
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

    _now: float | None
    """A fixed time, for tests."""

    _cell: Cell

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
        authorization_servers: str | Sequence[Any] | None = None,
        leeway: float = 60,
        require_expiry: bool = True,
        token_cache: bool = True,
        ssrf_safe: bool = False,
        fetch: Fetch | None = None,
        insecure_allow_http: bool = False,
        **unknown: NoReturn,
    ) -> None:
        _arguments.refuse_unknown(type(self), unknown)
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
        self.algorithm = "RS256" if algorithm is None else algorithm
        self.authorization_servers = _metadata.servers(authorization_servers) or None
        self.leeway = leeway
        self.require_expiry = require_expiry
        self.token_cache = token_cache
        self.ssrf_safe = ssrf_safe
        self.fetch = fetch
        self.insecure_allow_http = insecure_allow_http
        self._now = None
        self._verifier()

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "required_scopes":
            value = _settings.scope_list(value)
        super().__setattr__(name, value)
        if name in POLICY:
            self.__dict__["_cell"] = Cell()

    def __delattr__(self, name: str) -> None:
        super().__delattr__(name)
        if name in POLICY:
            self.__dict__["_cell"] = Cell()

    # --- Keys ---

    async def warm_up(self) -> None:
        """Fetches the keys, so that the first token does not wait for them. Call it at startup.

        It returns at once when keys are held, and after 5 s at the latest. It never raises: when the
        keys cannot be fetched, the reason is in the log, and a later token starts another attempt.
        It does not block the event loop, and its keys serve every loop, so that
        ``asyncio.run(auth.warm_up())`` before the server starts is enough.
        """
        try:
            verifier, cell = self._verifier()
        except Exception:
            _log.write(logging.ERROR, "warm_up: the provider's settings cannot work", exc_info=True)
            return
        for source, why in await _waited(verifier.warm_up, cell):
            _log.write(logging.WARNING, "warm_up: no keys from %s: %s", source, why)

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
            verifier, cell = self._verifier()
        except Exception as error:
            raise Rejection(_native.Rejection.unusable(f"the provider's settings cannot work: {error}")) from error
        if not isinstance(token, str):
            raise Rejection(_native.Rejection.malformed(), detail=f"the token is {type(token).__name__}, not str")
        outcome = verifier.verify(token)
        if type(outcome) is not dict:
            outcome = await _settled(outcome, cell)
            if isinstance(outcome, _native.Rejection):
                raise Rejection(outcome)
        if not self._has_hook():
            return AccessToken(**outcome)
        if "claims" not in outcome:  # the hook came after the verifier
            self.__dict__["_cell"] = Cell()
            return await self._verified(token)
        return self._access_token_by_hook(outcome)

    def _access_token_by_hook(self, fields: dict[str, Any]) -> AccessToken:
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

    def _verifier(self) -> tuple[_native.Verifier, Cell]:
        cell = self._cell
        if cell.built is not None:
            verifier, watch, held = cell.built
            if watch is None or watch(self) == held:
                return verifier, cell
            cell = self.__dict__["_cell"] = Cell()
        return self._build(cell), cell

    def _build(self, cell: Cell) -> _native.Verifier:
        with cell.building:
            # What is compared later must be what the verifier is built from, whatever another thread does meanwhile.
            policy, watch, held = snapshot(self)
            if cell.built is not None and cell.built[2] == held:
                return cell.built[0]
            verifier = _native.Verifier(_settings.of(policy, cell.asker(policy["fetch"])), _fastmcp.HAS_CLAIMS or self._has_hook())
            cell.built = verifier, watch, held
        if verifier.problem is not None:
            _log.write(logging.ERROR, "%s refuses every token: %s", type(self).__name__, verifier.problem)
        return verifier

    def _has_hook(self) -> bool:
        """Whether scopes are extracted by another's function: a subclass's, the object's, or one put on this class."""
        return type(self)._extract_scopes is not _EXTRACT_SCOPES or "_extract_scopes" in self.__dict__

    # --- Routes ---

    def get_routes(self, *args: Any, **options: Any) -> list[Any]:
        """The RFC 9728 document of this server, when its authorization servers are known. FastMCP mounts it."""
        inherited = getattr(super(), "get_routes", None)
        routes: list[Any] = list(inherited(*args, **options)) if inherited else []
        path = args[0] if args else options.get("mcp_path")
        if self.authorization_servers and self.base_url is not None:
            resource = _metadata.resource(str(self.base_url), path)
            routes += _metadata.routes(resource, self, _fastmcp.metadata_beside(self.base_url))
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


BUILT_IN = MappingProxyType(dict(vars(BearerAuthProvider)))
"""The methods as they are written here, whatever is put on the class later."""

_EXTRACT_SCOPES = BUILT_IN["_extract_scopes"]


async def _settled(
    outcome: dict[str, Any] | _native.Rejection | _native.Pending, cell: Cell
) -> dict[str, Any] | _native.Rejection:
    """What comes of it with newer keys."""
    while isinstance(outcome, _native.Pending):
        outcome = await _waited(outcome.wait, cell)
    return outcome


async def _waited(wait: Callable[[], _T], cell: Cell) -> _T:
    """Waits for keys, at most 5 s, in a thread that no other work of the program queues for.

    The cell is held meanwhile: with it would go the `fetch` function, should another be assigned.
    """
    return await anyio.to_thread.run_sync(wait, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1))
