"""Rules for single tools, prompts and resources: what a caller needs to use and to see them.

Rust decides what a rule means and what is wrong with one; `docs/operations.md` explains it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mcp_bearer import _native

__all__ = ["OperationRule", "OperationRules"]


@dataclass(frozen=True)
class OperationRule:
    """One rule. In both patterns ``*`` matches any characters.

    Args:
        method: a pattern for the JSON-RPC method, such as ``tools/call``.
        name: a pattern for the name of the tool or prompt, or the URI of the resource; absent, it matches all.
        scopes: what the operation needs beyond what every request needs.
        hide: leaves out of lists what the caller may not use, which is then answered as if it did not exist.
        anonymous: opens the operation to callers without a token. If the method has names, ``name`` is required:
            ``"*"`` for all of them.
    """

    method: str
    name: str | None = None
    scopes: str | Sequence[str] | None = None
    hide: bool = False
    anonymous: bool = False


class OperationRules:
    """The rules of a server. All that match an operation apply, in any order, and their scopes add up.

    Args:
        rules: the rules.
        unmatched: what happens to an operation that no rule matches; it must be decided once there is a rule.
        tasks: ``"bound_by_server"`` passes ``tasks/*`` on, which is otherwise refused.
        hidden_answer: ``"challenge"`` answers 403 for what is hidden, which is otherwise not found.
        anonymous_sees: ``"all"`` shows full lists to callers without a token, which otherwise see what they may use.

    Raises:
        ValueError: with every problem at once.
        TypeError: for a value of another type.
    """

    def __init__(
        self,
        rules: Iterable[OperationRule],
        *,
        unmatched: Literal["allow", "deny"] | None = None,
        tasks: Literal["refuse", "bound_by_server"] = "refuse",
        hidden_answer: Literal["not_found", "challenge"] = "not_found",
        anonymous_sees: Literal["allowed", "all"] = "allowed",
    ) -> None:
        self._native = _native.Rules(
            [_given(rule) for rule in rules],
            unmatched=unmatched,
            tasks=tasks,
            hidden_answer=hidden_answer,
            anonymous_sees=anonymous_sees,
        )


def _given(rule: OperationRule) -> tuple[Any, ...]:
    if not isinstance(rule, OperationRule):
        raise TypeError(f"a rule must be an OperationRule, not {type(rule).__name__}")
    scopes = [rule.scopes] if isinstance(rule.scopes, str) else rule.scopes
    return rule.method, rule.name, None if scopes is None else list(scopes), rule.hide, rule.anonymous
