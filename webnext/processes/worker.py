"""The worker: delivers alerts and cleans evidence up, side by side, while ALERTS_CONSUME is on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from webnext import metrics, tracing
from webnext.alerts.worker import AlertWorker
from webnext.assembly import services_for
from webnext.evidence.cleanup import clean_daily
from webnext.server import PORT, serve
from webnext.services import Services
from webnext.settings import Settings

log = logging.getLogger("webnext.worker")


def run(settings: Settings) -> int:
    """Do what the adapters that are real leave to do until SIGTERM, with /healthz on PORT, the metrics on their own."""
    services = services_for(settings)
    tracing.configure(settings, services.vault)
    metrics.serve(settings, "worker")
    worker = AlertWorker(settings, services.flags, services.vault, services.postgres)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as parts:
            parts.push_async_callback(tracing.flush)
            await services.flags.open()
            parts.push_async_callback(services.flags.close)
            if settings.adapters.queue == "production":
                await worker.start()
                parts.push_async_callback(worker.stop)
            else:
                log.info("the queue adapter is a mock: there is nothing to deliver")
            if settings.adapters.evidence == "production":
                await parts.enter_async_context(_cleaning(services))
            yield

    async def healthz(_: Request) -> PlainTextResponse:
        if stuck := worker.stuck():
            return PlainTextResponse(f"stuck: {', '.join(stuck)}\n", 503)
        return PlainTextResponse("ok\n")

    serve(Starlette(routes=[Route("/healthz", healthz)], lifespan=lifespan), PORT)
    return 0


@asynccontextmanager
async def _cleaning(services: Services) -> AsyncIterator[None]:
    await services.audit.open()
    task = asyncio.create_task(clean_daily(services.settings, services.flags, services.audit))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
        await services.audit.close()
        await services.executor.close()
