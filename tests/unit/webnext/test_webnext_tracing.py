"""Spans as a collector receives them: a process of its own, because a tracer provider is set once for each."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support import fence

ROOT = Path(__file__).parents[3]
PARENT = "0af7651916cd43dd8448eb211c80319c"
PROCESS = f"""
import asyncio, httpx
from opentelemetry import trace
from webnext import tracing
from webnext.app import create_app
from webnext.assembly import services_for
from webnext.settings import Settings

settings = Settings(build_sha="4f2c1d9", version="1.5.1", environment="test")
tracing.configure(settings)

async def main():
    app = httpx.ASGITransport(app=create_app(services_for(settings)))
    async with httpx.AsyncClient(transport=app, base_url="http://web-next") as client:
        headers = {{"x-trace-id": "page-1234", "traceparent": "00-{PARENT}-b7ad6b7169203331-01"}}
        await client.post("/api/audit/list", json={{}}, headers=headers)
        await client.get("/nowhere/at/all")

asyncio.run(main())
provider = trace.get_tracer_provider()
getattr(provider, "shutdown", lambda: None)()
"""


class Collector:
    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []

    @property
    def spans(self) -> dict[str, tuple[str, str, dict[str, str], str]]:
        """Span's name → tracer's name, its version, the attributes as text, the trace's id."""
        found = {}
        for request in self.requests:
            for resource in request.resource_spans:
                for scope in resource.scope_spans:
                    for span in scope.spans:
                        attributes = {
                            each.key: each.value.string_value or str(each.value.int_value) for each in span.attributes
                        }
                        found[span.name] = (scope.scope.name, scope.scope.version, attributes, span.trace_id.hex())
        return found


@pytest.fixture
def collector() -> Iterator[tuple[Collector, str]]:
    received = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            body = self.rfile.read(int(self.headers["content-length"]))
            received.requests.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield received, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def run(**environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROCESS],
        env=fence.ENVIRONMENT | environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_spans_are_exported_by_the_tracer_web_next_versioned_by_the_build(collector: tuple[Collector, str]) -> None:
    received, endpoint = collector

    run(OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)

    name, version, attributes, trace = received.spans["POST /api/audit/list"]
    assert (name, version) == ("web-next", "4f2c1d9")
    assert attributes["web_next.trace_id"] == "page-1234"
    assert attributes["http.response.status_code"] == "200"
    assert trace == PARENT, "the caller's trace goes on"
    resource = {
        each.key: each.value.string_value for each in received.requests[0].resource_spans[0].resource.attributes
    }
    assert resource["service.name"] == "web-next"
    assert resource["deployment.environment.name"] == "test"


def test_a_path_that_no_route_takes_does_not_name_a_span(collector: tuple[Collector, str]) -> None:
    received, endpoint = collector

    run(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{endpoint}/v1/traces")

    assert "GET other" in received.spans
    assert not any("nowhere" in name for name in received.spans)


def test_without_an_endpoint_nothing_is_exported(collector: tuple[Collector, str]) -> None:
    received, _ = collector

    run()

    assert received.requests == []
