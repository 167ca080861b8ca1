"""Logs: one JSON object a line on stdout, with the trace id, with credentials taken out."""

from __future__ import annotations

import json
import logging
import re
import sys
from contextvars import ContextVar
from datetime import UTC, datetime

trace_id: ContextVar[str | None] = ContextVar("trace_id", default=None)
"""The trace id of the request being answered, None outside one."""

traffic: ContextVar[str] = ContextVar("traffic", default="user")
"""Whose request is being answered: `user`, `smoke`, or `health`; gates leave the last two out."""

_CREDENTIALS = re.compile(r"[^\s:/@\"']+:[^\s@\"']+@|(?i:password)\s*=\s*('[^']*'|\S+)")


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON; the `fields` extra, a dict, is merged in."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "traceId": trace_id.get(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps({key: _clean(value) for key, value in line.items() if value is not None})


def configure() -> None:
    """Send every logger's records from INFO up to stdout as JSON; the pool's own from WARNING up."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("psycopg.pool").setLevel(logging.WARNING)
    logging.getLogger("botocore").setLevel(logging.WARNING)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs addresses, and Slack's is a secret


def _clean(value: object) -> object:
    return _CREDENTIALS.sub("***@", value) if isinstance(value, str) else value


def unaudited(action: str, details: dict[str, object]) -> None:
    """Say loudly that something was done and no audit log could take it: this line is then its only trace."""
    logging.getLogger("webnext.audit").error("not audited: %s", action, extra={"fields": {"details": details}})
