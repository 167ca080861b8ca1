"""Migrations applied once each, in order, by one runner at a time; the ledger says which."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from cutover.errors import MigrationError
from cutover.schema import description, indexes, partitioned
from cutover.schema.connection import connect, first_line
from cutover.schema.files import Migration, load, problems
from cutover.schema.indexes import Index
from cutover.schema.locks import LOCK_TIMEOUT, Report, only_runner, patiently, told

if TYPE_CHECKING:
    import psycopg

__all__ = [
    "Applied",
    "Migration",
    "Plan",
    "applied",
    "apply",
    "connect",
    "digest",
    "load",
    "pending",
    "plan",
    "problems",
    "require_unedited",
    "verify",
]

DEADLINE = 60.0  # seconds
# The ledger has a schema of its own: default privileges give the app's roles every table in public.
_LEDGER = """
CREATE SCHEMA IF NOT EXISTS cutover;
CREATE TABLE IF NOT EXISTS cutover.schema_migrations (
    version    INTEGER     PRIMARY KEY,
    file       TEXT        NOT NULL UNIQUE,
    checksum   TEXT        NOT NULL,
    applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
)"""
_HAS_LEDGER = """
SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'cutover' AND c.relname = 'schema_migrations'"""


class Versioned(Protocol):
    """What the digest is made of."""

    @property
    def file(self) -> str: ...
    @property
    def checksum(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Applied:
    """One row of the ledger, the table cutover.schema_migrations."""

    version: int
    file: str
    checksum: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What `apply` would do: the files it would run, and the invalid indexes it would repair first."""

    pending: list[Migration]
    invalid: list[Index]


def digest(migrations: Iterable[Versioned]) -> str:
    """One SHA-256 over the files and checksums: two databases with the same digest had the same migrations."""
    text = "".join(f"{migration.file} {migration.checksum}\n" for migration in migrations)
    return hashlib.sha256(text.encode()).hexdigest()


def applied(connection: psycopg.Connection) -> list[Applied]:
    """The ledger, in order; empty on a database that has none."""
    if connection.execute(_HAS_LEDGER).fetchone() is None:
        return []
    rows = connection.execute("SELECT version, file, checksum FROM cutover.schema_migrations ORDER BY version")
    return [Applied(version=version, file=file, checksum=checksum) for version, file, checksum in rows]


def pending(migrations: Sequence[Migration], done: Sequence[Applied]) -> list[Migration]:
    """What is still to apply. Raises MigrationError naming every applied file that was edited or is gone."""
    if wrong := _contradictions(migrations, done):
        raise MigrationError("; ".join(wrong))
    return [migration for migration in migrations if migration.version > len(done)]


def require_unedited(folder: Path, checksums: Mapping[str, str]) -> None:
    """Raises MigrationError as `load` and `pending` do, for a database that had the files of file → checksum."""
    done = [Applied(version=int(file[:3]), file=file, checksum=checksums[file]) for file in sorted(checksums)]
    pending(load(folder), done)


def plan(connection: psycopg.Connection, migrations: Sequence[Migration]) -> Plan:
    """What `apply` would do now, read in a READ ONLY transaction. Raises MigrationError as `apply` would."""
    with _read_only(connection):
        return Plan(pending=pending(migrations, applied(connection)), invalid=indexes.invalid(connection))


def apply(
    connection: psycopg.Connection,
    migrations: Sequence[Migration],
    *,
    report: Report = lambda _: None,
    deadline: float = DEADLINE,
) -> list[Migration]:
    """Repairs invalid indexes, applies what is pending and returns it; `report` gets a line for each.

    A file runs in one transaction with its row in the ledger, with a short lock_timeout, and again for up to
    `deadline` seconds when somebody holds a lock it needs; what runs in no transaction waits as long for each session
    in its way. A second call writes nothing. Raises MigrationError; what was applied before the failing file stays.
    """
    import psycopg

    with only_runner(connection, deadline):
        todo = pending(migrations, applied(connection))
        if todo:
            connection.execute(_LEDGER)
        indexes.repair(connection, seconds=deadline, report=report)
        for migration in todo:
            began = time.monotonic()
            try:
                if migration.transaction:
                    attempt = partial(_in_transaction, connection, migration)
                    patiently(connection, attempt, name=migration.file, seconds=deadline, report=report)
                else:
                    _alone(connection, migration, deadline, report)
            except psycopg.Error as error:
                raise MigrationError(_failure(migration, error, lost=connection.broken)) from None
            report(f"{migration.file} applied in {time.monotonic() - began:.1f} s")
    return todo


def verify(connection: psycopg.Connection, folder: Path) -> list[str]:
    """How the database differs from what the folder's migrations promise, a line each; writes nothing.

    Compares the ledger with the files, looks for invalid indexes, and compares the tables with the folder's
    expected.txt when it has one. Raises MigrationError when the files break a rule.
    """
    migrations = load(folder)
    with _read_only(connection):
        done = applied(connection)
        found = _contradictions(migrations, done)
        found += [f"{migration.file} is not applied" for migration in migrations if migration.version > len(done)]
        found += [f"index {index} is invalid: migrate apply repairs it" for index in indexes.invalid(connection)]
        expected = folder / "expected.txt"
        if expected.exists():
            found += description.differences(connection, expected.read_text())
    return found


def _contradictions(migrations: Sequence[Migration], done: Sequence[Applied]) -> list[str]:
    files = {migration.version: migration for migration in migrations}
    wrong = []
    for row in done:
        file = files.get(row.version)
        if file is None or file.file != row.file:
            wrong.append(
                f"{row.file} was applied to this database and is not among the files: check out a newer revision"
            )
        elif file.checksum != row.checksum:
            wrong.append(f"{row.file} was edited after it was applied: restore it and put the change into a new file")
    return wrong


def _in_transaction(connection: psycopg.Connection, migration: Migration) -> None:
    with connection.transaction():
        connection.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
        connection.execute(migration.sql.encode())
        _record(connection, migration)


def _alone(connection: psycopg.Connection, migration: Migration, seconds: float, report: Report) -> None:
    """Runs the one statement in no transaction: its lock, SHARE UPDATE EXCLUSIVE, blocks neither readers nor writers
    while it waits. A runner killed before the ledger's row is written repeats the statement, which changes nothing
    then."""
    if index := partitioned.wanted(connection, migration.sql):
        partitioned.build(connection, index, name=migration.file, seconds=seconds, report=report)
    else:
        told(connection, migration.sql.encode(), name=migration.file, seconds=seconds, report=report)
    _record(connection, migration)


def _record(connection: psycopg.Connection, migration: Migration) -> None:
    connection.execute(
        "INSERT INTO cutover.schema_migrations (version, file, checksum) VALUES (%s, %s, %s)",
        (migration.version, migration.file, migration.checksum),
    )


@contextmanager
def _read_only(connection: psycopg.Connection) -> Iterator[None]:
    with connection.transaction():
        connection.execute("SET TRANSACTION READ ONLY")
        yield


def _failure(migration: Migration, error: psycopg.Error, *, lost: bool) -> str:
    if lost:  # in COMMIT too, after the server had done it
        return (
            f"{migration.file} lost its connection: {first_line(error)}; the ledger knows whether it was applied: "
            "leave the file as it is and run again"
        )
    position = error.diag.statement_position
    line = f" at line {migration.sql.count(chr(10), 0, int(position) - 1) + 1}" if position else ""
    if migration.transaction:
        return f"{migration.file} failed and was rolled back: {first_line(error)}{line}"
    return f"{migration.file} failed; what it left is repaired by the next run: {first_line(error)}{line}"
