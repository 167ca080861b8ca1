"""GET /api/guardrails/read."""

from __future__ import annotations

from fastapi import APIRouter

from webnext.contract.guardrails import GuardrailsAnswer
from webnext.services import Services


def router(services: Services) -> APIRouter:
    """The route over the guardrails."""
    routes = APIRouter(tags=["guardrails"])

    @routes.get("/api/guardrails/read")
    async def read() -> GuardrailsAnswer:
        """Thresholds and the newest breach, from the executor."""
        return await services.guardrails.read()

    return routes
