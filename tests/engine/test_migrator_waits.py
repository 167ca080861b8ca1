"""What the migrator waits for, how long, and whom it names: another runner, and sessions that hold its locks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from cutover.errors import MigrationError
from cutover.schema import migrator
from tests.support.containers import wait_until
from tests.support.migrating import BY_MONTH, VALID, Folder, T, apply, exists, ledger, runner, runs
from tests.support.postgres import OWNER, WRITER, Database

pytestmark = pytest.mark.engine


def test_a_runner_gives_up_when_another_holds_the_lock_past_the_deadline(database: Database, folder: Folder) -> None:
    files = folder("CREATE TABLE pause AS SELECT 60 AS seconds;", "SELECT pg_sleep(seconds) FROM pause;")
    with runner(database, files) as busy:
        wait_until(lambda: runs(database, "pg_sleep"), "the first runner")
        with pytest.raises(MigrationError, match=r"another runner holds the migration lock for 0.5 s"):
            apply(database, files, deadline=0.5)
        busy.kill()


CREATE, INDEXED = "CREATE INDEX CONCURRENTLY IF NOT EXISTS idx_a ON t (a);", T + "CREATE INDEX idx_a ON t (a);"
SNAPSHOT = "SELECT FROM pg_class"  # of a transaction that touches no table of ours, such as a dump of another one


@pytest.mark.parametrize(
    ("before", "statement", "blocker"),
    [
        (T, CREATE, "INSERT INTO t VALUES (1)"),
        (T, CREATE, SNAPSHOT),
        (BY_MONTH, CREATE, SNAPSHOT),
        (INDEXED, "DROP INDEX CONCURRENTLY IF EXISTS idx_a;", "SELECT FROM t"),
        (INDEXED, "REINDEX INDEX CONCURRENTLY idx_a;", SNAPSHOT),
    ],
    ids=["writer", "snapshot", "partitioned", "drop", "reindex"],
)
def test_what_runs_in_no_transaction_says_for_whom_it_waits_and_is_cancelled_and_repaired(
    database: Database, folder: Folder, before: str, statement: str, blocker: str
) -> None:
    apply(database, folder(before))
    files = folder(before, f"-- cutover: no transaction\n{statement}\n")
    said: list[str] = []
    with database.connect() as older, migrator.connect(database.owner_url) as connection:
        older.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        older.execute(blocker.encode())
        session = f"pid {older.info.backend_pid} (role audit_owner, application test, since 20"
        for _ in range(2):  # the second run waits for the same session, be it with a repair
            with pytest.raises(MigrationError, match=r" waited 2 s for .* was cancelled; what it left is") as refused:
                migrator.apply(connection, migrator.load(files), report=said.append, deadline=2)
            assert session in str(refused.value)
        assert said[0].startswith(f"002_step.sql waits for {session}")
        assert connection.execute("SHOW lock_timeout").fetchone() == ("0",)
        older.execute("COMMIT")

    assert apply(database, files)[0] == ["002_step.sql"]
    with database.connect() as connection:
        assert all(valid for _, valid in connection.execute(VALID)), "a ruin stayed"
    assert exists(database, "idx_a") is not statement.startswith("DROP")


def test_readers_are_not_queued_behind_a_blocked_migration_which_goes_on_when_the_blocker_ends(
    database: Database, folder: Folder
) -> None:
    apply(database, folder(T))
    files = folder(T, "ALTER TABLE t ADD COLUMN c int;")
    with database.connect() as blocker, database.connect() as reader:
        blocker.execute("BEGIN")
        blocker.execute("INSERT INTO t VALUES (1)")
        reader.execute("SET lock_timeout = '5s'")
        with runner(database, files) as blocked:
            wait_until(lambda: runs(database, "ALTER TABLE"), "the migration to wait")
            for _ in range(5):  # each would fail if it stood behind the migration until the blocker ends
                wait_until(lambda: runs(database, "ALTER TABLE"), "the migration to wait again")
                assert reader.execute("SELECT count(*) FROM t").fetchone() == (0,)
            assert blocked.poll() is None
            blocker.execute("COMMIT")
            assert blocked.communicate(timeout=30)[0] == "002_step.sql\n"


def test_autovacuum_makes_way_for_a_migration(database: Database, folder: Folder) -> None:
    apply(database, folder(T))
    files = folder(T, "ALTER TABLE t ADD COLUMN c int;")
    with autovacuum(database, "t"):
        done, said = apply(database, files)

    assert done == ["002_step.sql"]
    assert re.match(r"002_step.sql waits for pid \d+ \(autovacuum of public.t\); it is tried again for 60 s", said[0])


def test_past_the_deadline_the_blocker_is_named_without_its_values(database: Database, folder: Folder) -> None:
    apply(database, folder(T))
    files = folder(T, "ALTER TABLE t ADD COLUMN c int;")
    line, said, pid = blocked(
        database, files, database.connect(OWNER), "LOCK TABLE t IN ACCESS SHARE MODE /* s3cr3t */"
    )

    assert line.startswith("002_step.sql did not get its locks for 1 s and was rolled back: ")
    assert re.search(rf"pid {pid} \(role audit_owner, application test, since 20[-0-9]+ [:0-9]+ UTC, ", line)
    assert "query LOCK TABLE t IN) has them" in line
    assert "s3cr3t" not in line + "".join(said)
    assert said[0].startswith(f"002_step.sql waits for pid {pid} (")
    assert ledger(database) == ["001_step.sql"]


def test_of_another_roles_session_the_owner_sees_no_more_than_who_it_is(database: Database, folder: Folder) -> None:
    apply(database, folder(T))
    files = folder(T, "ALTER TABLE t ADD COLUMN c int;")

    line, _, pid = blocked(database, files, database.connect(WRITER), "SELECT 's3cr3t' FROM t")

    assert f"pid {pid} (role audit_writer, application test) has them" in line


def blocked(database: Database, files: Path, blocker: psycopg.Connection, statement: str) -> tuple[str, list[str], int]:
    """Applies the files while the blocker's transaction lasts: the refusal, what was reported, the blocker's pid."""
    said: list[str] = []
    pid = blocker.info.backend_pid
    with blocker, migrator.connect(database.owner_url) as connection:
        blocker.execute("BEGIN")
        blocker.execute(statement.encode())
        with pytest.raises(MigrationError) as refused:
            migrator.apply(connection, migrator.load(files), report=said.append, deadline=1)
    return str(refused.value), said, pid


@contextmanager
def autovacuum(database: Database, table: str) -> Iterator[None]:
    """Has autovacuum at work on the table, for longer than a migrator waits, unless Postgres cancels it."""
    slow = "autovacuum_vacuum_cost_delay = 100, autovacuum_vacuum_cost_limit = 1, autovacuum_vacuum_threshold = 1"
    with database.connect() as owner:
        owner.execute(f"ALTER TABLE {table} SET ({slow})".encode())
        owner.execute(f"INSERT INTO {table} SELECT n, n FROM generate_series(1, 100000) n".encode())
        owner.execute(f"DELETE FROM {table} WHERE a % 2 = 0".encode())
    database.superuser("ALTER SYSTEM SET autovacuum_naptime = '1s'")
    database.superuser("SELECT pg_reload_conf()")
    try:
        works = f"SELECT FROM pg_stat_progress_vacuum WHERE relid = '{table}'::regclass"
        wait_until(lambda: database.superuser(f"SELECT EXISTS ({works})").strip() == "t", "autovacuum", seconds=90)
        yield
    finally:
        database.superuser("ALTER SYSTEM RESET autovacuum_naptime")
        database.superuser("SELECT pg_reload_conf()")
