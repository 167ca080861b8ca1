"""The audit database's schema, and how it is reached. The program uses these names and the three modules' functions."""

from cutover.schema import authorities, migrator, upkeep
from cutover.schema.access import AuditDatabase

__all__ = ["AuditDatabase", "authorities", "migrator", "upkeep"]
