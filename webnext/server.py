"""Serving HTTP: on a port, until SIGTERM, what was begun being finished first."""

from __future__ import annotations

import uvicorn
from starlette.types import ASGIApp

PORT = 3003
GRACE_SECONDS = 8
"""For requests that have begun; Docker and ECS kill after 10 and 30 s."""
KEEP_ALIVE_SECONDS = 75
"""Longer than nginx keeps an idle connection (60): whoever closes first must be the one who sends."""


def serve(app: ASGIApp, port: int) -> None:
    """Serve one application until SIGTERM."""
    uvicorn.run(
        app,
        host="0.0.0.0",  # noqa: S104  (inside a container, behind the edge)
        port=port,
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
