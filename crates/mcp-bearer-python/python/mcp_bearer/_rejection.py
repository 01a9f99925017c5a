"""Why a token is refused, as an exception. It does not contain the token, so it may be logged, copied and pickled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mcp_bearer import _native

if TYPE_CHECKING:
    from mcp_bearer._provider import BearerAuthProvider


class Rejection(Exception):
    """A token is refused. The text is for operators; `mcp_bearer.asgi` has what the peer may see."""

    kind: str
    """The stable name of the reason, such as ``expired`` or ``wrong_audience``."""

    status: int
    """The HTTP status of the answer."""

    retry_after: int | None
    """With ``keys_unavailable``: seconds until a request can start another fetch of keys. With ``clock_unset``: a minute."""

    required_scopes: list[str]
    """With ``insufficient_scope``: all that the operation needs."""

    missing_scopes: list[str]
    """With ``insufficient_scope``: those of them that the token lacks."""

    _retry_after: int | None = None
    """The answer to the peer, for a copy."""

    def __init__(self, native: _native.Rejection, *, kind: str | None = None, detail: str | None = None) -> None:
        super().__init__(detail or native.detail)
        self._native = native
        self.kind = kind or native.kind
        self.status = native.status
        self.retry_after = native.retry_after
        self.required_scopes = native.required_scopes
        self.missing_scopes = native.missing_scopes

    def challenge(
        self,
        required_scopes: list[str],
        resource_metadata: str | None = None,
        provider: BearerAuthProvider | None = None,
    ) -> tuple[int, str | None, int | None, str]:
        """The answer to the peer: status, ``WWW-Authenticate``, ``Retry-After`` and body.

        With ``provider``, the challenge names what its clients must request for the scopes, if that differs.
        """
        verifier = provider._verifier()[0] if provider is not None else None
        status, header, retry_after, body = self._native.challenge(required_scopes, resource_metadata, verifier)
        return status, header, self._retry_after or retry_after, body

    def __reduce__(self) -> tuple[Any, ...]:
        state = {name: value for name, value in vars(self).items() if name != "_native"}
        state["_retry_after"] = self.challenge([])[2]
        native = self._native
        return _again, (type(self), self.args, native.kind, native.required_scopes, native.missing_scopes), state


def _again(
    kind_of: type[Rejection], arguments: tuple[Any, ...], kind: str, required: list[str], missing: list[str]
) -> Rejection:
    """A rejection with the same answer. The peer can distinguish few kinds, so few have to be made."""
    native: Any
    if kind == "insufficient_scope":
        native = _native.Rejection.insufficient_scope(required, [scope for scope in required if scope not in missing])
    elif kind in ("keys_unavailable", "clock_unset"):
        native = _native.Rejection.unusable("")
    elif kind in _CREDENTIALS:
        native = _native.bearer_token(_CREDENTIALS[kind])
    else:
        native = _native.Rejection.malformed()
    rejection = kind_of.__new__(kind_of, *arguments)
    rejection._native = native
    return rejection


_CREDENTIALS = {
    "missing_credential": [],
    "bad_credential": [b"Bearer a", b"Bearer a"],
    "token_too_large": [b"Bearer " + b"a" * 20_000],
}
