"""Logs: one JSON object a line on stdout, with the trace id, with credentials taken out."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import sys
import time
from contextlib import nullcontext
from functools import lru_cache
from typing import TextIO

from webnext import context

_NAME = "(?i:(?:password|passwd|secret|token|api_?key|credential)s?)"
# A value in quotes goes to the closing one, which in JSON in JSON is an escaped one itself.
_CREDENTIALS = re.compile(
    r"(?<![^\s@\"'])[^\s:@\"']*+:[^\s@\"']++@|(?i:bearer) [!-~]+|"
    rf"{_NAME}[\"'\\]*+\s*+[=:]\s*+"
    r"(?:'(?:[^'\\]|\\.)*+'?|\"(?:[^\"\\]|\\.)*+\"?|\\++\"[^\"]*+\"?|\\++'[^']*+'?|\S+)",
    re.DOTALL,
)
_NAMED = re.compile(rf"{_NAME}\Z")
_SIGNS = ("@", "=", "bearer ", "password", "passwd", "secret", "token", "api_key", "apikey", "credential")
"""No form of credentials is without one of these, and most lines have none."""


class JsonFormatter(logging.Formatter):
    """Formats a record as one line of JSON; the `fields` extra, a dict, is merged in."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": _time(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "traceId": context.trace_id.get(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        said = {key: value for key, value in line.items() if value is not None}
        text = json.dumps(said)
        small = text.lower()
        if any(sign in small for sign in _SIGNS):
            text = json.dumps(_clean(said))
        return text


class LineHandler(logging.StreamHandler[TextIO]):
    """Writes the lines of one turn of the event loop at its end, in one go; a warning, and what is said outside a
    loop, at once."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lines: list[str] = []
        self._due: asyncio.AbstractEventLoop | None = None

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._lines.append(self.format(record) + self.terminator)
            loop = _running_loop() if record.levelno < logging.WARNING else None
            if loop is None:
                self.flush()
            elif self._due is not loop:
                self._due = loop
                loop.call_soon(self.flush)
        except Exception:
            self.handleError(record)

    def flush(self) -> None:
        with self.lock or nullcontext():
            lines, self._lines, self._due = self._lines, [], None
            if lines:
                self.stream.write("".join(lines))
            super().flush()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def configure() -> None:
    """Send every logger's records from INFO up to stdout as JSON; the pool's own from WARNING up."""
    handler = LineHandler(sys.stdout)
    handler.setFormatter(JsonFormatter())
    # What no line shows need not be found out for each.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("psycopg.pool").setLevel(logging.WARNING)
    logging.getLogger("botocore").setLevel(logging.WARNING)
    logging.getLogger("httpx").setLevel(logging.WARNING)


def _clean(value: object) -> object:
    if isinstance(value, dict):
        return {_clean(key): "***" if _NAMED.search(str(key)) else _clean(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(inner) for inner in value]
    return _CREDENTIALS.sub("***@", value) if isinstance(value, str) else value


def _time(seconds: float) -> str:
    whole = int(seconds)
    return f"{_second(whole)}.{int((seconds - whole) * 1000):03}+00:00"


@lru_cache(1)
def _second(whole: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole))


def unaudited(action: str, details: dict[str, object]) -> None:
    """Log as an error what was done and no audit log could take: this line is its only record."""
    logging.getLogger("webnext.audit").error("not audited: %s", action, extra={"fields": {"details": details}})
