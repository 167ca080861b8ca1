"""POST /api/audit/push and /api/audit/list, and POST /api/signals, which is audited."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, HTTPException

from webnext import logs
from webnext.contract import (
    AuditEntryV1,
    ErrorAnswer,
    ListAnswer,
    ListRequest,
    PushAnswer,
    Responses,
    SignalData,
    UnavailableAnswer,
)
from webnext.services import KeyReusedError, Services

IdempotencyKey = Annotated[str | None, Header(pattern=r"^[!-~]{1,200}$")]


def router(services: Services) -> APIRouter:
    """The routes over the audit log."""
    routes = APIRouter(tags=["audit"])
    kept: Responses = {
        409: {"model": ErrorAnswer, "description": "The idempotency key is another entry's"},
        503: {"model": UnavailableAnswer, "description": "Nothing could keep the entry; it was not accepted"},
    }

    async def append(entry: AuditEntryV1, key: str | None) -> PushAnswer:
        try:
            return await services.audit.append(entry, logs.trace_id.get() or "", key)
        except KeyReusedError as error:
            raise HTTPException(409, str(error)) from error

    @routes.post("/api/audit/push", responses=kept)
    async def push(entry: AuditEntryV1, idempotency_key: IdempotencyKey = None) -> PushAnswer:
        """Keep one entry. `ok` means that it is kept, and, sent again under the same Idempotency-Key, kept once."""
        return await append(entry, idempotency_key)

    @routes.post("/api/audit/list")
    async def newest(wanted: ListRequest) -> ListAnswer:
        """The newest entries first."""
        return await services.audit.newest(wanted.limit, wanted.traceId)

    @routes.post("/api/signals", responses=kept)
    async def signal(signal: SignalData, idempotency_key: IdempotencyKey = None) -> PushAnswer:
        """Take a model's signal into the audit log, as action `signal` under the signal's own trace id."""
        details = signal.model_dump(mode="json")
        entry = AuditEntryV1(action="signal", result="ok", traceId=signal.audit.traceId, details=details)
        return await append(entry, idempotency_key)

    return routes
