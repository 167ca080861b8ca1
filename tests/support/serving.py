"""An ASGI application served by uvicorn on loopback, from a thread of the test's own process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from tests.support.containers import free_port, wait_until


@contextmanager
def served(app: ASGIApp, **told: Any) -> Iterator[str]:
    """Serve the application, with what else uvicorn is told; yield its address."""
    port = free_port()
    told = {"log_config": None, "access_log": False, "server_header": False} | told | {"host": "127.0.0.1"}
    config = uvicorn.Config(app, port=port, **told)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        wait_until(lambda: server.started, "uvicorn")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)
