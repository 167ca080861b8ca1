"""The double as an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from webnext import refusals
from webnext.audit.row import row_of
from webnext.audit.writer import Writer
from webnext.contract import AuditEntryV1
from webnext.dependency import every
from webnext.double import routes
from webnext.double.journal import Journal, forward
from webnext.double.objects import Objects, SignatureError, SizeError
from webnext.double.receiver import Receiver
from webnext.double.store import Store
from webnext.double.trading import NonsenseError, TradingDesk, UnknownError
from webnext.envelope import Envelope
from webnext.postgres import Postgres
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


def create_double(settings: Settings, folder: Path, postgres: Postgres | None = None) -> ASGIApp:
    """Return the application over what `folder` holds; it forwards the journal to `postgres` where there is one.

    Raises OSError or sqlite3.Error where the folder cannot be written.
    """
    store = Store(folder)
    desk, journal, objects = TradingDesk(store), Journal(store), Objects(folder / "objects")

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await desk.open()
        async with _forwarding(journal, postgres):
            yield
        await store.close()

    app = FastAPI(title="executor double", lifespan=lifespan, docs_url=None, redoc_url=None, redirect_slashes=False)
    for router in (
        routes.trading(desk),
        routes.audit(journal),
        routes.evidence(objects, settings.executor_url),
        routes.alerts(Receiver(store)),
    ):
        app.include_router(router)
    refusals.install(app, _STATUSES)
    return _Envelope(app, settings)


@asynccontextmanager
async def _forwarding(journal: Journal, postgres: Postgres | None) -> AsyncIterator[None]:
    if postgres is None:
        yield
        return
    writer = Writer(postgres)

    async def append(entry: AuditEntryV1, trace_id: str, key: str) -> object:
        return await writer.append(row_of(entry, trace_id, key))

    await postgres.open()
    task = asyncio.create_task(every(FORWARD_SECONDS, "forwarding the journal", lambda: forward(journal, append)))
    yield
    task.cancel()
    await asyncio.wait({task})
    await writer.close()
    await postgres.close()


class _Envelope(Envelope):
    """Lets evidence through as it is: it is no JSON, and has a limit of its own."""

    async def _limited(self, scope: Scope, headers: Mapping[str, str], receive: Receive, send: Send) -> None:
        if scope["method"] == "PUT":
            await self._app(scope, receive, send)
        else:
            await super()._limited(scope, headers, receive, send)
