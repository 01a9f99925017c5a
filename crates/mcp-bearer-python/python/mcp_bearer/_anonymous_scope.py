"""The ASGI scope for an app whose caller has no token."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any


def without_caller(scope: MutableMapping[str, Any]) -> dict[str, Any]:
    """A copy without what identifies a caller: another middleware may have put it there.

    Those are ``user`` and ``auth`` of Starlette, and the access token of this package.
    """
    passed = {name: value for name, value in scope.items() if name not in ("user", "auth")}
    if "state" in passed:
        passed["state"] = {name: value for name, value in passed["state"].items() if name != "access_token"}
    return passed
