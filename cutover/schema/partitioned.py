"""An index on a partitioned table, built concurrently: Postgres does that on a partition, and not on the whole."""

from __future__ import annotations

import re
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from cutover.schema.locks import LOCK_TIMEOUT, TOLD_SECONDS, Report, patiently, told

if TYPE_CHECKING:
    import psycopg

_CREATE = re.compile(
    r"(?P<create>CREATE\s+(?:UNIQUE\s+)?INDEX\s+)CONCURRENTLY\s+(?P<name>IF\s+NOT\s+EXISTS\s+(?P<index>\S+)\s+ON\s+)"
    r"(?P<table>[^\s(]+)",
    re.IGNORECASE,
)
_IS_PARTITIONED = "SELECT FROM pg_class WHERE oid = to_regclass(%s) AND relkind = 'p'"
_DEFINITION = "SELECT pg_get_indexdef(to_regclass(%s))"
_WITHOUT = """
SELECT c.oid, format('%%I.%%I', n.nspname, c.relname)
FROM pg_index whole
    JOIN pg_inherits part ON part.inhparent = whole.indrelid
    JOIN pg_class c ON c.oid = part.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE whole.indexrelid = to_regclass(%s) AND NOT EXISTS (
    SELECT FROM pg_inherits attached JOIN pg_index own ON own.indexrelid = attached.inhrelid
    WHERE attached.inhparent = whole.indexrelid AND own.indrelid = c.oid)
ORDER BY 2"""
# What a run before this one built and did not attach, or somebody by hand.
_UNATTACHED = """
SELECT n.nspname, c.relname
FROM pg_index own JOIN pg_class c ON c.oid = own.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace,
    pg_index whole
WHERE whole.indexrelid = to_regclass(%s) AND own.indrelid = %s AND own.indisvalid
    AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = own.indexrelid)
    AND own.indisunique = whole.indisunique
    AND substring(pg_get_indexdef(own.indexrelid) FROM ' USING .*')
        = substring(pg_get_indexdef(whole.indexrelid) FROM ' USING .*')
ORDER BY 1, 2 LIMIT 1"""


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

    Raises MigrationError as `patiently` and `told` do, and psycopg.Error.
    """
    from psycopg import sql

    take = partial(patiently, connection, name=name, seconds=seconds, report=report)
    take(partial(_at_once, connection, index.on_none.encode()))
    [(definition,)] = connection.execute(_DEFINITION, (index.name,)).fetchall()
    method = definition[definition.index(" USING ") :]
    unique = "UNIQUE " if definition.startswith("CREATE UNIQUE") else ""
    for oid, partition in connection.execute(_WITHOUT, (index.name,)).fetchall():
        began = time.monotonic()
        own = connection.execute(_UNATTACHED, (index.name, oid)).fetchone()
        if not own:
            # Postgres gives it a name that is free: the one that it has in the months to come, too.
            create = f"CREATE {unique}INDEX CONCURRENTLY ON {partition}{method}".encode()
            told(connection, create, name=name, seconds=seconds, report=report)
            [own] = connection.execute(_UNATTACHED, (index.name, oid)).fetchall()
        attach = sql.SQL(f"ALTER INDEX {index.name} ATTACH PARTITION {{}}").format(sql.Identifier(*own))
        take(partial(_at_once, connection, attach.as_bytes(connection)))
        if (took := time.monotonic() - began) >= TOLD_SECONDS:
            report(f"{name}: {partition} has the index {own[1]}, after {took:.0f} s")


def _at_once(connection: psycopg.Connection, statement: bytes) -> None:
    with connection.transaction():
        connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        connection.execute(statement)
