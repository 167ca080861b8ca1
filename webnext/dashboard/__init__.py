"""The dashboard: one page, its style and its script, without a build step."""

from webnext.dashboard.routes import router

__all__ = ["router"]
