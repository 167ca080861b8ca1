"""OpenTelemetry: the tracer `web-next`, versioned by BUILD_SHA. Spans are exported only where an endpoint is set."""

from __future__ import annotations

import os
from collections.abc import Mapping

from opentelemetry import trace
from opentelemetry.propagate import extract
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from webnext.settings import Settings

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def configure(settings: Settings, environ: Mapping[str, str] = os.environ) -> None:
    """Export spans by OTLP over HTTP if one of ENDPOINTS is set; otherwise spans cost next to nothing."""
    if not any(environ.get(name) for name in ENDPOINTS):
        return
    # Imported here: an exporter that is not used costs 20 MB.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    resource = Resource.create(
        {
            "service.name": "web-next",
            "service.version": settings.version,
            "deployment.environment.name": settings.environment,
        }
    )
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(timeout=5)))
    trace.set_tracer_provider(provider)


def tracer(settings: Settings) -> trace.Tracer:
    """The tracer of every span of web-next."""
    return trace.get_tracer("web-next", settings.build_sha)


def request_span(tracer: trace.Tracer, method: str, headers: Mapping[str, str], trace_id: str) -> Span:
    """A started server span, below the caller's where the headers have a W3C traceparent."""
    return tracer.start_span(
        method,
        context=extract(headers),
        kind=SpanKind.SERVER,
        attributes={"http.request.method": method, "web_next.trace_id": trace_id},
    )


def end_request(span: Span, method: str, route: str, status: int) -> None:
    """Name the span by its route, note the status, and end it."""
    span.update_name(f"{method} {route}")
    span.set_attribute("http.route", route)
    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        span.set_status(Status(StatusCode.ERROR))
    span.end()
