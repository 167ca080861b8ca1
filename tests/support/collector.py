"""A collector of spans, as OTLP over HTTP has it: what it was sent, with which headers, and how it is to answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.answering import Server


@dataclass(frozen=True)
class Sent:
    """A span: its tracer's name and version, its attributes as text, its trace's id, and what it was sent with."""

    name: str
    tracer: str
    version: str
    attributes: Mapping[str, str]
    trace: str
    resource: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass
class Collector:
    """Where it is, and the spans that it took. It answers with `status`, once `go_on` is set."""

    url: str = ""
    status: int = 200
    go_on: threading.Event = field(default_factory=threading.Event)
    asked: int = 0
    spans: list[Sent] = field(default_factory=list)

    def named(self, name: str) -> Sent:
        """The newest span of this name."""
        return next(one for one in reversed(self.spans) if one.name == name)

    def of(self, trace_id: str) -> list[Sent]:
        """The spans that name a trace id which people see."""
        return [one for one in self.spans if one.attributes.get("web_next.trace_id") == trace_id]

    def take(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Keep the spans of a request."""
        for batch in ExportTraceServiceRequest.FromString(body).resource_spans:
            resource = {each.key: each.value.string_value for each in batch.resource.attributes}
            for scope in batch.scope_spans:
                for span in scope.spans:
                    attributes = {
                        each.key: each.value.string_value or str(each.value.int_value) for each in span.attributes
                    }
                    trace = span.trace_id.hex()
                    tracer = scope.scope.name, scope.scope.version
                    self.spans.append(Sent(span.name, *tracer, attributes, trace, resource, headers))


@contextmanager
def collecting(address: str = "127.0.0.1") -> Iterator[Collector]:
    """A collector at an address of this machine, while the block runs."""
    made = Collector()
    made.go_on.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            made.asked += 1
            made.go_on.wait()
            status = made.status if self.path == "/v1/traces" else 404
            if status == 200:
                made.take(body, {name.lower(): value for name, value in self.headers.items()})
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None: ...

    server = Server((address, 0), Handler)
    made.url = f"http://{address}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield made
    finally:
        made.go_on.set()
        server.shutdown()
        thread.join()
        server.server_close()
