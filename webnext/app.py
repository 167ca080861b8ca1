"""The routes of web-next."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from webnext import health, logs
from webnext.audit import AuditLog, AuditUnavailableError, EntryRefusedError, MockAudit, PostgresAudit
from webnext.entry import AuditEntry, ListRequest
from webnext.envelope import Envelope
from webnext.settings import Settings
from webnext.vault import Vault, secrets_manager

MAX_BODY = 256 * 1024
"""Bytes of a request's body."""

log = logging.getLogger("webnext.app")

_Model = TypeVar("_Model", bound=BaseModel)


class App:
    """The routes over one audit log."""

    def __init__(self, settings: Settings, audit: AuditLog) -> None:
        self._settings = settings
        self._audit = audit
        self._started = time.monotonic()

    async def alive(self, _: Request) -> Response:
        """GET /healthz: the process answers. For containers and load balancers."""
        return PlainTextResponse("ok\n")

    async def healthz(self, _: Request) -> Response:
        """GET /api/healthz. `ok` is about this process; a missing Postgres shows in checks.audit only."""
        uptime = round(time.monotonic() - self._started, 1)
        memory = health.memory()
        return JSONResponse(
            {
                "ok": memory["ok"],
                "buildSha": self._settings.build_sha,
                "environment": self._settings.environment,
                "uptimeSec": uptime,
                "version": self._settings.version,
                "flags": dict(self._settings.flags),
                "checks": {
                    "memory": memory,
                    "uptime": {"ok": True, "seconds": uptime},
                    "audit": await health.audit(self._audit),
                },
            }
        )

    async def push(self, request: Request) -> Response:
        """POST /api/audit/push. {ok: true, id} means the row is stored.

        {ok: false, _err, _mock: true} with status 200 means the entry was NOT accepted: Postgres is away
        and there is nothing behind it yet. The caller keeps the entry and sends it again.
        """
        entry = await _parse(request, AuditEntry)
        trace_id = logs.trace_id.get() or ""
        try:
            number = await self._audit.append(entry, trace_id)
        except AuditUnavailableError as error:
            log.warning("audit entry not accepted: %s", error)
            return JSONResponse({"ok": False, "_err": "audit store unavailable", "_mock": True})
        except EntryRefusedError as error:
            raise HTTPException(422, f"entry cannot be stored: {error}") from error
        return JSONResponse({"ok": True, "id": number})

    async def newest(self, request: Request) -> Response:
        """POST /api/audit/list. {_mock: false, items}, newest first, or {_mock: true, items: []}."""
        wanted = await _parse(request, ListRequest)
        try:
            items = await self._audit.newest(wanted.limit)
        except AuditUnavailableError as error:
            log.warning("audit list answered without Postgres: %s", error)
            return JSONResponse({"_mock": True, "items": []})
        return JSONResponse({"_mock": False, "items": items})


def create_app(settings: Settings, audit: AuditLog) -> ASGIApp:
    """Return the application; it opens the audit log when it starts and closes it when it stops."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await audit.open()
        yield
        await audit.close()

    app = App(settings, audit)
    routes = Starlette(
        routes=[
            Route("/healthz", app.alive),
            Route("/api/healthz", app.healthz),
            Route("/api/audit/push", app.push, methods=["POST"]),
            Route("/api/audit/list", app.newest, methods=["POST"]),
        ],
        exception_handlers={HTTPException: _refuse, Exception: _fail},
        lifespan=lifespan,
    )
    return Envelope(routes, settings)


def audit_for(settings: Settings) -> AuditLog:
    """Return the audit log that the settings ask for: Postgres, or the mock without a vault prefix."""
    if settings.vault_prefix is None:
        return MockAudit()
    return PostgresAudit(Vault(settings.vault_prefix, lambda: secrets_manager(settings.s3_region)))


async def _parse(request: Request, model: type[_Model]) -> _Model:
    """Return the body as a `model`, whatever its content type says; an empty body is an empty object.

    Raises HTTPException: 400 not JSON, 413 above MAX_BODY, 422 not the model.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise HTTPException(413, f"body is larger than {MAX_BODY} bytes")
    try:
        value = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        raise HTTPException(400, "body is not JSON") from None
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in problem['loc']) or 'body'}: {problem['msg']}"
            for problem in error.errors(include_url=False, include_input=False, include_context=False)
        )
        raise HTTPException(422, problems) from None


async def _refuse(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    body = {"_err": error.detail, "traceId": logs.trace_id.get()}
    return JSONResponse(body, status_code=error.status_code, headers=error.headers)


async def _fail(_: Request, __: Exception) -> Response:
    return JSONResponse({"_err": "internal error", "traceId": logs.trace_id.get()}, status_code=500)
