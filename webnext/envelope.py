"""What every answer carries, errors included: the trace id, the security headers, one line in the log."""

from __future__ import annotations

import logging
import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webnext import logs
from webnext.settings import Settings

_TRACE_ID = re.compile(r"[A-Za-z0-9-]{8,64}")

log = logging.getLogger("webnext.http")


def security_headers(settings: Settings) -> dict[str, str]:
    """Return the headers of every answer; a page may connect to this origin and the executor's only."""
    connect = " ".join(["'self'", *filter(None, [settings.executor_origin])])
    return {
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Strict-Transport-Security": "max-age=31536000",
        "Content-Security-Policy": (
            f"default-src 'self'; connect-src {connect}; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
        ),
    }


def trace_id_for(incoming: str | None) -> str:
    """Return `incoming` if it is a valid trace id ([A-Za-z0-9-], 8 to 64 characters), else a new one."""
    if incoming and _TRACE_ID.fullmatch(incoming):
        return incoming
    return uuid.uuid4().hex


class Envelope:
    """Wraps an ASGI application so that each answer carries the headers and each exception is logged once."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._headers = security_headers(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        trace_id = trace_id_for(Headers(scope=scope).get("x-trace-id"))
        token = logs.trace_id.set(trace_id)
        started = time.monotonic()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.update(self._headers)
                headers["x-trace-id"] = trace_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            log.exception("request failed")
        finally:
            if scope["path"] != "/healthz":
                fields = {
                    "method": scope["method"],
                    "path": scope["path"],
                    "status": status,
                    "ms": round((time.monotonic() - started) * 1000, 1),
                }
                log.info("request", extra={"fields": fields})
            logs.trace_id.reset(token)
