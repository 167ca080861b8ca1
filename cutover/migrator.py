"""Numbered SQL files, applied once each, in order, by one runner at a time."""

from __future__ import annotations

import hashlib
import random
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import psycopg

from cutover.errors import CutoverError

_FILE = re.compile(r"(\d{3})_[a-z0-9_]+\.sql")
_LOCK = 7_305_221  # any number, the same for every runner
_LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version    INTEGER     PRIMARY KEY,
    file       TEXT        NOT NULL UNIQUE,
    checksum   TEXT        NOT NULL,
    applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
)"""


class MigrationError(CutoverError):
    """The files break a rule, do not fit the database, or failed to apply. Nothing is half applied."""

    exit_code = 7


class Versioned(Protocol):
    """What the digest is made of."""

    @property
    def file(self) -> str: ...
    @property
    def checksum(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Migration:
    """One file; `checksum` is the SHA-256 of its bytes."""

    version: int
    file: str
    checksum: str
    sql: str


@dataclass(frozen=True, kw_only=True)
class Applied:
    """One row of the ledger, the table schema_migrations."""

    version: int
    file: str
    checksum: str


def load(folder: Path) -> list[Migration]:
    """The folder's migrations in order. Raises MigrationError on a name without number, a gap or a double."""
    migrations = []
    for path in sorted(folder.glob("*.sql")):
        name = _FILE.fullmatch(path.name)
        if not name:
            raise MigrationError(f"{path} is not a migration's name: use 001_what_it_does.sql")
        content = path.read_bytes()
        migrations.append(
            Migration(
                version=int(name[1]),
                file=path.name,
                checksum=hashlib.sha256(content).hexdigest(),
                sql=content.decode(),
            )
        )
    for expected, migration in enumerate(migrations, start=1):
        if migration.version != expected:
            raise MigrationError(
                f"{migration.file} has number {migration.version:03}, {expected:03} comes next: "
                "migrations are numbered without gaps or doubles"
            )
    return migrations


def digest(migrations: Iterable[Versioned]) -> str:
    """One SHA-256 over the files and checksums: two databases with the same digest had the same migrations."""
    text = "".join(f"{migration.file} {migration.checksum}\n" for migration in migrations)
    return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def connect(url: str) -> Iterator[psycopg.Connection]:
    """A connection in autocommit mode. Raises MigrationError in one line, without the URL, when none answers."""
    try:
        connection = psycopg.connect(url, autocommit=True, connect_timeout=10, application_name="cutover")
    except psycopg.OperationalError as error:
        raise MigrationError(f"the audit database does not answer: {_first_line(error)}") from None
    except psycopg.ProgrammingError:
        raise MigrationError(
            "the audit database's secret is not a PostgreSQL URL: postgresql://USER:PASSWORD@HOST/audit"
        ) from None
    with connection:
        yield connection


def applied(connection: psycopg.Connection) -> list[Applied]:
    """The ledger, in order; empty on a database that has none."""
    if connection.execute("SELECT to_regclass('schema_migrations')").fetchone() == (None,):
        return []
    rows = connection.execute("SELECT version, file, checksum FROM schema_migrations ORDER BY version")
    return [Applied(version=version, file=file, checksum=checksum) for version, file, checksum in rows]


def pending(migrations: Sequence[Migration], done: Sequence[Applied]) -> list[Migration]:
    """What is still to apply. Raises MigrationError when an applied file was edited or is gone."""
    files = {migration.version: migration for migration in migrations}
    for row in done:
        file = files.get(row.version)
        if file is None or file.file != row.file:
            raise MigrationError(
                f"{row.file} was applied to this database and is not among the files: check out a newer revision"
            )
        if file.checksum != row.checksum:
            raise MigrationError(
                f"{row.file} was edited after it was applied: restore it and put the change into a new file"
            )
    return [migration for migration in migrations if migration.version > len(done)]


def apply(connection: psycopg.Connection, migrations: Sequence[Migration]) -> list[Migration]:
    """Applies what is pending, each file in a transaction of its own, and returns it.

    A second call applies nothing. Raises MigrationError; what was applied before the failing file stays.
    """
    with _only_runner(connection):
        todo = pending(migrations, applied(connection))
        if todo:
            connection.execute(_LEDGER)
        for migration in todo:
            try:
                with connection.transaction():
                    connection.execute(migration.sql.encode())
                    connection.execute(
                        "INSERT INTO schema_migrations (version, file, checksum) VALUES (%s, %s, %s)",
                        (migration.version, migration.file, migration.checksum),
                    )
            except psycopg.Error as error:
                raise MigrationError(f"{migration.file} failed and was rolled back: {_first_line(error)}") from None
    return todo


@contextmanager
def _only_runner(connection: psycopg.Connection, seconds: float = 60) -> Iterator[None]:
    """Holds the advisory lock. It is tried in a spin: waiting for it would hold a snapshot, which
    CREATE INDEX CONCURRENTLY waits for in turn."""
    give_up = time.monotonic() + seconds
    while connection.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK,)).fetchone() != (True,):
        if time.monotonic() > give_up:
            raise MigrationError(f"another runner holds the migration lock for {seconds:g} s: wait for it to end")
        time.sleep(random.uniform(0.1, 0.3))  # noqa: S311 - jitter
    try:
        yield
    finally:
        if not connection.broken:
            connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))


def _first_line(error: psycopg.Error) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
