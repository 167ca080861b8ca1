"""POST /api/snapshot/export."""

from __future__ import annotations

from fastapi import APIRouter

from webnext.services import Services


def router(services: Services) -> APIRouter:  # noqa: ARG001
    """The route of the export."""
    return APIRouter(tags=["snapshot"])
