"""What is known of the request being answered, to whatever answers it."""

from __future__ import annotations

from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import Any

CALLER = "web_next.caller"
"""Where a scope has the address that the request comes from."""

_AWAY = "web_next.away"

trace_id: ContextVar[str | None] = ContextVar("trace_id", default=None)
"""The trace id of the request being answered, None outside one."""

traffic: ContextVar[str] = ContextVar("traffic", default="user")
"""Whose request is being answered: `user`, `smoke`, or `health`; gates leave the last two out."""

scope: ContextVar[MutableMapping[str, Any] | None] = ContextVar("scope", default=None)
"""The ASGI scope of the request being answered, None outside one."""


def route() -> str:
    """Return the template of the route that answers the request, `other` where none does: strangers make no series."""
    return getattr((scope.get() or {}).get("route"), "path", None) or "other"


def caller() -> str | None:
    """Return the address that the request being answered comes from, as the edge saw it; None outside one."""
    return (scope.get() or {}).get(CALLER)


def stand_in(dependency: str) -> None:
    """Say that something else answers in place of `dependency`, which is away. The first that is said stays."""
    if (asked := scope.get()) is not None:
        asked.setdefault(_AWAY, dependency)


def away() -> str:
    """Return the first dependency that something else stood in for; `mock` where none was away: an adapter is one."""
    return str((scope.get() or {}).get(_AWAY, "mock"))
