"""POST /api/alerts/webhook, GET and POST /api/alerts/queue, GET /api/alerts/dlq."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query

from webnext import context
from webnext.audit.own import audited
from webnext.contract.alerts import (
    MOST,
    Alert,
    AlertAnswer,
    DeadLettersAnswer,
    QueueActionAnswer,
    QueueAnswer,
    QueueRequest,
    short,
    text_of,
)
from webnext.contract.base import ErrorAnswer, Responses, UnavailableAnswer
from webnext.services import Services

WEBHOOK = "/api/alerts/webhook"
Limit = Annotated[int, Query(ge=1, le=MOST)]
Offset = Annotated[int, Query(ge=0, le=10**9)]


def router(services: Services) -> APIRouter:
    """The routes over the alert queues."""
    routes = APIRouter(tags=["alerts"])
    away: Responses = {503: {"model": UnavailableAnswer, "description": "Nothing could take it; nothing was done"}}

    @routes.post(WEBHOOK, status_code=202, responses=away)
    async def webhook(alert: Alert) -> AlertAnswer:
        """Take an alert: from 202 on it is delivered at least once."""
        return await services.alerts.accept(alert.model_dump(mode="json"), context.trace_id.get() or "")

    @routes.get("/api/alerts/queue")
    async def counts() -> QueueAnswer:
        """What waits, from the queues themselves."""
        return await services.alerts.counts()

    @routes.get("/api/alerts/dlq")
    async def dead_letters(limit: Limit = 50, offset: Offset = 0) -> DeadLettersAnswer:
        """The dead letters, the newest first, `limit` of them after `offset`."""
        return await services.alerts.dead_letters(offset, limit)

    @routes.post(
        "/api/alerts/queue",
        responses=away | {404: {"model": ErrorAnswer, "description": "No dead letter has that id"}},
    )
    async def act(wanted: QueueRequest) -> QueueActionAnswer:
        """Put dead letters back, one a second, or drop all; either is audited with who did it."""
        by = short(text_of(wanted.by), 100)
        who = {"by": by} if by else {}
        if wanted.action == "purge_dlq":
            purged = await services.alerts.purge()
            await audited(services.audit, "alerts.purge_dlq", {"purged": purged, **who})
            return QueueActionAnswer(action="purge_dlq", purged=purged)
        if wanted.action not in ("retry", "retry_some", "retry_all"):
            raise HTTPException(400, "invalid action")
        try:
            ids = None if wanted.action == "retry_all" else wanted.ids()
        except ValueError as error:
            raise HTTPException(422, str(error)) from None
        moved, left = await services.alerts.retry(ids)
        if ids and not moved:
            raise HTTPException(404, "no dead letter has that id")
        for start in range(0, len(moved), MOST):
            await audited(services.audit, "alerts.retry", {"jobIds": moved[start : start + MOST], **who})
        return QueueActionAnswer(action=wanted.action, moved=len(moved), left=left if ids is None else None)

    return routes
