"""Migrations of a test's own: their folder, runners of it, and what is in the database then."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from cutover.schema import indexes, migrator
from tests.support.postgres import Database

RUNNER = """
import sys
from pathlib import Path
from cutover.schema import migrator
with migrator.connect(Path(sys.argv[2]).read_text().strip()) as connection:
    for done in migrator.apply(connection, migrator.load(Path(sys.argv[1]))):
        print(done.file)
"""
T = "CREATE TABLE t (a int, b int);"
CONCURRENTLY = "-- cutover: no transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS idx_a ON t (a);\n"
BY_MONTH = "CREATE TABLE t (a int, b int) PARTITION BY RANGE (a);" + "".join(
    f"CREATE TABLE t_{each} PARTITION OF t FOR VALUES FROM ({10 * each - 10}) TO ({10 * each});" for each in (1, 2, 3)
)
VALID = """
SELECT indexrelid::regclass::text, indisvalid FROM pg_index JOIN pg_class ON pg_class.oid = indrelid
WHERE relname LIKE 't%' AND relnamespace = 'public'::regnamespace ORDER BY 1"""
Folder = Callable[..., Path]


def folder(tmp_path: Path) -> Folder:
    """Writes a folder of migrations, the first argument as 001."""

    def write(*files: str) -> Path:
        made = tmp_path / "migrations"
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        for number, sql in enumerate(files, start=1):
            (made / f"{number:03}_step.sql").write_text(sql)
        return made

    return write


def apply(database: Database, folder: Path, deadline: float = 60) -> tuple[list[str], list[str]]:
    """Applies the folder; returns the files' names and what was reported."""
    said: list[str] = []
    with migrator.connect(database.owner_url) as connection:
        done = migrator.apply(connection, migrator.load(folder), report=said.append, deadline=deadline)
    return [migration.file for migration in done], said


def runner(database: Database, folder: Path) -> subprocess.Popen[str]:
    """The same in a process of its own, which prints what it applied."""
    url = database.url_file(folder.parent)
    command = [sys.executable, "-c", RUNNER, str(folder), str(url)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ledger(database: Database) -> list[str]:
    with migrator.connect(database.owner_url) as connection:
        return [row.file for row in migrator.applied(connection)]


def exists(database: Database, relation: str) -> bool:
    with database.connect() as connection:
        return connection.execute("SELECT to_regclass(%s)", (relation,)).fetchone() != (None,)


def invalid(database: Database) -> list[str]:
    with database.connect() as connection:
        return [index.name for index in indexes.invalid(connection)]


def runs(database: Database, query: str) -> bool:
    """Whether a migrator's session runs that query now."""
    with database.connect() as connection:
        return (
            connection.execute(
                "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'cutover' "
                "AND state = 'active' AND query LIKE %s",
                (f"%{query}%",),
            ).fetchone()
            is not None
        )
