"""What web-next audits of its own doing: actions, keys and marks that no caller may use."""

from __future__ import annotations

import re
import unicodedata
import uuid
from typing import Any, Literal, get_args

from webnext import context, logs
from webnext.contract.audit import AuditEntryV1
from webnext.dependency import AwayError
from webnext.services import Audit

Result = Literal["ok", "err"]
Action = Literal[
    "alerts.purge_dlq", "alerts.retry", "auto_pause", "batch_promote", "evidence.cleanup", "evidence.too_large"
]

_UNREAD = re.compile(r"[^a-z0-9._]+")

ACCEPTED_AT = "acceptedAt"
"""Where details say when an entry that waited was accepted."""


def actor_of(entry: AuditEntryV1) -> str | None:
    """By whom an entry is, which nobody can say of himself: the address that the edge saw, and web-next, for that
    address where somebody asked for it, where the entry is about what web-next did."""
    if entry.action not in get_args(Action):
        return context.caller()
    return " for ".join(filter(None, ["web-next", context.caller()]))


def own_entry(
    action: Action, details: dict[str, Any], *, result: Result = "ok", strategy: str | None = None
) -> AuditEntryV1:
    """Return an entry about something that web-next did. A strategy's name is cut to what an entry takes."""
    return AuditEntryV1(action=action, result=result, strategyId=(strategy or "")[:200] or None, details=details)


async def audited(audit: Audit, action: Action, details: dict[str, Any], result: Result = "ok") -> None:
    """Audit something that web-next did, in the log where nothing can keep the entry."""
    try:
        await audit.append(own_entry(action, details, result=result), context.trace_id.get() or uuid.uuid4().hex)
    except (AwayError, ValueError):
        logs.unaudited(action, details)


def own_key(name: str) -> str:
    """Return an idempotency key that no caller can send: it has a blank, which theirs may not have."""
    return f"web-next {name}"


def taken(entry: AuditEntryV1) -> str | None:
    """Say what a caller's entry uses that is web-next's own, None where it uses nothing."""
    if (action := _read(entry.action)) in get_args(Action):
        return f"action: {action} is kept for what web-next itself does"
    if isinstance(entry.details, dict) and ACCEPTED_AT.casefold() in map(_read, entry.details):
        return f"details: {ACCEPTED_AT} is kept for entries that web-next held back"
    return None


def _read(text: str) -> str:
    """As people read it, who see neither other widths nor blanks nor what is invisible: of that there is much, and in
    web-next's own words nothing but these letters. Letter by letter, as a row of accents takes its length's square."""
    letters = text if text.isascii() else "".join(unicodedata.normalize("NFKC", letter) for letter in text)
    return _UNREAD.sub("", letters.casefold())
