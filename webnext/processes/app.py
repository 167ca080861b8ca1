"""The app: the API and the dashboard."""

from __future__ import annotations

from webnext import metrics, tracing
from webnext.app import create_app
from webnext.assembly import services_for
from webnext.server import PORT, serve
from webnext.settings import Settings


def run(settings: Settings) -> int:
    """Serve the API and the dashboard on PORT until SIGTERM, the metrics on their own."""
    services = services_for(settings)
    tracing.configure(settings, services.vault)
    metrics.serve(settings, "app")
    serve(create_app(services), PORT)
    return 0
