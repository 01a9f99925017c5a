"""`EnvBearerAuthProvider`: the reference's variables, read as the reference reads them."""

from __future__ import annotations

from types import EllipsisType
from typing import Any

from pydantic_settings import BaseSettings, SettingsConfigDict

from mcp_bearer._provider import BearerAuthProvider


class _Variables(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="FASTMCP_AUTH_BEARER_", env_file=".env", env_ignore_empty=True, extra="ignore"
    )

    public_key: str | None = None
    jwks_uri: str | None = None
    issuer: str | None = None
    audience: str | None = None
    required_scopes: list[str] | None = None


class EnvBearerAuthProvider(BearerAuthProvider):
    """A `BearerAuthProvider` whose settings come from the environment and a ``.env`` file.

    The variables are ``FASTMCP_AUTH_BEARER_PUBLIC_KEY``, ``_JWKS_URI``, ``_ISSUER``, ``_AUDIENCE`` and
    ``_REQUIRED_SCOPES`` (a JSON list). An argument wins over its variable, ``None`` included. Further keyword arguments
    are those of `BearerAuthProvider`.
    """

    def __init__(
        self,
        public_key: str | None | EllipsisType = ...,
        jwks_uri: str | None | EllipsisType = ...,
        issuer: str | None | EllipsisType = ...,
        audience: str | list[str] | None | EllipsisType = ...,
        required_scopes: list[str] | None | EllipsisType = ...,
        **options: Any,
    ) -> None:
        given: dict[str, Any] = {
            "public_key": public_key,
            "jwks_uri": jwks_uri,
            "issuer": issuer,
            "required_scopes": required_scopes,
        }
        settings = _Variables(**{name: value for name, value in given.items() if value is not ...}).model_dump()
        if audience is not ...:
            settings["audience"] = audience
        super().__init__(**settings, **options)
