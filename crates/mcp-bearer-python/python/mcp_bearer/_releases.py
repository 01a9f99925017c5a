"""The differences between the releases of FastMCP and of the official SDK, found once, at import.

All other code is the same for all releases: no other file checks a version or probes a class.

| installed | base class | what verification returns |
|---|---|---|
| FastMCP 2.9 and 2.10 | `OAuthProvider` | the SDK's `AccessToken`, without claims |
| FastMCP 2.11 and later | `TokenVerifier` | FastMCP's `AccessToken`, with claims, from 4.0 with `subject` |
| the `mcp` SDK alone | none: its `TokenVerifier` is a protocol | the SDK's `AccessToken` |
| neither | none | the `AccessToken` below |
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import AnyHttpUrl, BaseModel, Field, ValidationError

__all__ = ["HAS_CLAIMS", "AccessToken", "Base", "access_token", "initialize", "metadata_beside"]

if TYPE_CHECKING:
    # For a type checker, what is not installed is `Any`, which the official SDK's protocol accepts too.
    from fastmcp.server.auth.auth import AccessToken
    from fastmcp.server.auth.auth import TokenVerifier as Base

    def initialize(provider: Base, issuer: Any, base_url: Any, required_scopes: list[str] | None) -> None: ...

else:
    try:
        from fastmcp.server.auth.auth import AccessToken
    except ImportError:
        try:
            from mcp.server.auth.provider import AccessToken
        except ImportError:

            class AccessToken(BaseModel):
                """A verified access token."""

                token: str = Field(repr=False)
                client_id: str
                scopes: list[str]
                expires_at: int | None = None
                subject: str | None = None
                claims: dict[str, Any] | None = None

    try:
        from fastmcp.server.auth.auth import TokenVerifier as Base
    except ImportError:
        try:
            from fastmcp.server.auth.auth import OAuthProvider as Base
        except ImportError:
            Base = object

    _parameters = inspect.signature(Base.__init__).parameters

    if "client_registration_options" in _parameters:
        from mcp.server.auth.settings import ClientRegistrationOptions, RevocationOptions

        def initialize(provider, issuer, base_url, required_scopes):
            """FastMCP 2.9 and 2.10 mount the routes of an authorization server, whose issuer must be a URL."""
            Base.__init__(
                provider,
                issuer_url=_url_or_default(issuer),
                client_registration_options=ClientRegistrationOptions(enabled=False),
                revocation_options=RevocationOptions(enabled=False),
                required_scopes=required_scopes,
            )
            provider.base_url = base_url

    elif Base is object:

        def initialize(provider, issuer, base_url, required_scopes):
            """The SDK's protocol requires only a method."""
            provider.base_url = base_url
            provider.required_scopes = required_scopes or []

    else:
        # FastMCP 2.12.1 renamed it.
        _url = "base_url" if "base_url" in _parameters else "resource_server_url"

        def initialize(provider, issuer, base_url, required_scopes):
            """FastMCP 2.11 and later."""
            Base.__init__(provider, required_scopes=required_scopes, **{_url: base_url})
            provider.base_url = getattr(provider, _url)


access_token: Callable[[dict[str, Any]], AccessToken] = AccessToken.__pydantic_validator__.validate_python
"""What ``AccessToken(**fields)`` does, at two thirds of the cost: without a call of Python code and a copy of the fields."""


HAS_CLAIMS: bool = "claims" in AccessToken.model_fields
"""Whether `AccessToken` has fields for claims (and, where it has that field, for the subject)."""


_routes = getattr(Base, "get_routes", None)
NAMES_METADATA_BESIDE = hasattr(Base, "get_resource_metadata_url") or (
    _routes is not None and "mcp_endpoint" in inspect.signature(_routes).parameters
)
"""Whether challenges name the RFC 9728 document below the base URL instead of where RFC 9728 puts it: FastMCP 2.11 up to 2.12.0
in one way, from then to 2.12.5 in the other."""


def metadata_beside(base_url: Any) -> str | None:
    """The URL that challenges name for the RFC 9728 document, if it is not that of RFC 9728."""
    return f"{str(base_url).rstrip('/')}/.well-known/oauth-protected-resource" if NAMES_METADATA_BESIDE else None


def _url_or_default(issuer: Any) -> AnyHttpUrl:
    """Any string may be an issuer (RFC 7519 section 4.1.1), but these releases require a URL."""
    try:
        return AnyHttpUrl(issuer)
    except ValidationError:
        return AnyHttpUrl("https://fastmcp.example.com")
