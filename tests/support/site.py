"""The real application on a loopback port, over doubles that a test switches."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import uvicorn

from tests.support.switched import Edge, SwitchedAlerts, SwitchedAudit, SwitchedGuardrails
from webnext.app import create_app
from webnext.assembly import services_for
from webnext.settings import Settings


@dataclass
class Site:
    """The running application and everything that a test may switch."""

    url: str
    edge: Edge
    audit: SwitchedAudit
    guardrails: SwitchedGuardrails
    alerts: SwitchedAlerts


@contextmanager
def running(settings: Settings) -> Iterator[Site]:
    """The application on a loopback port for as long as the block runs."""
    audit, guardrails, alerts = SwitchedAudit(), SwitchedGuardrails(), SwitchedAlerts()
    services = replace(services_for(settings), audit=audit, guardrails=guardrails, alerts=alerts)
    edge = Edge(create_app(services))
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(edge, log_config=None, access_log=False, timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield Site(f"http://127.0.0.1:{listener.getsockname()[1]}", edge, audit, guardrails, alerts)
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()
