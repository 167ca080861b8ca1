"""The double as an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from hmac import compare_digest
from pathlib import Path

from fastapi import Depends, FastAPI, HTTPException, Request
from starlette.types import ASGIApp, Receive, Scope, Send

from webnext import refusals
from webnext.audit.row import row_of
from webnext.audit.writer import Writer
from webnext.aws import in_thread
from webnext.dependency import every
from webnext.double import routes
from webnext.double.journal import Journal, Waiting, forward
from webnext.double.objects import Objects
from webnext.double.receiver import Receiver
from webnext.double.store import Store
from webnext.double.trading import TradingDesk
from webnext.envelope import Envelope
from webnext.executor import Bearer
from webnext.postgres import Postgres
from webnext.settings import Settings
from webnext.vault import VaultError

FORWARD_SECONDS = 2.0
CLOSED = ("/guardrails", "/strategies", "/batches", "/audit/", "/evidence/zip", "/evidence/archive")
"""What is the executor's own. What a test asks of the double, alerts, and addresses that are signed need no token."""


def create_double(
    settings: Settings, folder: Path, postgres: Postgres | None = None, token: Bearer | None = None
) -> ASGIApp:
    """Return the application over what `folder` holds; it forwards the journal to `postgres` where there is one.

    With a `token` it takes calls of the executor's API that show it, as it is when the first one comes: an executor
    does not learn from the vault. Raises OSError or sqlite3.Error where the folder cannot be written.
    """
    store = Store(folder)
    desk, journal, objects = TradingDesk(store), Journal(store), Objects(folder / "objects")
    known = ""

    async def authorized(request: Request) -> None:
        nonlocal known
        if token and request.url.path.startswith(CLOSED):
            try:
                known = known or await in_thread(token.read)
            except VaultError as error:
                raise HTTPException(503, str(error)) from error
            if not compare_digest(request.headers.get("authorization", "").encode(), known.encode()):
                raise HTTPException(401, "Authorization does not show the token", {"WWW-Authenticate": "Bearer"})

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await desk.open()
        async with _forwarding(journal, postgres):
            yield
        await store.close()

    app = FastAPI(
        title="executor double",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        dependencies=[Depends(authorized)],
    )
    for router in (
        routes.trading(desk),
        routes.audit(journal),
        routes.evidence(objects, settings.executor_url),
        routes.alerts(Receiver(store)),
    ):
        app.include_router(router)
    refusals.install(app)
    return _Envelope(app, settings)


@asynccontextmanager
async def _forwarding(journal: Journal, postgres: Postgres | None) -> AsyncIterator[None]:
    if postgres is None:
        yield
        return
    writer = Writer(postgres)

    async def append(one: Waiting) -> object:
        return await writer.append(row_of(one.entry, one.trace_id, one.key, actor=one.actor))

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
