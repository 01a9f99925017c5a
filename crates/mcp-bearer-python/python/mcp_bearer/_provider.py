"""`BearerAuthProvider`: FastMCP's class, backed by a verifier in Rust.

`verify_token` raises for no token, whatever it contains. The value of an attribute at the moment when the token arrives
counts, whether it was assigned, changed in place or computed by a subclass: the old verifier is dropped with its cache.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
from collections.abc import Callable, Sequence
from types import MappingProxyType
from typing import Any, NoReturn, TypeAlias, TypeVar

import anyio
import anyio.to_thread

from mcp_bearer import _fastmcp_arguments, _log, _metadata, _native, _releases, _unknown_arguments
from mcp_bearer._fetch_thread import Fetch
from mcp_bearer._rejection import Rejection
from mcp_bearer._releases import AccessToken, access_token
from mcp_bearer._verifier_cell import POLICY, Cell, snapshot

# anyio imports it on first use: a child of a `fork` in the middle of that would wait for the import forever.
with contextlib.suppress(ImportError):
    importlib.import_module("anyio._backends._asyncio")

_T = TypeVar("_T")
StrPath: TypeAlias = "str | os.PathLike[str]"
_Outcome: TypeAlias = "dict[str, Any] | _native.Rejection | _native.Pending"


class BearerAuthProvider(_releases.Base):
    """Verifies the bearer tokens of a hosted MCP server: JWTs that a control plane signed.

    It takes part in no OAuth flow. It can be used from several threads and event loops at once, and after a `fork`.

    Args:
        public_key: a PEM public key or certificate; with an HS* algorithm, the shared secret.
        jwks_uri: where the issuer publishes its keys.
        issuer: what ``iss`` must be, or a list of such values. If absent, it is not checked, as in FastMCP, and a WARNING is
            logged.
        audience: what ``aud`` must contain, or a list of which it must contain one. If absent, it is not checked: a
            token for another server is then accepted here, and a WARNING is logged.
        required_scopes: required by the HTTP layer, which answers 403.
        algorithm: what tokens are signed with, or a list; by default RS256, or HS256 with ``secret`` alone. With a
            secret beside public keys, those of both must be listed.
        base_url: the public URL of this server, for its RFC 9728 document.
        authorization_servers: where clients get a token; FastMCP 2.11 and later then serve the RFC 9728 document.
        leeway: seconds by which clocks may differ, at most 300.
        require_expiry: whether a token without ``exp`` is refused.
        token_cache: whether verified tokens are kept for some minutes; times are checked every time.
        ssrf_safe: connects to public addresses only, for a ``jwks_uri`` that someone else names.
        fetch: ``async def fetch(url: str) -> bytes``, which returns the JWKS. It is awaited on its own event loop,
            so it must not use objects of another; its answer is used for one hour.
        insecure_allow_http: allows a ``jwks_uri`` with http beyond loopback. Anyone on the path can then mint tokens. It
            also allows ``authorization_servers`` with http.
        public_key_file, jwks_file: a file with a PEM public key or a JWK Set, read again when it changes.
        jwks: a JWK Set in JSON.
        discover: an issuer whose metadata leads to its keys. ``iss`` must be this one unless ``issuer`` names another.
        secret, secret_file: the secret shared with the issuer, or a file that contains it: alone, or beside one source of
            public keys. HS256, HS384 and HS512 then belong to the secret, and all others to the public keys. One
            that is easily guessed causes a WARNING.
        any_issuer, any_audience: not checked on purpose: without a WARNING, and even if ``discover`` or ``resource`` is
            given.
        max_age: the largest age of a token by ``iat`` in seconds; ``iat`` is then required.
        token_type: ``"any"``, or ``"rfc9068"`` for ``at+jwt`` alone.
        also_accept_types: further ``typ`` values that are accepted like ``JWT``, for issuers with their own type.
        required_claims: claims that must be equal to a value, or to one of a list.
        required_claims_containing: claims that must contain a value, or one of a list.
        allowed_client_ids: the clients that are allowed, by ``client_id``, ``azp``, ``cid`` or ``appid``.
        scope_claims: the claims that scopes are read from; the first one present is used. By default ``scope``, ``scp``.
            A nested claim is a list of names: ``[["realm_access", "roles"]]``.
        accept_scopes_beyond_consent: uses the scopes of all these claims, not only of the first. A user's roles then count
            even if the user has not consented to them for this client.
        scope_implies: scopes with those that they include, which ``AccessToken.scopes`` then also shows.
        requested_scope_prefix: what clients put before a scope when they request it: with ``"api://ID/"`` they request
            ``api://ID/read`` to get a token that holds ``read``. Challenges and ``scopes_supported`` name that.
        requested_scopes: scopes with the one that clients must request to get each. They take precedence over the prefix.
        accept_identity_token_shape: accepts tokens with ``at_hash`` or ``c_hash``, the marks of an ID token.
        without_rsa_kernel: verifies RSA signatures with AWS-LC alone, also where the processor has AVX-512 IFMA.
        accept_tokens_issued_in_the_future: accepts tokens whose ``iat`` is in the future, for issuers whose clock is
            ahead by more than the leeway.
        ca_file: the only certificates to trust when keys are fetched.
        proxy: the proxy for https, as ``http://host:port``.
        max_freshness: the longest lifetime in seconds that an issuer may give to its keys.
        staleness_bound: how many seconds past their lifetime keys are used while the issuer cannot be reached.
        resource: the URL of this server as the audience, unless one is given.

    One source of public keys must be given, or a secret, or both. `None` means absent; any other empty value is an error.

    Raises:
        ValueError: with every problem at once. A ``public_key`` or ``jwks_uri`` that cannot verify anything is not one: then
            an error is logged and every token is refused.
        TypeError: if an algorithm is passed as the audience, and for a value of another type. Also for an argument that
            only FastMCP's own class has; the error then names its replacement here.
    """

    public_key: str | bytes | None
    jwks_uri: str | None
    issuer: str | list[str] | None
    audience: str | list[str] | None
    algorithm: str | list[str] | None
    authorization_servers: list[str] | None
    leeway: float
    require_expiry: bool
    token_cache: bool
    ssrf_safe: bool
    fetch: Fetch | None
    insecure_allow_http: bool
    public_key_file: StrPath | None
    jwks: str | None
    jwks_file: StrPath | None
    discover: str | None
    secret: str | bytes | None
    secret_file: StrPath | None
    any_issuer: bool
    any_audience: bool
    max_age: float | None
    token_type: str | None
    also_accept_types: str | list[str] | None
    required_claims: dict[str, Any] | str | None
    required_claims_containing: dict[str, Any] | str | None
    allowed_client_ids: str | list[str] | None
    scope_claims: str | Sequence[str | Sequence[str]] | None
    accept_scopes_beyond_consent: bool
    scope_implies: dict[str, str | list[str]] | str | None
    requested_scope_prefix: str | None
    requested_scopes: dict[str, str] | str | None
    accept_identity_token_shape: bool
    without_rsa_kernel: bool
    accept_tokens_issued_in_the_future: bool
    ca_file: StrPath | None
    proxy: str | None
    max_freshness: float | None
    staleness_bound: float | None
    resource: str | None

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
        algorithm: str | list[str] | None = None,
        base_url: Any = None,
        authorization_servers: str | Sequence[Any] | None = None,
        leeway: float = 60,
        require_expiry: bool = True,
        token_cache: bool = True,
        ssrf_safe: bool = False,
        fetch: Fetch | None = None,
        insecure_allow_http: bool = False,
        public_key_file: StrPath | None = None,
        jwks: str | None = None,
        jwks_file: StrPath | None = None,
        discover: str | None = None,
        secret: str | bytes | None = None,
        secret_file: StrPath | None = None,
        any_issuer: bool = False,
        any_audience: bool = False,
        max_age: float | None = None,
        token_type: str | None = None,
        also_accept_types: str | list[str] | None = None,
        required_claims: dict[str, Any] | str | None = None,
        required_claims_containing: dict[str, Any] | str | None = None,
        allowed_client_ids: str | list[str] | None = None,
        scope_claims: str | Sequence[str | Sequence[str]] | None = None,
        accept_scopes_beyond_consent: bool = False,
        scope_implies: dict[str, str | list[str]] | str | None = None,
        requested_scope_prefix: str | None = None,
        requested_scopes: dict[str, str] | str | None = None,
        accept_identity_token_shape: bool = False,
        without_rsa_kernel: bool = False,
        accept_tokens_issued_in_the_future: bool = False,
        ca_file: StrPath | None = None,
        proxy: str | None = None,
        max_freshness: float | None = None,
        staleness_bound: float | None = None,
        resource: str | None = None,
        **unknown: NoReturn,
    ) -> None:
        _unknown_arguments.refuse_unknown(type(self), unknown)
        given = locals() | {"_now": None}
        if algorithm is None:
            has_secret = (secret, secret_file) != (None, None)
            has_public = (public_key, jwks_uri, public_key_file, jwks, jwks_file, discover) != (None,) * 6
            # With both, the algorithms of both must be listed.
            given["algorithm"] = ("HS256" if has_secret else "RS256") if not (has_secret and has_public) else None
        if base_url is not None and not str(base_url).strip():
            raise ValueError("base_url: set to nothing; leave it out if it is not intended")
        if authorization_servers and base_url is None:
            raise ValueError("authorization_servers needs base_url: the RFC 9728 document names this server")
        _releases.initialize(self, issuer, base_url, _fastmcp_arguments.scope_list(required_scopes))
        self.authorization_servers = _metadata.servers(authorization_servers) or None
        for name in POLICY:
            setattr(self, name, given[name])
        self._verifier()

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "required_scopes":
            value = _fastmcp_arguments.scope_list(value)
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

        It returns at once if keys are held, and after 5 s at the latest. It never raises: if the
        keys cannot be fetched, the reason is logged, and a later token starts another attempt.
        It does not block the event loop, and its keys serve every loop, so
        ``asyncio.run(auth.warm_up())`` before the server starts is enough.
        """
        try:
            verifier, cell = self._verifier()
        except Exception:
            _log.write(logging.ERROR, "warm_up: the provider's settings cannot work", exc_info=True)
            return
        for source, why in await waited(verifier.warm_up, cell):
            _log.write(logging.WARNING, "warm_up: no keys from %s: %s", source, why)

    # --- Verification ---

    async def verify_token(self, token: str) -> AccessToken | None:
        """The token's contents; ``None`` if it is refused, and then the reason is logged."""
        try:
            return await self.load_access_token(token)
        except RecursionError:  # the caller left too little stack to check the token
            return None

    async def load_access_token(self, token: str) -> AccessToken | None:
        """What `verify_token` calls. A subclass that overrides it is called instead."""
        try:
            try:
                outcome, cell = self._attempt(token)
                # The usual case, without another coroutine.
                if type(outcome) is dict and not self._has_hook():
                    return access_token(outcome)
                return await self._finished(token, outcome, cell)
            except Rejection as rejection:
                level = logging.WARNING if rejection._native.is_service_fault else logging.INFO
                _log.write(level, "bearer token rejected: %s: %s", rejection.kind, rejection)
            except Exception:
                _log.write(logging.ERROR, "bearer token rejected: it could not be verified", exc_info=True)
        except RecursionError:  # nor enough to log it
            pass
        return None

    async def verify_token_or_raise(self, token: str) -> AccessToken:
        """Like `verify_token`, for callers that want the reason.

        Raises:
            Rejection: if the token is refused.
        """
        return await self._verified(token)

    async def _verified(self, token: str) -> AccessToken:
        return await self._finished(token, *self._attempt(token))

    def _attempt(self, token: str) -> tuple[_Outcome, Cell]:
        """The outcome with the keys at hand."""
        try:
            verifier, cell = self._verifier()
        except Exception as error:
            raise Rejection(_native.Rejection.unusable(f"the provider's settings cannot work: {error}")) from error
        if not isinstance(token, str):
            raise Rejection(_native.Rejection.malformed(), detail=f"the token is {type(token).__name__}, not str")
        return verifier.verify(token), cell

    async def _finished(self, token: str, outcome: _Outcome, cell: Cell) -> AccessToken:
        if type(outcome) is not dict:
            outcome = await _settled(outcome, cell)
            if isinstance(outcome, _native.Rejection):
                raise Rejection(outcome)
        if not self._has_hook():
            return access_token(outcome)
        if "claims" not in outcome:  # the hook came after the verifier
            self.__dict__["_cell"] = Cell()
            return await self._verified(token)
        return self._access_token_by_hook(outcome)

    def _access_token_by_hook(self, fields: dict[str, Any]) -> AccessToken:
        try:
            self._refuse_idle_rules()
            fields["scopes"] = self._extract_scopes(fields["claims"])
            return access_token(fields)
        except Exception as error:
            _log.write(logging.WARNING, "_extract_scopes cannot read the claims of a token", exc_info=True)
            detail = f"_extract_scopes cannot read the claims: {type(error).__name__}"
            raise Rejection(_native.Rejection.malformed(), kind="invalid_claim", detail=detail) from error

    def _extract_scopes(self, claims: dict[str, Any]) -> list[str]:
        """The scopes in these claims: ``scope``, else ``scp``. Called only if a subclass overrides it."""
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
            hook = self._has_hook()
            if hook:
                self._refuse_idle_rules()
            arguments = _fastmcp_arguments.arguments(policy, cell.asker(policy["fetch"]))
            verifier = _native.Verifier(arguments, _releases.HAS_CLAIMS or hook)
            cell.built = verifier, watch, held
        if verifier.problem is not None:
            _log.write(logging.ERROR, "%s refuses every token: %s", type(self).__name__, verifier.problem)
        self._log_warnings(verifier.warnings)
        return verifier

    def _log_warnings(self, warnings: list[str]) -> None:
        """Each text once per provider, however often its verifier is built."""
        logged: tuple[str, ...] = self.__dict__.get("_logged_warnings", ())
        if new := [warning for warning in warnings if warning not in logged]:
            # Replaced, not changed: another thread may copy the provider meanwhile.
            self.__dict__["_logged_warnings"] = (*logged, *new)
        for warning in new:
            _log.write(logging.WARNING, "%s: %s", type(self).__name__, warning)

    def _has_hook(self) -> bool:
        """Whether another function extracts scopes: a subclass's, the object's, or one assigned to this class."""
        return type(self)._extract_scopes is not _EXTRACT_SCOPES or "_extract_scopes" in self.__dict__

    def _refuse_idle_rules(self) -> None:
        """With a function that returns the scopes, a rule for how they are read would do nothing."""
        reads = (name for name in POLICY if "scope" in name and not name.startswith("requested_"))
        if idle := [name for name in reads if getattr(self, name)]:
            raise ValueError(f"{' and '.join(idle)}: would do nothing beside _extract_scopes")

    # --- Information for clients ---

    @property
    def scopes_supported(self) -> list[str]:
        """The required scopes as clients must request them. FastMCP's RFC 9728 document names these."""
        return self.get_challenge_scopes()

    def get_challenge_scopes(self, required_scopes: Sequence[str] | None = None) -> list[str]:
        """What clients must request to get tokens with these scopes; by default the required ones.

        FastMCP 4 calls this for its challenges.
        """
        scopes = self.required_scopes if required_scopes is None else required_scopes
        return self._verifier()[0].scopes_to_request(list(scopes or []))

    def get_routes(self, *args: Any, **options: Any) -> list[Any]:
        """The RFC 9728 document of this server, if its authorization servers are known. FastMCP mounts it."""
        inherited = getattr(super(), "get_routes", None)
        routes: list[Any] = list(inherited(*args, **options)) if inherited else []
        path = args[0] if args else options.get("mcp_path")
        if self.authorization_servers and self.base_url is not None:
            resource = _metadata.resource(str(self.base_url), path)
            routes += _metadata.routes(resource, self, _releases.metadata_beside(self.base_url))
        return routes

    # --- Not supported, as in FastMCP ---

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
"""The methods as written here, whatever is assigned to the class later."""

_EXTRACT_SCOPES = BUILT_IN["_extract_scopes"]


async def _settled(outcome: _Outcome, cell: Cell) -> dict[str, Any] | _native.Rejection:
    """The outcome with newer keys."""
    while isinstance(outcome, _native.Pending):
        outcome = await waited(outcome.wait, cell)
    return outcome


async def waited(wait: Callable[[], _T], cell: Cell) -> _T:
    """Waits for keys, at most 5 s, in a thread that no other work of the program queues for.

    The cell is held meanwhile: without it the `fetch` function would be collected if another one is assigned.
    """
    return await anyio.to_thread.run_sync(wait, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1))
