"""GET /dashboard."""

from __future__ import annotations

from fastapi import APIRouter

from webnext.services import Services


def router(services: Services) -> APIRouter:  # noqa: ARG001
    """The page and its files."""
    return APIRouter(tags=["dashboard"])
