"""Rules for operations from the auth checks of a FastMCP server's components. For FastMCP 4.x."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

from mcp_bearer.operations import OperationRule, OperationRules

__all__ = ["rules_from"]

_KINDS = (
    ("list_tools", "tools/call", "name"),
    ("list_prompts", "prompts/get", "name"),
    ("list_resources", "resources/read", "uri"),
)


async def rules_from(
    server: Any,
    *,
    further: Iterable[OperationRule] = (),
    unmatched: Literal["allow", "deny"] = "allow",
    hide: bool = True,
) -> OperationRules:
    """A rule for each tool, prompt and resource that has ``auth=require_scopes(...)`` or ``restrict_tag(...)``.

    A call that lacks such a scope then gets a 403 with a challenge, where FastMCP answers 200 with an error. FastMCP
    still runs its own checks, so nothing becomes accessible if it is not found here: checks that are your own functions
    or `require_roles`, resource templates, and components of mounted servers, which list only what the caller may use.

    Args:
        server: the server, with all its components.
        further: rules in addition to these.
        unmatched: what happens to an operation that no rule matches.
        hide: leaves out of lists what the caller may not use, as FastMCP does.

    Raises:
        TypeError: if this release of FastMCP has no checks that name their scopes (2.x, 3.x).
        ValueError: if a rule cannot contain a name.
    """
    try:
        from fastmcp.server.auth import AccessToken, AuthContext, require_scopes
    except ImportError:
        raise TypeError("rules_from needs FastMCP 4 or later") from None
    if not hasattr(require_scopes("x"), "missing_scopes"):
        raise TypeError("rules_from needs FastMCP 4 or later: earlier checks do not name their scopes")
    nobody = AccessToken(token="", client_id="", scopes=[])
    rules = list(further)
    for provider in server.providers:
        for lister, method, named in _KINDS:
            for component in await getattr(provider, lister)():
                context = AuthContext(token=nobody, component=component)
                scopes = sorted({scope for check in _checks(component.auth) for scope in check.missing_scopes(context)})
                if scopes:
                    rules.append(_rule(method, str(getattr(component, named)), scopes, hide))
    return OperationRules(rules, unmatched=unmatched)


def _checks(auth: Any) -> Iterator[Any]:
    """The checks that name their scopes."""
    for check in auth if isinstance(auth, Sequence) else [auth]:
        if hasattr(check, "missing_scopes"):
            yield check


def _rule(method: str, name: str, scopes: list[str], hide: bool) -> OperationRule:
    if "*" in name:
        raise ValueError(f"{name!r} cannot be named in a rule, where * matches any characters")
    return OperationRule(method, name=name, scopes=scopes, hide=hide)
