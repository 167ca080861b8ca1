"""Guardrails: the executor's thresholds and breaches, and what web-next does about a breach."""

from webnext.guardrails.routes import router

__all__ = ["router"]
