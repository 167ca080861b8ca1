"""The migrator on a real Postgres, as the owner that is no superuser: each file once, whole or not at all."""

from __future__ import annotations

import pytest

from cutover.errors import MigrationError, UnreachableError
from cutover.schema import migrator
from tests.support.containers import wait_until
from tests.support.migrating import CONCURRENTLY, Folder, T, apply, exists, ledger, runner, runs
from tests.support.postgres import OWNER, WRITER, Database

pytestmark = pytest.mark.engine


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


def test_an_address_leads_elsewhere_than_the_urls_host(database: Database, folder: Folder) -> None:
    away = database.owner_url.replace(database.server.host, "database.invalid")

    with migrator.connect(away, address=(database.server.host, 5432)) as connection:
        assert connection.info.user == OWNER
    with pytest.raises(UnreachableError, match="does not answer"), migrator.connect(away):
        pass


def test_the_writer_is_refused_in_one_line(database: Database, folder: Folder) -> None:
    files = folder(T)
    apply(database, files)
    with (
        pytest.raises(MigrationError, match=r"^the audit database refused: permission denied for schema cutover$"),
        migrator.connect(database.server.url(WRITER, database.name)) as connection,
    ):
        migrator.apply(connection, migrator.load(files))
