"""Invalid indexes: what a killed CREATE INDEX or REINDEX CONCURRENTLY leaves behind, found and repaired."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cutover.errors import MigrationError
from cutover.schema.locks import Report, told

if TYPE_CHECKING:
    import psycopg

_LEFTOVER = re.compile(r".+_cc(new|old)\d*")
# A partitioned index (relkind I) is invalid while it waits for ATTACH; one that is being built is no ruin.
_INVALID = """
SELECT n.nspname, c.relname
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE NOT i.indisvalid AND c.relkind = 'i' AND pg_has_role(c.relowner, 'USAGE')
  AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index WHERE index_relid = c.oid)
ORDER BY 1, 2"""


@dataclass(frozen=True, kw_only=True)
class Index:
    """An index that Postgres maintains on every write and uses for no query."""

    schema: str
    name: str

    @property
    def leftover(self) -> bool:
        """Whether it is REINDEX's own copy: the real one stands beside it."""
        return bool(_LEFTOVER.fullmatch(self.name))

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


def invalid(connection: psycopg.Connection) -> list[Index]:
    """The invalid indexes that this role could repair, by name."""
    return [Index(schema=schema, name=name) for schema, name in connection.execute(_INVALID)]


def repair(connection: psycopg.Connection, *, seconds: float, report: Report) -> None:
    """Drops leftovers and rebuilds the others, blocking neither readers nor writers. Raises MigrationError, also as
    `told` does."""
    import psycopg
    from psycopg import sql

    for index in invalid(connection):
        verb, what = ("dropped", "DROP INDEX CONCURRENTLY IF EXISTS {}") if index.leftover else (
            "rebuilt", "REINDEX INDEX CONCURRENTLY {}")  # fmt: skip
        try:
            statement = sql.SQL(what).format(sql.Identifier(index.schema, index.name)).as_bytes(connection)
            told(connection, statement, name=f"index {index}", seconds=seconds, report=report)
        except psycopg.Error as error:
            raise MigrationError(
                f"index {index} is invalid and could not be {verb}: {str(error).splitlines()[0]}; mend that, run again"
            ) from None
        report(f"index {index} was invalid: {verb}")
