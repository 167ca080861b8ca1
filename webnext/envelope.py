"""What every request and answer has, errors included: a trace id, the security headers, the mark of a mock, limits, one
line in the log, a place in the metrics, a span."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from opentelemetry import trace
from prometheus_client import Histogram
from pydantic_core import from_json
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webnext import context, metrics, tracing
from webnext.contract.base import MAX_VALUES, crowded
from webnext.settings import Networks, Settings

MAX_BODY = 256 * 1024
"""Bytes of a request's body."""
TRACE_ID = re.compile(r"[A-Za-z0-9-]{8,64}")
"""A valid trace id, as a whole."""
LOGGED = 500
"""Letters of a path in the log."""
BODY = "web_next.body"
"""Where a scope has the whole body of a request that may have one."""

_TRAFFIC = ("user", "smoke", "health")
_MOCK_FILE = re.compile(rb"(?:#.*\n)*# _mock: true")
_JSON = (b"content-type", b"application/json")
_OF_THE_BODY = (b"content-type", b"content-length")

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
    return secrets.token_hex(16)


class Envelope:
    """Wraps an ASGI application.

    Bodies are JSON whatever their content type says: the playbook's own commands send none. A browser is kept from
    sending one on another origin's behalf, a sibling domain's too, by what it says in Sec-Fetch-Site and Origin. A body
    of too many values is refused unread, but on the paths of `fitting`, which say what is read in its place.
    """

    def __init__(
        self, app: ASGIApp, settings: Settings, fitting: Mapping[str, Callable[[bytes], bytes]] | None = None
    ) -> None:
        self._app = app
        self._fitting = fitting or {}
        self._headers = [(name.lower().encode(), value.encode()) for name, value in security_headers(settings).items()]
        self._own = {b"x-trace-id", *(name for name, _ in self._headers)}
        self._peers = settings.edge_peers
        self._tracer = tracing.tracer(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = _headers(scope)
        trace_id = trace_id_for(headers.get("x-trace-id"))
        peer = scope["client"][0] if scope.get("client") else ""
        edge = _among(peer, self._peers)
        told = headers.get("x-real-ip", "")
        scope[context.CALLER] = told if edge and _address(told) else peer
        traffic = _traffic(scope["path"], headers.get("x-web-next-traffic"), peer, edge)
        tokens = context.trace_id.set(trace_id), context.traffic.set(traffic), context.scope.set(scope)
        span = tracing.request_span(self._tracer, scope["method"], headers, trace_id)
        started = time.monotonic()
        status = 0
        start: Message | None = None  # waits for the body, which says whether it is a mock's

        async def send_with_headers(message: Message) -> None:
            nonlocal status, start
            if message["type"] == "http.response.start":
                start = message
                return
            if start:
                status, given = start["status"], [*start.get("headers", ())]
                start["headers"] = [
                    *(header for header in given if header[0] not in self._own),
                    *self._headers,
                    (b"x-trace-id", trace_id.encode()),
                ]
                if _is_mock(given, message.get("body", b"")):
                    start["headers"].append((b"x-web-next-mock", b"true"))
                    if status < 500:
                        metrics.FALLBACKS.labels(context.route(), context.away(), traffic).inc()
                await send(start)
                start = None
            await send(message)

        try:
            with trace.use_span(span, end_on_exit=False) if span.is_recording() else nullcontext():
                await self._limited(scope, headers, receive, send_with_headers)
        except Exception:
            log.exception("request failed")
            if not status:
                await _refuse(500, "internal error")(scope, receive, send_with_headers)
        finally:
            seconds = time.monotonic() - started
            route = context.route()
            method = scope["method"]
            _histogram(route, method if route != "other" else "", status, traffic).observe(seconds)
            tracing.end_request(span, method, route, status)
            if scope["path"] != "/healthz":
                ms = round(seconds * 1000, 1)
                _log({"method": method, "path": scope["path"][:LOGGED], "status": status, "ms": ms})
            context.trace_id.reset(tokens[0])
            context.traffic.reset(tokens[1])
            context.scope.reset(tokens[2])

    async def _limited(self, scope: Scope, headers: Mapping[str, str], receive: Receive, send: Send) -> None:
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        if _is_foreign(headers):
            await _refuse(403, "another origin's page may not do this")(scope, receive, send)
            return
        body = b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            if len(body) > MAX_BODY:
                await _refuse(413, f"body is larger than {MAX_BODY} bytes")(scope, receive, send)
                return
            if not message.get("more_body"):
                break
        body = body or b"{}"
        if fit := self._fitting.get(scope["path"]):
            body = fit(body)
        elif crowded(body):
            await _refuse(422, f"body holds more than {MAX_VALUES} values")(scope, receive, send)
            return
        given = [(name, value) for name, value in scope["headers"] if name not in _OF_THE_BODY]
        scope["headers"] = [*given, _JSON, (b"content-length", str(len(body)).encode())]
        scope[BODY] = body
        replay: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive_again() -> Message:
            return replay.pop() if replay else await receive()

        await self._app(scope, receive_again, send)


def _traffic(path: str, said: str | None, peer: str, edge: bool) -> str:
    """Whose the request is: what an edge says. Containers are asked on loopback whether they live, by no edge."""
    if said is None and path == "/healthz" and peer == "127.0.0.1":
        return "health"
    return said if said in _TRAFFIC and edge else "user"


def _is_foreign(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that a page of another origin sends the request; machines say nothing of it."""
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return True
    own = f"{headers.get('x-forwarded-proto', 'http')}://{headers.get('host', '')}"
    return headers.get("origin", own).lower() != own.lower()


def _headers(scope: Scope) -> dict[str, str]:
    """The request's headers by their names in lower case, the first of each."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(scope["headers"])}


@lru_cache(1024)
def _histogram(route: str, method: str, status: int, traffic: str) -> Histogram:
    return metrics.REQUESTS.labels(route, method, str(status), traffic)


def _log(fields: dict[str, object]) -> None:
    """One line, without looking for who calls."""
    if log.isEnabledFor(logging.INFO):
        record = logging.LogRecord(log.name, logging.INFO, __file__, 0, "request", (), None)
        record.fields = fields
        log.handle(record)


def _refuse(status: int, why: str) -> Response:
    return JSONResponse({"_err": why, "traceId": context.trace_id.get()}, status)


def _is_mock(headers: Iterable[tuple[bytes, bytes]], body: bytes) -> bool:
    """Whether an answer's body, or its first piece, says `_mock`: JSON by its key, an export by a line of its head."""
    if _JSON in headers:
        return b'"_mock":true' in body and from_json(body).get("_mock") is True
    return bool(_MOCK_FILE.match(body))


@lru_cache(1024)
def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:  # a Unix socket's
        return None


def _among(peer: str, networks: Networks) -> bool:
    address = _address(peer)
    return address is not None and any(address in network for network in networks)
