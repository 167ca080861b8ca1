"""An address that leads to one server and then to another, as a name does after a failover."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from socketserver import BaseRequestHandler, ThreadingTCPServer


@dataclass
class Switch:
    """A port of 127.0.0.1 that leads to the port `to`, or nowhere. A connection stays with the server that it was made
    to."""

    to: int | None
    port: int = 0


@contextmanager
def switch(to: int | None) -> Iterator[Switch]:
    """A switch that leads to a port of 127.0.0.1 until it is set to another."""
    made = Switch(to)

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            if made.to is None:
                return
            with suppress(OSError), socket.create_connection(("127.0.0.1", made.to)) as there:
                passes = {self.request: there, there: self.request}
                while True:
                    for ready in select.select(list(passes), [], [])[0]:
                        if not (piece := ready.recv(65536)):
                            return
                        passes[ready].sendall(piece)

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        made.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield made
        finally:
            server.shutdown()
