"""What every request and answer has, errors included: a trace id, the security headers, limits, one line in the log,
a place in the histogram, a span."""

from __future__ import annotations

import json
import logging
import re
import time
import uuid

from opentelemetry import trace
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webnext import logs, metrics, tracing
from webnext.settings import Settings

MAX_BODY = 256 * 1024
"""Bytes of a request's body."""
SMOKE_AGENT = "web-next-smoke"
"""The smoke suite's User-Agent: its requests are no users'."""

TRACE_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
"""A valid trace id, as a whole."""
_HEALTH = ("/healthz", "/api/healthz")

log = logging.getLogger("webnext.http")


def security_headers(settings: Settings) -> dict[str, str]:
    """Return the headers of every answer; a page may connect to this origin and the executor's only."""
    connect = " ".join(["'self'", *filter(None, [settings.executor_url])])
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
    if incoming and TRACE_ID.fullmatch(incoming):
        return incoming
    return uuid.uuid4().hex


class Envelope:
    """Wraps an ASGI application.

    Bodies are JSON whatever their content type says: the playbook's own commands send none. A browser is kept from
    sending one on another site's behalf by what it says of itself in Sec-Fetch-Site.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._headers = security_headers(settings)
        self._tracer = tracing.tracer(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        trace_id = trace_id_for(headers.get("x-trace-id"))
        traffic = _traffic(scope["path"], headers)
        tokens = logs.trace_id.set(trace_id), logs.traffic.set(traffic)
        span = tracing.request_span(self._tracer, scope["method"], headers, trace_id)
        started = time.monotonic()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                answer = MutableHeaders(scope=message)
                answer.update(self._headers)
                answer["x-trace-id"] = trace_id
            await send(message)

        try:
            with trace.use_span(span, end_on_exit=False):
                await self._limited(scope, headers, receive, send_with_headers)
        except Exception:
            log.exception("request failed")
            if not status:
                await _refuse(send_with_headers, 500, "internal error")
        finally:
            seconds = time.monotonic() - started
            route = _route(scope)
            metrics.REQUESTS.labels(route, scope["method"] if route != "other" else "", str(status), traffic).observe(
                seconds
            )
            tracing.end_request(span, scope["method"], route, status)
            if scope["path"] != "/healthz":
                fields = {
                    "method": scope["method"],
                    "path": scope["path"],
                    "status": status,
                    "ms": round(seconds * 1000, 1),
                }
                log.info("request", extra={"fields": fields})
            logs.trace_id.reset(tokens[0])
            logs.traffic.reset(tokens[1])

    async def _limited(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        if headers.get("sec-fetch-site") == "cross-site":
            await _refuse(send, 403, "another site's page may not do this")
            return
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            if len(body) > MAX_BODY:
                await _refuse(send, 413, f"body is larger than {MAX_BODY} bytes")
                return
            if not message.get("more_body"):
                break
        given = [(name, value) for name, value in scope["headers"] if name not in (b"content-type", b"content-length")]
        scope["headers"] = [
            *given,
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        replay: list[Message] = [{"type": "http.request", "body": body or b"{}", "more_body": False}]

        async def receive_again() -> Message:
            return replay.pop() if replay else await receive()

        await self._app(scope, receive_again, send)


async def _refuse(send: Send, status: int, why: str) -> None:
    body = json.dumps({"_err": why, "traceId": logs.trace_id.get()}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _traffic(path: str, headers: Headers) -> str:
    if path in _HEALTH:
        return "health"
    return "smoke" if headers.get("user-agent", "").startswith(SMOKE_AGENT) else "user"


def _route(scope: Scope) -> str:
    """The route's template; what no route takes is `other`, so that strangers cannot make up series."""
    return getattr(scope.get("route"), "path", None) or "other"
