"""An edge of one thread for tests: it shows a certificate for a name that leads nowhere, and says what it was asked."""

from __future__ import annotations

import http.server
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cutover.smoke.pin import ANSWERED_BY_EDGE, ANSWERED_BY_TRACK, TRACK_HEADER
from outputs.smoke import EdgeSummary
from tests.support.edges import certificate

NAME = "console.web-next.test"
"""A name of a domain that is kept for tests: no resolver knows it."""


class _Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"host": self.headers["host"], "pending": 3, "_mock": False}).encode()
        self.send_response(200)
        self.send_header(ANSWERED_BY_EDGE, "edge-1")
        self.send_header(ANSWERED_BY_TRACK, self.headers.get(TRACK_HEADER, "stable"))
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def tls_edge(
    folder: Path,
    names: str = f"DNS:{NAME}",
    handler: type[http.server.BaseHTTPRequestHandler] = _Answer,
) -> Iterator[EdgeSummary]:
    """The edge, reached at 127.0.0.1, with a certificate for `names`, for the block; `handler` answers."""
    certificate(folder, names)
    told = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    told.load_cert_chain(folder / "edge.pem", folder / "edge.key")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        port = server.server_port
        server.socket = told.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield EdgeSummary(
                url=f"https://{NAME}:{port}",
                address="127.0.0.1",
                authority=str(folder / "edge.pem"),
                rate_per_minute=60,
                burst=10,
                config="c",
            )
        finally:
            server.shutdown()
            thread.join()
