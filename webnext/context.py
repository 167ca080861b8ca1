"""What is known of the request being answered, to whatever answers it."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

trace_id: ContextVar[str | None] = ContextVar("trace_id", default=None)
"""The trace id of the request being answered, None outside one."""

traffic: ContextVar[str] = ContextVar("traffic", default="user")
"""Whose request is being answered: `user`, `smoke`, or `health`; gates leave the last two out."""

scope: ContextVar[Mapping[str, Any] | None] = ContextVar("scope", default=None)
"""The ASGI scope of the request being answered, None outside one."""


def route() -> str:
    """Return the template of the route that answers the request, `other` where none does: strangers make no series."""
    return getattr((scope.get() or {}).get("route"), "path", None) or "other"
