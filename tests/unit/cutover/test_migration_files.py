"""The rules of migration files, before any of them is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from cutover.errors import MigrationError
from cutover.schema import files as migration
from cutover.schema.statements import statements


def problems(folder: Path, *files: str) -> list[str]:
    for number, sql in enumerate(files, start=1):
        (folder / f"{number:03}_a.sql").write_text(sql)
    return migration.problems(folder)


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "audit.sql").write_text("SELECT 1;")
    (tmp_path / "001_a.sql").write_text("-- cutover: no transactions\nSELECT 1;")
    (tmp_path / "001_b.sql").write_text("COMMIT;")
    (tmp_path / "004_c.sql").write_bytes(b"SELECT '\xff';")

    found = migration.problems(tmp_path)

    assert [line.split(":")[0] for line in found] == [
        "001_a.sql has the directive 'no transactions'",
        "001_b.sql has number 001 as 001_a.sql has, 002 comes next",
        "001_b.sql has the statement COMMIT",
        "004_c.sql has number 004, 002 comes next",
        "004_c.sql is not UTF-8 at byte 8",
        "audit.sql is not a migration's name",
    ]
    with pytest.raises(MigrationError) as refused:
        migration.load(tmp_path)
    assert str(refused.value) == "; ".join(found)


def test_a_folder_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    assert migration.problems(tmp_path / "gone") == [f"{tmp_path}/gone is no folder: migrations are *.sql files in it"]


@pytest.mark.parametrize(
    "statement",
    [
        "BEGIN", "begin transaction", "START TRANSACTION", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT a",
        "RELEASE a", "PREPARE TRANSACTION 'a'", "SET search_path = x", "SET SESSION x = 1", "RESET ALL", "DISCARD ALL",
    ],
)  # fmt: skip
def test_statements_that_end_or_outlive_the_transaction_are_refused(tmp_path: Path, statement: str) -> None:
    [found] = problems(tmp_path, f"SELECT 1; /* so */ {statement};")
    assert found.startswith("001_a.sql has the statement ")


@pytest.mark.parametrize(
    "sql",
    [
        "SET LOCAL lock_timeout = '1s';",
        "-- COMMIT;\nSELECT 1;",
        "/* COMMIT; /* DROP TABLE t; */ COMMIT; */ SELECT 1;",
        "SELECT 'a; COMMIT;';",
        "SELECT '\\'; SELECT '; COMMIT;';",
        "SELECT E'\\'; COMMIT;';",
        'SELECT 1 AS "; COMMIT;";',
        "DO $$ BEGIN DROP TABLE t; COMMIT; END $$;",
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $body$ BEGIN DROP TABLE $$t$$; END $body$;",
        "SELECT 1 AS a$b; SELECT $$; COMMIT; $$;",
        "ALTER TABLE t ADD COLUMN type text, ADD COLUMN note text NOT NULL DEFAULT 'x';",
        "ALTER TABLE t DROP CONSTRAINT c, ALTER COLUMN a DROP NOT NULL, ALTER a DROP DEFAULT;",
        "ALTER TABLE t ADD CONSTRAINT c CHECK (a IS NOT NULL) NOT VALID;",
        "ALTER TABLE t ADD CHECK (a IS NOT NULL);",
        "ALTER TABLE t RENAME CONSTRAINT a TO b;",
        "ALTER INDEX a RENAME TO b; DROP FUNCTION f(int); DROP INDEX a; DROP TRIGGER a ON t;",
        "CREATE TABLE t (a int NOT NULL, type text);",
        "COMMENT ON TABLE t IS 'DROP TABLE t;';",
    ],
)
def test_what_only_looks_like_a_broken_rule_is_not_one(tmp_path: Path, sql: str) -> None:
    assert problems(tmp_path, sql) == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("DROP TABLE t", "drops a table"),
        ("drop view if exists v", "drops a view"),
        ("DROP SCHEMA s CASCADE", "drops a schema"),
        ("ALTER TABLE t DROP COLUMN a", "drops a column"),
        ("ALTER TABLE public . t DROP a", "drops a column"),
        ('ALTER TABLE IF EXISTS ONLY "t t" ADD COLUMN b int, DROP COLUMN IF EXISTS a', "drops a column"),
        ("ALTER TABLE t RENAME COLUMN a TO b", "renames"),
        ("ALTER TABLE t RENAME a TO b", "renames"),
        ("ALTER TABLE t RENAME TO u", "renames"),
        ("ALTER VIEW v RENAME TO w", "renames"),
        ("ALTER TABLE t ALTER COLUMN a TYPE bigint USING a::bigint", "changes a type"),
        ("ALTER TABLE t ALTER a SET DATA TYPE numeric(10, 2)", "changes a type"),
        ("ALTER TABLE t ALTER COLUMN a SET NOT NULL", "sets NOT NULL"),
        ("ALTER/**/TABLE t -- so\nALTER COLUMN a\nSET NOT NULL", "sets NOT NULL"),
        ("ALTER TABLE t ADD COLUMN b numeric(10, 2) NOT NULL", "adds a NOT NULL column without default"),
    ],
)
def test_what_breaks_the_running_release_needs_the_directive(tmp_path: Path, statement: str, said: str) -> None:
    [found] = problems(tmp_path, f"SELECT 1; {statement};")
    assert found.startswith(f"001_a.sql {said}, which breaks the release that still runs: expand first; ")

    assert problems(tmp_path, f"-- cutover: contract\nSELECT 1; {statement};") == []


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a)",
        "create unique index concurrently if not exists i on t (a);\n-- done\n",
        "DROP INDEX CONCURRENTLY IF EXISTS i;",
        "REINDEX INDEX CONCURRENTLY i;",
    ],
)
def test_one_statement_that_can_be_repeated_may_run_in_no_transaction(tmp_path: Path, sql: str) -> None:
    assert problems(tmp_path, f"-- cutover: no transaction\n-- about it\n{sql}") == []
    [loaded] = migration.load(tmp_path)
    assert not loaded.transaction


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "CREATE INDEX CONCURRENTLY i ON t (a);",
        "CREATE INDEX IF NOT EXISTS i ON t (a);",
        "DROP INDEX CONCURRENTLY i;",
        "VACUUM t;",
        "REINDEX INDEX CONCURRENTLY i; REINDEX INDEX CONCURRENTLY j;",
    ],
)
def test_anything_else_may_not(tmp_path: Path, sql: str) -> None:
    [found] = problems(tmp_path, f"-- cutover: no transaction\n{sql}")
    assert found.startswith("001_a.sql runs in no transaction and must be one statement that can be repeated: ")


def test_both_directives_fit_on_one_file(tmp_path: Path) -> None:
    both = "-- cutover: contract\n--cutover:no transaction\nDROP INDEX CONCURRENTLY IF EXISTS i;"
    assert problems(tmp_path, both) == []
    assert not migration.load(tmp_path)[0].transaction


def test_a_directive_below_the_first_lines_is_a_problem(tmp_path: Path) -> None:
    [found] = problems(tmp_path, "-- about\n-- cutover: contract\nSELECT 1;")
    assert found == "001_a.sql has a directive below its first lines, where it does nothing: move it to the top"


def test_a_body_that_the_checks_cannot_read_is_refused(tmp_path: Path) -> None:
    sql = "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END;"
    assert problems(tmp_path, sql) == [
        "001_a.sql has a BEGIN ATOMIC body, which the checks cannot read: write it between $$"
    ]


def test_unfinished_sql_is_left_to_postgres() -> None:
    assert statements("SELECT 'a; /* b") == [["SELECT", "'", "A"]]
    assert statements("SELECT 1 /* never; ends") == [["SELECT", "1"]]


def test_the_committed_migrations_break_no_rule() -> None:
    assert migration.problems(Path(__file__).parents[3] / "migrations") == []
