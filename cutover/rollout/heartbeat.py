"""The watch's heartbeat: when it ticked last and what it saw, for the stack's Prometheus."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, Gauge, make_wsgi_app

from cutover.rollout.status import Status


class Heartbeat:
    """The gauges of one watch, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._ticked = Gauge(
            "web_next_rollout_tick_time_seconds", "When the last tick ended, Unix time", registry=self.registry
        )
        self._on = Gauge(
            "web_next_rollout_phase_on",
            "1 while a phase is on and nobody holds it: then somebody must watch",
            registry=self.registry,
        )
        self._held = Gauge(
            "web_next_rollout_held",
            "1 while a hold keeps users at the candidate: then somebody must decide",
            registry=self.registry,
        )
        self._weight = Gauge(
            "web_next_rollout_weight",
            "The candidate's share in percent, by what says so (record, routes)",
            ["of"],
            registry=self.registry,
        )
        self._evidence = Gauge(
            "web_next_rollout_gate_evidence",
            "The evidence of each gate of the phase that is on; from 1000 on it has failed",
            ["gate"],
            registry=self.registry,
        )

    def beat(self, seconds: float, status: Status | None) -> None:
        """A tick has ended at a time, and saw this; None where there is no rollout."""
        self._ticked.set(seconds)
        self._on.set(status is not None and status.phase_on)
        self._held.set(status is not None and status.held)
        self._weight.clear()
        self._evidence.clear()
        if status is None:
            return
        self._weight.labels("record").set(status.weight)
        if status.routes.weight is not None:
            self._weight.labels("routes").set(status.routes.weight)
        for gate in status.judgement.gates if status.judgement else ():
            self._evidence.labels(gate.name).set(gate.evidence)

    def serve(self, address: str, port: int, asker: str | None = None) -> Callable[[], None]:
        """Answers on a port while the process runs, `asker` alone, or without one whoever gets there; returns what ends
        that earlier. Raises OSError for a port that is taken."""
        server = make_server(address, port, make_wsgi_app(self.registry), Server, Handler)
        server.asker = asker
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return stop


class Handler(WSGIRequestHandler):
    """Says nothing in the log, and waits two seconds for each part of a request, and for its answer to be taken."""

    timeout = 2

    def log_message(self, *_: object) -> None:
        """Nothing."""


class Server(WSGIServer):
    """One at a time, in one thread: a thread for each that asks, as prometheus_client has it, took all the memory that
    the ticks have."""

    asker: str | None = None

    def verify_request(self, _: Any, client_address: Any) -> bool:
        """Anybody but the asker is let go before a byte is read."""
        return self.asker in (None, client_address[0])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who goes away or is too slow is no line of the log."""
