"""The snapshot: the audit entries of the last hours, and the state around them, as a CSV file."""

from webnext.snapshot.routes import router

__all__ = ["router"]
