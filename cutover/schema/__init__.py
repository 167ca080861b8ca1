"""The audit database's schema, and how it is reached. The program uses these names and the two modules' functions."""

from cutover.schema import migrator, upkeep
from cutover.schema.access import AuditDatabase

__all__ = ["AuditDatabase", "migrator", "upkeep"]
