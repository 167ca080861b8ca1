"""web-next as an ASGI application: the routes over their services."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp

from webnext import alerts, audit, dashboard, evidence, guardrails, health, logs, snapshot
from webnext.contract import ErrorAnswer, HealthAnswer, UnavailableAnswer
from webnext.dependency import AwayError
from webnext.envelope import Envelope
from webnext.services import Services

RETRY_SECONDS = 5
"""What Retry-After says where nothing could take a request: longer than the breakers wait."""

OPENAPI = "/api/openapi.json"


def create_app(services: Services) -> ASGIApp:
    """Return the application; it opens the services when it starts and closes them when it stops."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await services.open()
        yield
        await services.close()

    app = FastAPI(
        title="web-next",
        version=services.settings.version,
        summary="The console of a trading platform: its API contract.",
        openapi_url=OPENAPI,
        docs_url=None,  # its page loads scripts from elsewhere, which the Content-Security-Policy forbids
        redoc_url=None,
        lifespan=lifespan,
        generate_unique_id_function=_operation,
        redirect_slashes=False,
        responses={
            403: {"model": ErrorAnswer, "description": "A browser sent it for another site's page"},
            413: {"model": ErrorAnswer, "description": "The body is too large"},
            422: {"model": ErrorAnswer, "description": "The body is JSON, but not this"},
            400: {"model": ErrorAnswer, "description": "The body is not JSON, or the action is none"},
        },
    )
    app.include_router(_process_routes(services))
    for router in (audit.router, evidence.router, alerts.router, guardrails.router, snapshot.router, dashboard.router):
        app.include_router(router(services))
    app.add_exception_handler(HTTPException, _refuse)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(AwayError, _unavailable)
    app.add_exception_handler(Exception, _fail)
    return Envelope(app, services.settings)


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


def _error(status: int, why: str, headers: dict[str, str] | None = None) -> Response:
    answer = ErrorAnswer(err=why, traceId=logs.trace_id.get() or "")
    return JSONResponse(answer.model_dump(), status, headers)


async def _refuse(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _error(error.status_code, error.detail, dict(error.headers or {}))


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    problems = error.errors()
    if any(problem["type"] == "json_invalid" for problem in problems):
        return _error(400, "body is not JSON")
    clauses = (
        f"{'.'.join(str(part) for part in problem['loc'] if part != 'body') or 'body'}: {problem['msg']}"
        for problem in problems
    )
    return _error(422, "; ".join(clauses))


async def _unavailable(_: Request, error: Exception) -> Response:
    assert isinstance(error, AwayError)
    answer = UnavailableAnswer(err=str(error), traceId=logs.trace_id.get() or "")
    return JSONResponse(answer.model_dump(), 503, {"Retry-After": str(RETRY_SECONDS)})


async def _fail(_: Request, __: Exception) -> Response:
    return _error(500, "internal error")
