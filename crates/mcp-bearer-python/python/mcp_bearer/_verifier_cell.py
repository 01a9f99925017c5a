"""Holds one policy's verifier, and detects that the policy has changed.

A cell is replaced, never emptied, so a thread that builds for an old policy fills an old cell. A deep copy or a pickle
of a provider never contains the verifier, and a forked child never waits for the lock.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from copy import deepcopy
from operator import attrgetter
from typing import Any, TypeAlias

from mcp_bearer import _native
from mcp_bearer._fetch_thread import Asker, Fetch, Hook

POLICY = (*(name for name in _native.SETTINGS if name not in ("required_scopes", "authorization_servers")), "_now")
"""The attributes that a verifier is made from: all settings except those of the HTTP layer."""

Built: TypeAlias = tuple[_native.Verifier, Callable[[object], Any] | None, Any]
"""A verifier, a function that reads the attributes that can change without an assignment, and their values at the
time."""


class Cell:
    __slots__ = ("__weakref__", "building", "built", "hook")

    built: Built | None
    """Assigned together, so that no thread sees a verifier with the attributes of another."""

    hook: Hook | None
    """Kept here and not by the verifier, so that a function that refers to its provider is collected with it."""

    def __init__(self) -> None:
        self.built = None
        self.hook = None
        self.building = threading.RLock()
        _cells.add(self)

    def __reduce__(self) -> tuple[type[Cell], tuple[()]]:
        """Copied and pickled as an empty cell."""
        return Cell, ()

    def asker(self, fetch: Fetch | None) -> Asker | None:
        """How a verifier that is made for this cell fetches keys."""
        if fetch is None:
            return None
        # A function that is running must not be collected when the attribute is computed again.
        if self.hook is None or self.hook.fetch != fetch:
            self.hook = Hook(fetch)
        return self.hook.asker()

    def renew_in_child(self) -> None:
        """A lock that another thread held at the moment of the fork would never be released."""
        self.building = threading.RLock()


def snapshot(provider: object) -> tuple[dict[str, Any], Callable[[object], Any] | None, Any]:
    """The current policy, and the rest of `Built`. A list or dict is copied: others may change it meanwhile."""
    values: dict[str, Any] = {}
    watched = []
    kind = type(provider)
    computes = kind.__getattribute__ is not object.__getattribute__
    for name in POLICY:
        value = getattr(provider, name)
        # A value that a subclass computes may be the one now in the object.
        computed = computes or hasattr(kind, name) or vars(provider).get(name, values) is not value
        changes = isinstance(value, (list, dict))
        if computed or changes:
            watched.append(name)
        values[name] = deepcopy(value) if changes else value
    if not watched:
        return values, None, None
    if len(watched) == 1:
        return values, attrgetter(*watched), values[watched[0]]
    return values, attrgetter(*watched), tuple(values[name] for name in watched)


_cells: weakref.WeakSet[Cell] = weakref.WeakSet()


def _renew_all_in_child() -> None:
    for cell in list(_cells):
        cell.renew_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all_in_child)
