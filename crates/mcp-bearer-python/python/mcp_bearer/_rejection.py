"""Why a token is refused, as an exception."""

from __future__ import annotations

from mcp_bearer import _native


class Rejection(Exception):
    """A token is refused. The text is for operators; what the peer may be told is in `mcp_bearer.asgi`."""

    kind: str
    """The stable name of the reason, such as ``expired`` or ``wrong_audience``."""

    status: int
    """The HTTP status that it is answered with."""

    retry_after: int | None
    """With ``keys_unavailable``: seconds until the next attempt to get keys."""

    required_scopes: list[str]
    """With ``insufficient_scope``: all that the operation needs."""

    missing_scopes: list[str]
    """With ``insufficient_scope``: what the token lacks of them."""

    def __init__(self, native: _native.Rejection, *, kind: str | None = None, detail: str | None = None) -> None:
        super().__init__(detail or native.detail)
        self._native = native
        self.kind = kind or native.kind
        self.status = native.status
        self.retry_after = native.retry_after
        self.required_scopes = native.required_scopes
        self.missing_scopes = native.missing_scopes

    def challenge(
        self, required_scopes: list[str], resource_metadata: str | None = None
    ) -> tuple[int, str | None, int | None, str]:
        """What the peer is told: status, ``WWW-Authenticate``, ``Retry-After`` and body."""
        return self._native.challenge(required_scopes, resource_metadata)
