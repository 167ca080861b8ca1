"""Indexes that the migrator builds while others write: what is left of a failed one, and one for each partition."""

from __future__ import annotations

import re

import psycopg
import pytest

from cutover.errors import MigrationError
from cutover.schema import migrator, partitioned
from tests.support.containers import wait_until
from tests.support.migrating import (
    BY_MONTH,
    CONCURRENTLY,
    VALID,
    Folder,
    T,
    apply,
    exists,
    invalid,
    ledger,
    runner,
    runs,
)
from tests.support.postgres import Database

pytestmark = pytest.mark.engine


def test_a_failing_index_is_found_by_verify_and_repaired_by_the_run_after_the_cause_is_gone(
    database: Database, folder: Folder
) -> None:
    unique = "-- cutover: no transaction\nCREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS idx_a ON t (a);\n"
    files = folder(f"{T} INSERT INTO t VALUES (1), (1);", unique)

    with pytest.raises(MigrationError, match=r"^002_step.sql failed; .*: could not create unique index"):
        apply(database, files)
    assert invalid(database) == ["idx_a"]
    with migrator.connect(database.owner_url) as connection:
        assert migrator.verify(connection, files) == [
            "002_step.sql is not applied",
            "index public.idx_a is invalid: migrate apply repairs it",
        ]
    with pytest.raises(MigrationError, match=r"^index public.idx_a is invalid and could not be rebuilt: could not"):
        apply(database, files)

    with database.connect() as connection:
        connection.execute("DELETE FROM t WHERE ctid = '(0,1)'")
    assert apply(database, files)[1][0] == "index public.idx_a was invalid: rebuilt"
    assert (invalid(database), ledger(database)) == ([], ["001_step.sql", "002_step.sql"])


def test_an_index_that_waits_for_attach_is_left_alone(database: Database, folder: Folder) -> None:
    files = folder(
        "CREATE TABLE p (a int) PARTITION BY RANGE (a); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (1) TO (2);",
        "CREATE INDEX idx_p ON ONLY p (a);",
    )
    apply(database, files)

    with database.connect() as connection:
        waiting = connection.execute("SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid").fetchall()
    assert waiting == [("idx_p",)]
    assert apply(database, files) == ([], [])
    assert invalid(database) == []


def test_a_runner_killed_while_it_builds_an_index_leaves_a_ruin_that_the_next_repairs(
    database: Database, folder: Folder
) -> None:
    apply(database, folder(T))
    files = folder(T, CONCURRENTLY)
    with database.connect() as older:
        older.execute("BEGIN")
        older.execute("INSERT INTO t VALUES (1)")
        with runner(database, files) as killed:
            wait_until(lambda: exists(database, "idx_a"), "the runner to have begun its index")
            killed.kill()
        wait_until(
            lambda: not runs(database, "CONCURRENTLY"), "the server to notice, though the older one is still there"
        )
        assert invalid(database) == ["idx_a"]
        older.execute("COMMIT")

    done, said = apply(database, files)
    assert (done, said[0]) == (["002_step.sql"], "index public.idx_a was invalid: rebuilt")
    assert invalid(database) == []


def test_an_index_on_a_partitioned_table_is_built_partition_by_partition_while_others_write(
    database: Database, folder: Folder
) -> None:
    apply(database, folder(BY_MONTH))
    files = folder(BY_MONTH, CONCURRENTLY)
    with database.connect() as older, database.connect() as writer:
        older.execute("BEGIN")
        older.execute("INSERT INTO t_2 VALUES (15)")
        with runner(database, files) as migrating:
            wait_until(lambda: exists(database, "t_2_a_idx"), "the second partition's index to be waited for")
            writer.execute("SET statement_timeout = '1s'")
            for value in (5, 15, 25):
                writer.execute("INSERT INTO t VALUES (%s)", (value,))
            assert writer.execute("SELECT count(*) FROM t").fetchone() == (3,), "all but the open one's"
            older.execute("COMMIT")
            said, errors = migrating.communicate(timeout=30)

    assert (said.split(), errors) == (["002_step.sql"], "")
    with database.connect() as connection:
        found = connection.execute(VALID).fetchall()
        connection.execute("CREATE TABLE t_4 PARTITION OF t FOR VALUES FROM (30) TO (40)")
        assert found == [("idx_a", True), ("t_1_a_idx", True), ("t_2_a_idx", True), ("t_3_a_idx", True)]
        assert ("t_4_a_idx", True) in connection.execute(VALID).fetchall()


def test_a_runner_killed_between_two_partitions_is_taken_up_where_it_was(
    database: Database, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partitioned, "TOLD_SECONDS", 0.0)
    apply(database, folder(BY_MONTH))
    files = folder(BY_MONTH, CONCURRENTLY)
    with database.connect() as older:
        older.execute("BEGIN")
        older.execute("INSERT INTO t_2 VALUES (15)")
        with runner(database, files) as killed:
            wait_until(lambda: exists(database, "t_2_a_idx"), "the second partition's index to be waited for")
            killed.kill()
        wait_until(lambda: not runs(database, "CONCURRENTLY"), "the server to notice")
        older.execute("COMMIT")
    assert invalid(database) == ["t_2_a_idx"]

    done, said = apply(database, files)
    assert done == ["002_step.sql"]
    assert [re.split(" in |, after", line)[0] for line in said] == [
        "index public.t_2_a_idx was invalid: rebuilt",
        "002_step.sql: public.t_2 has the index t_2_a_idx",
        "002_step.sql: public.t_3 has the index t_3_a_idx",
        "002_step.sql applied",
    ]
    with database.connect() as connection:
        assert [valid for _, valid in connection.execute(VALID)] == [True] * 4


@pytest.mark.parametrize(
    "index", ["USING brin (a)", "(a) WHERE b > 0", "(a, b)", "(a DESC)"], ids=["brin", "partial", "two", "descending"]
)
def test_a_second_index_on_the_columns_of_another_is_built_beside_it(
    database: Database, folder: Folder, index: str
) -> None:
    first = (BY_MONTH, "CREATE INDEX idx_before ON t (a);", "CREATE INDEX idx_two ON t (a, b) INCLUDE (a);")
    apply(database, folder(*first))
    files = folder(*first, f"-- cutover: no transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS idx_a ON t {index};\n")

    assert apply(database, files)[0] == ["004_step.sql"]
    with database.connect() as connection:
        assert all(valid for _, valid in connection.execute(VALID)), "a month has no index"
        built = connection.execute("SELECT count(*) FROM pg_inherits WHERE inhparent = 'idx_a'::regclass").fetchone()
        before = connection.execute(VALID).fetchall()
        connection.execute("DELETE FROM cutover.schema_migrations WHERE version = 4")
        connection.execute("CREATE TABLE t_4 (LIKE t INCLUDING ALL)")
        named = "SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = %s::regclass ORDER BY 1"
        third, to_come = ([name for (name,) in connection.execute(named, (each,))] for each in ("t_3", "t_4"))
        connection.execute("DROP TABLE t_4")
    assert built == (3,)
    assert third == [name.replace("t_4", "t_3") for name in to_come], "a month to come calls its indexes otherwise"
    assert apply(database, files)[0] == ["004_step.sql"]
    with database.connect() as connection:
        assert connection.execute(VALID).fetchall() == before, "a repeated run built another one"


def test_what_a_killed_reindex_leaves_is_dropped(database: Database, folder: Folder) -> None:
    files = folder(T, CONCURRENTLY)
    apply(database, files)
    with database.connect() as older, database.connect() as victim, database.connect() as other:
        older.execute("BEGIN")
        older.execute("INSERT INTO t VALUES (1)")
        victim.execute("SET lock_timeout = '200ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            victim.execute("REINDEX INDEX CONCURRENTLY idx_a")
        older.execute("COMMIT")
        assert invalid(database) == ["idx_a_ccnew"]
        assert apply(database, files) == ([], ["index public.idx_a_ccnew was invalid: dropped"])
        rest = other.execute(
            "SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indrelid = 't'::regclass"
        )
        assert rest.fetchall() == [("idx_a", True)]
