"""The double as an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from webnext import refusals
from webnext.dependency import every
from webnext.double import routes
from webnext.double.journal import AuditStore, Journal, forward
from webnext.double.objects import Objects, SignatureError, SizeError
from webnext.double.store import Store
from webnext.double.trading import NonsenseError, TradingDesk, UnknownError
from webnext.envelope import Envelope
from webnext.services import KeyReusedError, NotUploadedError, TooLargeError
from webnext.settings import Settings

FORWARD_SECONDS = 2.0

_STATUSES: dict[type[Exception], int] = {
    KeyReusedError: 409,
    NonsenseError: 422,
    UnknownError: 404,
    NotUploadedError: 404,
    TooLargeError: 413,
    SizeError: 400,
    SignatureError: 403,
}


def create_double(settings: Settings, folder: Path, audit: AuditStore | None = None) -> ASGIApp:
    """Return the application over what `folder` holds; it forwards the journal to `audit` where there is one.

    Raises OSError or sqlite3.Error where the folder cannot be written.
    """
    store = Store(folder)
    desk, journal, objects = TradingDesk(store), Journal(store), Objects(folder / "objects")

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await desk.open()
        async with _forwarding(journal, audit):
            yield
        await store.close()

    app = FastAPI(title="executor double", lifespan=lifespan, docs_url=None, redoc_url=None, redirect_slashes=False)
    for router in (
        routes.trading(desk),
        routes.audit(journal),
        routes.evidence(objects, settings.executor_url),
        routes.slack(store),
    ):
        app.include_router(router)
    refusals.install(app, _STATUSES)
    return _Envelope(app, settings)


@asynccontextmanager
async def _forwarding(journal: Journal, audit: AuditStore | None) -> AsyncIterator[None]:
    if audit is None:
        yield
        return
    await audit.open()
    work = every(FORWARD_SECONDS, "forwarding the journal", lambda: forward(journal, audit))
    task = asyncio.create_task(work)
    yield
    task.cancel()
    await asyncio.wait({task})
    await audit.close()


class _Envelope(Envelope):
    """Lets evidence through as it is: it is no JSON, and has a limit of its own."""

    async def _limited(self, scope: Scope, headers: Mapping[str, str], receive: Receive, send: Send) -> None:
        if scope["method"] == "PUT":
            await self._app(scope, receive, send)
        else:
            await super()._limited(scope, headers, receive, send)
