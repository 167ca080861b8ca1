"""Serving HTTP: on a port, until SIGTERM, what was begun being finished first."""

from __future__ import annotations

import json

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from webnext.envelope import trace_id_for

PORT = 3003
GRACE_SECONDS = 8
"""For requests that have begun; Docker and ECS kill after 10 and 30 s."""
KEEP_ALIVE_SECONDS = 75
"""Longer than nginx keeps an idle connection (60): whoever closes first must be the one who sends."""


class Protocol(HttpToolsProtocol):
    """Says in the form of every refusal what it cannot read, but for the header X-Trace-Id: an answer that has one is
    the app's, which counts it. The edge adds its own, and writes the trace id before what callers write."""

    def send_400_response(self, msg: str) -> None:
        trace_id = trace_id_for(dict(self.headers or ()).get(b"x-trace-id", b"").decode("latin-1"))
        body = json.dumps({"_err": msg, "traceId": trace_id})
        fields = f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(f"HTTP/1.1 400 Bad Request\r\n{fields}connection: close\r\n\r\n{body}".encode())
        self.transport.close()


def serve(app: ASGIApp, port: int) -> None:
    """Serve one application until SIGTERM."""
    uvicorn.run(
        app,
        http=Protocol,
        host="0.0.0.0",  # noqa: S104  (inside a container, behind the edge)
        port=port,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
