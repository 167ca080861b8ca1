"""POST /api/audit/push and /api/audit/list, and POST /api/signals, which is audited."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header

from webnext.audit.push import KEY, PATH, keeper
from webnext.contract.audit import AuditEntryV1, ListAnswer, ListRequest, PushAnswer
from webnext.contract.base import ErrorAnswer, Responses, UnavailableAnswer
from webnext.contract.signals import SignalData
from webnext.services import Services

IdempotencyKey = Annotated[str | None, Header(pattern=KEY)]


def router(services: Services) -> APIRouter:
    """The routes over the audit log."""
    routes = APIRouter(tags=["audit"])
    kept: Responses = {
        409: {"model": ErrorAnswer, "description": "The idempotency key is another entry's"},
        503: {"model": UnavailableAnswer, "description": "Nothing could keep the entry; it was not accepted"},
    }

    keep = keeper(services)

    # Answered by StraightPush where the request is valid; this documents it and refuses the others.
    @routes.post(PATH, responses=kept)
    async def push(entry: AuditEntryV1, idempotency_key: IdempotencyKey = None) -> PushAnswer:
        """Keep one entry. `ok` means that it is kept, and, sent again under the same Idempotency-Key, kept once."""
        return await keep(entry, idempotency_key)

    @routes.post("/api/audit/list")
    async def newest(wanted: ListRequest) -> ListAnswer:
        """The newest entries first."""
        return await services.audit.newest(wanted.limit, wanted.traceId, wanted.after)

    @routes.post("/api/signals", responses=kept)
    async def signal(signal: SignalData, idempotency_key: IdempotencyKey = None) -> PushAnswer:
        """Take a model's signal into the audit log, as action `signal` under the signal's own trace id."""
        details = signal.model_dump(mode="json")
        entry = AuditEntryV1(action="signal", result="ok", traceId=signal.audit.traceId, details=details)
        return await keep(entry, idempotency_key)

    return routes
