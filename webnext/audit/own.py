"""What web-next audits of its own doing: actions, keys and marks that no caller may use."""

from __future__ import annotations

from typing import Any, Literal, get_args

from webnext.contract import AuditEntryV1

Action = Literal["alerts.purge_dlq", "alerts.retry", "auto_pause", "batch_promote", "evidence.cleanup"]

ACCEPTED_AT = "acceptedAt"
"""Where details say when an entry that waited was accepted."""


def own_entry(
    action: Action, details: dict[str, Any], *, result: Literal["ok", "err"] = "ok", strategy: str | None = None
) -> AuditEntryV1:
    """Return an entry about something that web-next did."""
    return AuditEntryV1(action=action, result=result, strategyId=strategy, details=details)


def own_key(name: str) -> str:
    """Return an idempotency key that no caller can send: it has a blank, which theirs may not have."""
    return f"web-next {name}"


def taken(entry: AuditEntryV1) -> str | None:
    """Say what a caller's entry uses that is web-next's own, None where it uses nothing."""
    if entry.action in get_args(Action):
        return f"action: {entry.action} is kept for what web-next itself does"
    if isinstance(entry.details, dict) and ACCEPTED_AT in entry.details:
        return f"details: {ACCEPTED_AT} is kept for entries that web-next held back"
    return None
