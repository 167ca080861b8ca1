"""The migrator on a real Postgres, as the owner that is no superuser: files of the tests' own, every way to fail."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from cutover.errors import MigrationError
from cutover.schema import indexes, migrator, partitioned
from tests.support.containers import wait_until
from tests.support.postgres import OWNER, WRITER, Database

pytestmark = pytest.mark.engine

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


@pytest.fixture
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


def test_an_empty_database_is_planned_without_writing_and_then_migrated(database: Database, folder: Folder) -> None:
    files = folder(T, "CREATE INDEX idx ON t (a);")

    with migrator.connect(database.owner_url) as connection:
        planned = migrator.plan(connection, migrator.load(files))
    assert [migration.file for migration in planned.pending] == ["001_step.sql", "002_step.sql"]
    assert not exists(database, "cutover.schema_migrations"), "the plan wrote"

    done, said = apply(database, files)
    assert done == ledger(database) == ["001_step.sql", "002_step.sql"]
    assert [line.split(" in ")[0] for line in said] == ["001_step.sql applied", "002_step.sql applied"]


def test_a_second_run_does_no_ddl(database: Database, folder: Folder) -> None:
    files = folder(T, CONCURRENTLY)
    database.superuser(
        "CREATE TABLE ddl (tag text); GRANT INSERT, SELECT ON ddl TO PUBLIC;"
        "CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS "
        "'BEGIN INSERT INTO public.ddl VALUES (tg_tag); END';"
        "CREATE EVENT TRIGGER note ON ddl_command_start EXECUTE FUNCTION note()"
    )

    apply(database, files)
    first = database.superuser("SELECT count(*), max(tag) FROM ddl")
    assert apply(database, files) == ([], [])
    assert database.superuser("SELECT count(*), max(tag) FROM ddl") == first
    assert not first.startswith("0|"), "the trigger sees nothing"


def test_runners_that_start_together_apply_each_file_once(database: Database, folder: Folder) -> None:
    files = folder(T, CONCURRENTLY, *(f"CREATE TABLE t{number} (a int); SELECT pg_sleep(0.1);" for number in range(4)))

    runners = [runner(database, files) for _ in range(4)]
    printed = [process.communicate(timeout=60) for process in runners]

    assert [process.returncode for process in runners] == [0] * 4, printed
    assert sorted(line for out, _ in printed for line in out.split()) == ledger(database)
    assert len(ledger(database)) == 6


def test_a_runner_gives_up_when_another_holds_the_lock_past_the_deadline(database: Database, folder: Folder) -> None:
    files = folder("CREATE TABLE pause AS SELECT 60 AS seconds;", "SELECT pg_sleep(seconds) FROM pause;")
    with runner(database, files) as busy:
        wait_until(lambda: runs(database, "pg_sleep"), "the first runner")
        with pytest.raises(MigrationError, match=r"another runner holds the migration lock for 0.5 s"):
            apply(database, files, deadline=0.5)
        busy.kill()


def test_every_edited_file_is_refused_by_name_before_anything_runs(database: Database, folder: Folder) -> None:
    apply(database, folder("SELECT 1;", "SELECT 2;", "SELECT 3;"))
    files = folder("SELECT 1;", "SELECT 22;", "SELECT 33;", T)

    with pytest.raises(MigrationError, match=r"^002_step.sql was edited .*; 003_step.sql was edited") as refused:
        apply(database, files)
    assert "001" not in str(refused.value)
    assert not exists(database, "t")


def test_a_failing_file_is_rolled_back_whole_and_named_with_its_line(database: Database, folder: Folder) -> None:
    files = folder("CREATE TABLE before (a int);", f"{T}\nINSERT INTO t VALUES (1);\nSELECT no_such_column FROM t;")

    with pytest.raises(
        MigrationError, match=r'^002_step.sql failed and was rolled back: column "no_such_column" .* at line 3$'
    ):
        apply(database, files)
    assert (ledger(database), exists(database, "t")) == (["001_step.sql"], False)

    files = folder("CREATE TABLE before (a int);", T)
    assert apply(database, files)[0] == ["002_step.sql"]


def test_what_a_file_did_goes_when_the_ledger_does_not_take_its_row(database: Database, folder: Folder) -> None:
    files = folder(f"{T} INSERT INTO cutover.schema_migrations VALUES (1, 'another', 'x');")

    with pytest.raises(MigrationError, match=r"^001_step.sql failed and was rolled back: duplicate key"):
        apply(database, files)
    assert (ledger(database), exists(database, "t")) == ([], False)


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


def test_a_runner_killed_inside_a_transaction_leaves_nothing_and_the_next_goes_on(
    database: Database, folder: Folder
) -> None:
    files = folder("CREATE TABLE pause AS SELECT 60 AS seconds;", f"{T} SELECT pg_sleep(seconds) FROM pause;")
    with runner(database, files) as killed:
        wait_until(lambda: runs(database, "pg_sleep"), "the runner in its file")
        killed.kill()
    with database.connect() as connection:
        connection.execute("UPDATE pause SET seconds = 0")

    assert not exists(database, "t")
    assert apply(database, files)[0] == ["002_step.sql"]


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


def test_an_address_leads_elsewhere_than_the_urls_host(database: Database, folder: Folder) -> None:
    away = database.owner_url.replace(database.server.host, "database.invalid")

    with migrator.connect(away, address=(database.server.host, 5432)) as connection:
        assert connection.info.user == OWNER
    with pytest.raises(MigrationError, match="does not answer"), migrator.connect(away):
        pass


def test_the_writer_is_refused_in_one_line(database: Database, folder: Folder) -> None:
    files = folder(T)
    apply(database, files)
    with (
        pytest.raises(MigrationError, match=r"^the audit database refused: permission denied for schema cutover$"),
        migrator.connect(database.server.url(WRITER, database.name)) as connection,
    ):
        migrator.apply(connection, migrator.load(files))
