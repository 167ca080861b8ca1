"""The audit log: Postgres, and what keeps an entry while Postgres is away."""

from webnext.audit.push import StraightPush
from webnext.audit.routes import router

__all__ = ["StraightPush", "router"]
