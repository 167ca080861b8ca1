"""An index on a partitioned table, built concurrently: Postgres does that on a partition, and not on the whole."""

from __future__ import annotations

import re
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from cutover.schema.locks import LOCK_TIMEOUT, Report, patiently

if TYPE_CHECKING:
    import psycopg

TOLD_SECONDS = 1.0

_CREATE = re.compile(
    r"(?P<create>CREATE\s+(?:UNIQUE\s+)?INDEX\s+)CONCURRENTLY\s+(?P<name>IF\s+NOT\s+EXISTS\s+(?P<index>\S+)\s+ON\s+)"
    r"(?P<table>[^\s(]+)",
    re.IGNORECASE,
)
_IS_PARTITIONED = "SELECT FROM pg_class WHERE oid = to_regclass(%s) AND relkind = 'p'"
_DEFINITION = "SELECT pg_get_indexdef(to_regclass(%s))"
# What Postgres itself calls an index of a new partition, so that the index of each month has the same name.
_WITHOUT = """
SELECT format('%%I.%%I', n.nspname, c.relname), c.relname || '_' || columns || '_idx', n.nspname
FROM pg_index whole
    JOIN pg_inherits part ON part.inhparent = whole.indrelid
    JOIN pg_class c ON c.oid = part.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace,
    LATERAL (SELECT string_agg(attname, '_' ORDER BY attnum) FROM pg_attribute WHERE attrelid = whole.indexrelid)
        AS named (columns)
WHERE whole.indexrelid = to_regclass(%s) AND NOT EXISTS (
    SELECT FROM pg_inherits attached JOIN pg_index own ON own.indexrelid = attached.inhrelid
    WHERE attached.inhparent = whole.indexrelid AND own.indrelid = c.oid)
ORDER BY 1"""


class Wanted(NamedTuple):
    """The index on a partitioned table that a statement asks for."""

    name: str
    on_none: str
    """The statement that makes it on no partition yet: it waits, invalid, until each of them has its own."""


def wanted(connection: psycopg.Connection, sql: str) -> Wanted | None:
    """What a CREATE INDEX CONCURRENTLY IF NOT EXISTS asks for, if its table is partitioned."""
    found = _CREATE.search(sql)
    if not found or connection.execute(_IS_PARTITIONED, (found["table"],)).fetchone() is None:
        return None
    on_none = _CREATE.sub(lambda one: f"{one['create']}{one['name']}ONLY {one['table']}", sql, count=1)
    return Wanted(found["index"], on_none)


def build(connection: psycopg.Connection, index: Wanted, *, name: str, seconds: float, report: Report) -> None:
    """Makes the index and, one after the other, that of each partition, which neither readers nor writers wait for;
    `report` gets a line for each that took TOLD_SECONDS. What was done before is left, so a killed run goes on where it
    was.

    Raises MigrationError as `patiently` does, and psycopg.Error.
    """
    from psycopg import sql

    take = partial(patiently, connection, name=name, seconds=seconds, report=report)
    take(partial(_at_once, connection, index.on_none.encode()))
    [(definition,)] = connection.execute(_DEFINITION, (index.name,)).fetchall()
    method = definition[definition.index(" USING ") :]
    unique = "UNIQUE " if definition.startswith("CREATE UNIQUE") else ""
    for partition, own, schema in connection.execute(_WITHOUT, (index.name,)).fetchall():
        began = time.monotonic()
        connection.execute(
            sql.SQL(f"CREATE {unique}INDEX CONCURRENTLY IF NOT EXISTS {{}} ON {partition}{method}")
            .format(sql.Identifier(own))
            .as_bytes(connection)
        )
        attach = sql.SQL(f"ALTER INDEX {index.name} ATTACH PARTITION {{}}").format(sql.Identifier(schema, own))
        take(partial(_at_once, connection, attach.as_bytes(connection)))
        if (took := time.monotonic() - began) >= TOLD_SECONDS:
            report(f"{name}: {partition} has the index {own}, after {took:.0f} s")


def _at_once(connection: psycopg.Connection, statement: bytes) -> None:
    with connection.transaction():
        connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        connection.execute(statement)
