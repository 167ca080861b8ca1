"""POST /api/evidence/zip and /api/evidence/archive."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException

from webnext import context
from webnext.audit.own import audited
from webnext.contract.base import ErrorAnswer, Responses, UnavailableAnswer
from webnext.contract.evidence import ArchiveAnswer, ArchiveRequest, EvidenceAnswer, EvidenceRequest
from webnext.services import Services, TooLargeError


def router(services: Services) -> APIRouter:
    """The routes over the evidence store."""
    routes = APIRouter(tags=["evidence"])
    away: Responses = {503: {"model": UnavailableAnswer, "description": "Neither the store nor a fallback answers"}}

    @routes.post("/api/evidence/zip", responses=away)
    async def grant(wanted: EvidenceRequest) -> EvidenceAnswer:
        """Addresses for one zip: PUT it to `uploadUrl` once, as application/zip with `If-None-Match: *`, GET it from
        `downloadUrl`."""
        return await services.evidence.grant(wanted)

    @routes.post(
        "/api/evidence/archive",
        responses=away
        | {
            404: {"model": ErrorAnswer, "description": "Nothing was uploaded under the key"},
            409: {"model": ErrorAnswer, "description": "The object has other metadata already"},
        },
    )
    async def archive(wanted: ArchiveRequest) -> ArchiveAnswer:
        """Store the metadata of an uploaded zip beside it, once. A zip that is too large is removed."""
        try:
            return await services.evidence.archive(wanted, context.trace_id.get() or "")
        except TooLargeError as error:
            await audited(services.audit, "evidence.too_large", {"key": wanted.key, "why": str(error)})
            raise HTTPException(422, str(error)) from error

    return routes
