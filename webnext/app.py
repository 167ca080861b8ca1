"""web-next as an ASGI application: the routes over their services."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp

from webnext import health, refusals, tracing
from webnext.alerts import routes as alerts
from webnext.audit import routes as audit
from webnext.audit.push import StraightPush
from webnext.contract.alerts import fitting
from webnext.contract.health import HealthAnswer
from webnext.dashboard import routes as dashboard
from webnext.envelope import Envelope
from webnext.evidence import routes as evidence
from webnext.guardrails import routes as guardrails
from webnext.openapi import REFUSALS, DocumentedAPI
from webnext.services import Services
from webnext.snapshot import routes as snapshot

OPENAPI = "/api/openapi.json"


def create_app(services: Services) -> ASGIApp:
    """Return the application; it opens the services when it starts and closes them when it stops."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await services.open()
        yield
        await services.close()
        await tracing.flush()

    app = DocumentedAPI(
        title="web-next",
        version=services.settings.version,
        summary="The console of a trading platform: its API contract.",
        openapi_url=OPENAPI,
        docs_url=None,  # its page loads scripts from elsewhere, which the Content-Security-Policy forbids
        redoc_url=None,
        lifespan=lifespan,
        generate_unique_id_function=_operation,
        redirect_slashes=False,
        responses=REFUSALS,
        telemetry={"tracing": False},  # the envelope's span is the one of a request
    )
    app.include_router(_process_routes(services))
    for router in (audit.router, evidence.router, alerts.router, guardrails.router, snapshot.router, dashboard.router):
        app.include_router(router(services))
    refusals.install(app)
    return Envelope(StraightPush(app, services, app.exception_handlers), services.settings, {alerts.WEBHOOK: fitting})


def _process_routes(services: Services) -> APIRouter:
    """The routes about the process itself."""
    router = APIRouter()
    started = time.monotonic()
    settings = services.settings

    @router.api_route("/healthz", methods=["GET", "HEAD"], response_class=PlainTextResponse, include_in_schema=False)
    async def alive() -> str:
        """The process answers. For containers and load balancers; not limited at the edge."""
        return "ok\n"

    @router.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def home() -> Response:
        return RedirectResponse("/dashboard", 307)

    @router.get("/api/healthz")
    async def healthz() -> HealthAnswer:
        """`ok` is about this process; what it depends on shows in `checks` only."""
        checks = await health.checks(services.parts, time.monotonic() - started)
        return HealthAnswer(
            ok=checks.memory.ok,
            buildSha=settings.build_sha,
            environment=settings.environment,
            uptimeSec=checks.uptime.seconds,
            version=settings.version,
            flags=services.flags.now.model_dump(),
            checks=checks,
        )

    return router


def _operation(route: APIRoute) -> str:
    return route.name
