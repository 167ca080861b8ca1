"""OpenTelemetry: the tracer `web-next`, versioned by BUILD_SHA. Spans are exported only where an endpoint is set."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from webnext import aws
from webnext.settings import Settings
from webnext.vault import Vault

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
FLUSH_SECONDS = 1.0

_CALLER = TraceContextTextMapPropagator()
"""No baggage, which nobody reads here: taking it apart takes the square of its length."""


def configure(settings: Settings, vault: Vault, environ: Mapping[str, str] = os.environ) -> None:
    """Export spans by OTLP over HTTP if one of ENDPOINTS is set; otherwise spans cost next to nothing.

    A request waits for none of it: 2048 spans wait at most, and what comes beyond them is dropped.
    """
    if not any(environ.get(name) for name in ENDPOINTS):
        return
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from webnext.exporter import SECRET, Exporter, TraceIds

    resource = Resource.create(
        {
            "service.name": "web-next",
            "service.version": settings.version,
            "deployment.environment.name": settings.environment,
        }
    )
    provider = TracerProvider(resource=resource, id_generator=TraceIds())
    exporter = Exporter(vault if SECRET in settings.vault_entries else None)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=2048))
    trace.set_tracer_provider(provider)


async def flush() -> None:
    """Have the spans that wait sent, for FLUSH_SECONDS at most. To be called when a process is to end: a signal ends it
    without the library's own handler."""
    if sending := getattr(trace.get_tracer_provider(), "force_flush", None):
        with suppress(TimeoutError):  # the loop would wait for a thread of its own
            await asyncio.wait_for(aws.in_thread(sending), FLUSH_SECONDS)


def tracer(settings: Settings) -> trace.Tracer:
    """The tracer of every span of web-next."""
    return trace.get_tracer("web-next", settings.build_sha)


def request_span(tracer: trace.Tracer, method: str, headers: Mapping[str, str], trace_id: str) -> Span:
    """A started server span, below the caller's where the headers have a W3C traceparent."""
    return tracer.start_span(
        method,
        context=_CALLER.extract(headers),
        kind=SpanKind.SERVER,
        attributes={"http.request.method": method, "web_next.trace_id": trace_id},
    )


def delivery_span(tracer: trace.Tracer, trace_id: str) -> AbstractContextManager[Span]:
    """A span for the block, in the trace of the request whose alert it delivers where that began here."""
    return tracer.start_as_current_span(
        "deliver alert", kind=SpanKind.CONSUMER, attributes={"web_next.trace_id": trace_id}
    )


def end_request(span: Span, method: str, route: str, status: int) -> None:
    """Name the span by its route, note the status, and end it."""
    span.update_name(f"{method} {route}")
    span.set_attribute("http.route", route)
    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        span.set_status(Status(StatusCode.ERROR))
    span.end()
