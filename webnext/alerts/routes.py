"""POST /api/alerts/webhook, GET and POST /api/alerts/queue."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException

from webnext import context, logs
from webnext.audit.own import Action, own_entry
from webnext.contract import (
    Alert,
    AlertAnswer,
    ErrorAnswer,
    QueueActionAnswer,
    QueueAnswer,
    QueueRequest,
    Responses,
    UnavailableAnswer,
)
from webnext.dependency import AwayError
from webnext.services import Services


def router(services: Services) -> APIRouter:
    """The routes over the alert queues."""
    routes = APIRouter(tags=["alerts"])
    away: Responses = {503: {"model": UnavailableAnswer, "description": "Nothing could take it; nothing was done"}}

    @routes.post("/api/alerts/webhook", status_code=202, responses=away)
    async def webhook(alert: Alert) -> AlertAnswer:
        """Take an alert: from 202 on it is delivered at least once."""
        return await services.alerts.accept(alert.model_dump(mode="json"), context.trace_id.get() or "")

    @routes.get("/api/alerts/queue")
    async def counts() -> QueueAnswer:
        """What waits, from the queues themselves."""
        return await services.alerts.counts()

    @routes.post(
        "/api/alerts/queue",
        responses=away | {404: {"model": ErrorAnswer, "description": "No dead letter has that id"}},
    )
    async def act(wanted: QueueRequest) -> QueueActionAnswer:
        """Put a dead letter back, or drop all; both are audited."""
        if wanted.action == "retry":
            if not isinstance(wanted.jobId, str) or not wanted.jobId:
                raise HTTPException(422, "jobId: the id of a dead letter is needed")
            if not (moved := await services.alerts.retry(wanted.jobId)):
                raise HTTPException(404, "no dead letter has that id")
            await audited("alerts.retry", {"jobId": wanted.jobId})
            return QueueActionAnswer(action="retry", moved=moved)
        if wanted.action == "purge_dlq":
            purged = await services.alerts.purge()
            await audited("alerts.purge_dlq", {"purged": purged})
            return QueueActionAnswer(action="purge_dlq", purged=purged)
        raise HTTPException(400, "invalid action")

    async def audited(action: Action, details: dict[str, object]) -> None:
        try:
            await services.audit.append(own_entry(action, details), context.trace_id.get() or "")
        except AwayError:
            logs.unaudited(action, details)

    return routes
