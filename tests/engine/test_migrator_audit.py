"""The committed migrations on a real Postgres: who may do what, the append-only rule, and verify."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from cutover.schema import migrator
from tests.support.audit_schema import ENTRY, INSERT, MIGRATIONS, NEWEST, differences, migrate
from tests.support.postgres import OWNER, READER, WRITER, Database, Server, new_database

pytestmark = pytest.mark.engine

LATEST = migrator.load(MIGRATIONS)[-1]
LAST_PART = "SELECT max(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'audit_log'::regclass"


@pytest.fixture(scope="module")
def migrated(server: Server) -> Iterator[Database]:
    """A migrated database with one entry, for tests that leave no change."""
    with new_database(server) as made:
        migrate(made)
        with made.connect(WRITER) as writer:
            writer.execute(INSERT, ENTRY)
        yield made


def test_the_old_apps_statements_work_on_the_new_schema(fresh: Database) -> None:
    with fresh.connect(WRITER) as app:
        assert app.execute(NEWEST, (50,)).fetchall() == [], "0 rows at first"
        identity = app.execute(INSERT, ENTRY).fetchone()
        [row] = app.execute(NEWEST, (50,)).fetchall()
    assert identity == (row[0],)
    assert row[2:] == ("login", "ok", None, "trace-1", {"a": 1})


def test_an_entry_and_its_idempotency_key_are_written_together_or_not_at_all(fresh: Database) -> None:
    both = (
        "WITH entry AS (INSERT INTO audit_log (action, result) VALUES ('login', 'ok') RETURNING id, ts) "
        "INSERT INTO audit_idempotency (key, entry_id, entry_ts) SELECT 'once', id, ts FROM entry"
    )
    with fresh.connect(WRITER) as app:
        app.execute(both)
        with pytest.raises(psycopg.errors.UniqueViolation):
            app.execute(both)
        found = app.execute("SELECT l.id = i.entry_id AND l.ts = i.entry_ts FROM audit_log l, audit_idempotency i")
        assert found.fetchall() == [(True,)]


@pytest.mark.parametrize("role", [WRITER, READER])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {table} SET action = 'x'",
        "DELETE FROM {table}",
        "TRUNCATE {table}",
        "ALTER TABLE {table} ADD COLUMN x int",
        "ALTER TABLE {table} DISABLE TRIGGER ALL",
        "DROP TABLE {table}",
        "CREATE INDEX ON {table} (action)",
        "CREATE TABLE mine (a int)",
        "CREATE TEMPORARY TABLE mine (a int)",
        "SELECT setval('audit_log_id_seq', 1)",
        "UPDATE audit_idempotency SET key = 'x'",
        "DELETE FROM audit_idempotency",
        "SELECT FROM cutover.schema_migrations",
        "INSERT INTO cutover.schema_migrations (version, file, checksum) VALUES (99, 'x', 'x')",
        "CREATE TABLE cutover.mine (a int)",
        "SELECT ensure_audit_partitions(1, now())",
        "SELECT audit_partition_runway()",
        "SELECT drop_audit_partitions(1)",
        "SELECT prune_audit_idempotency()",
        "CALL keep_audit_partitions()",
    ],
)
def test_neither_writer_nor_reader_may_change_anything(migrated: Database, role: str, statement: str) -> None:
    with migrated.connect(role) as connection:
        for table in ("audit_log", f"audit_log_{datetime.now(UTC):%Y_%m}"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege) as refused:
                connection.execute(sql.SQL(statement.format(table=table)))
            assert "append-only" not in str(refused.value), "the trigger refused, not the rights"


def test_the_reader_reads_and_writes_nothing(migrated: Database) -> None:
    with migrated.connect(READER) as reader:
        assert len(reader.execute(NEWEST, (50,)).fetchall()) == 1
        for statement in (INSERT, "INSERT INTO audit_idempotency VALUES ('k', 1, now())"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                reader.execute(statement, ENTRY if statement is INSERT else None)


@pytest.mark.parametrize("table", ["audit_log", "this month", "a month to come"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {} SET action = 'x'",
        "UPDATE {} SET ts = ts + interval '1 month'",
        "DELETE FROM {}",
        "TRUNCATE {}",
        "INSERT INTO {} SELECT * FROM audit_log ON CONFLICT (id, ts) DO UPDATE SET action = 'x'",
    ],
)
def test_not_even_the_owner_changes_an_entry(migrated: Database, statement: str, table: str) -> None:
    with migrated.connect(OWNER) as owner:
        if table == "this month":
            table = f"audit_log_{datetime.now(UTC):%Y_%m}"
        if table == "a month to come":
            owner.execute("SELECT ensure_audit_partitions(13, now())")
            [(table,)] = owner.execute(LAST_PART).fetchall()
            owner.execute("BEGIN")
            owner.execute(
                sql.SQL("INSERT INTO {} SELECT 1, date_trunc('month', now()) + interval '13 months', 'a', 'ok'").format(
                    sql.Identifier(table)
                )
            )
            statement = statement.replace("FROM audit_log ON", "FROM " + table + " ON")
        with pytest.raises(
            psycopg.errors.InsufficientPrivilege, match=r"audit_log is append-only: [A-Z]+ of audit_log"
        ):
            owner.execute(sql.SQL(statement).format(sql.Identifier(table)))


def test_001_applied_again_changes_nothing(fresh: Database) -> None:
    with fresh.connect(OWNER) as owner:
        owner.execute((MIGRATIONS / "001_audit_log.sql").read_bytes())

    assert differences(fresh) == []


def test_a_lost_ledger_is_written_again_by_applying_everything_again(fresh: Database) -> None:
    with fresh.connect(OWNER) as owner:
        owner.execute("DROP SCHEMA cutover CASCADE")
        owner.execute(INSERT, ENTRY)
    migrate(fresh)

    assert differences(fresh) == []
    with fresh.connect(READER) as reader:
        assert len(reader.execute(NEWEST, (50,)).fetchall()) == 1


def test_a_database_of_the_first_revision_is_brought_up_to_date_with_its_entries(
    server: Server, tmp_path: Path
) -> None:
    shutil.copy(MIGRATIONS / "001_audit_log.sql", tmp_path)
    with new_database(server) as database:
        with migrator.connect(database.owner_url) as connection:
            migrator.apply(connection, migrator.load(tmp_path))
        with database.connect(WRITER) as app:
            app.execute(INSERT, ENTRY)
        migrate(database)
        assert differences(database) == []
        with database.connect(OWNER) as owner, pytest.raises(psycopg.Error, match="append-only"):
            owner.execute("DELETE FROM audit_log")


def test_the_migrations_make_what_is_expected(migrated: Database) -> None:
    assert differences(migrated) == [], "correct migrations/expected.txt by these lines if they are what you meant"


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("ALTER TABLE audit_log ADD COLUMN note text", "audit_log: column note text: is in no migration"),
        ("ALTER TABLE audit_log ALTER COLUMN ts DROP DEFAULT", "column ts timestamp with time zone not null: is in"),
        ("ALTER TABLE audit_log DROP CONSTRAINT audit_log_result_check", "constraint audit_log_result_check CHECK"),
        ("DROP INDEX idx_audit_trace", "audit_log: CREATE INDEX idx_audit_trace ON ONLY"),
        ("DROP TRIGGER audit_append_only ON audit_log", "audit_log: CREATE TRIGGER audit_append_only"),
        ("ALTER TABLE {part} DISABLE TRIGGER audit_append_only", "NOT ALWAYS ENABLED: is in no migration"),
        ("DROP TRIGGER audit_no_truncate ON {part}", "{part}: CREATE TRIGGER audit_no_truncate"),
        ("DROP TABLE {gap}", "{gap}: there is no such partition"),
        ("CREATE TABLE rest PARTITION OF audit_log DEFAULT", "rest: partition of public.audit_log DEFAULT: is in no"),
        (
            "CREATE TABLE audit_log_1999_12 PARTITION OF audit_log FOR VALUES FROM ('1999-11-01') TO ('1999-12-01')",
            "audit_log_1999_12: partition of public.audit_log FOR VALUES its month: is missing",
        ),
        ("DROP TABLE audit_idempotency", "audit_idempotency: column key text not null: is missing"),
        ("GRANT EXECUTE ON FUNCTION audit_partition_runway TO PUBLIC", "audit_partition_runway: PUBLIC may EXECUTE"),
        ("CREATE OR REPLACE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'",
         "refuse_audit_change: () invoker"),
        ("REVOKE INSERT ON audit_log FROM audit_writer", "audit_log: audit_writer may SELECT: is in no migration"),
        ("REVOKE ALL ON audit_log FROM audit_reader", "audit_log: audit_reader may SELECT: is missing"),
        ("REVOKE DELETE ON alert_outbox FROM audit_owner", "alert_outbox: the owner may INSERT, MAINTAIN, REFERENCES"),
        ("GRANT UPDATE ON audit_log TO audit_writer", "audit_writer may INSERT, SELECT, UPDATE: is in no migration"),
        ("GRANT DELETE ON {part} TO audit_writer", "{part}: audit_writer may DELETE, INSERT, SELECT: is in no"),
        ("GRANT TRUNCATE ON alert_outbox TO audit_writer", "audit_writer may INSERT, SELECT, TRUNCATE, UPDATE (check"),
        ("GRANT SELECT ON audit_log TO PUBLIC", "audit_log: PUBLIC may SELECT: is in no migration"),
        ("GRANT SELECT ON audit_log TO audit_reader WITH GRANT OPTION", "may SELECT with grant option: is in no"),
        ("REVOKE UPDATE (outcome) ON alert_outbox FROM audit_writer", "UPDATE (closed_at), UPDATE (errors): is in no"),
        ("GRANT UPDATE (payload) ON alert_outbox TO audit_writer", "UPDATE (outcome), UPDATE (payload): is in no"),
        ("GRANT EXECUTE ON FUNCTION prune_alert_outbox TO audit_writer",
         "prune_alert_outbox: audit_writer may EXECUTE (keep interval): is in no migration"),
        ("REVOKE EXECUTE ON FUNCTION prune_alert_outbox FROM audit_owner",
         "prune_alert_outbox: the owner may EXECUTE (keep interval): is missing"),
        ("REVOKE USAGE ON SEQUENCE audit_log_id_seq FROM audit_writer", "audit_writer may USAGE: is missing"),
        ("GRANT UPDATE ON SEQUENCE audit_log_id_seq TO audit_writer", "audit_writer may UPDATE, USAGE: is in no"),
        ("ALTER SEQUENCE audit_log_id_seq CYCLE MAXVALUE 100000", "from 1 to 100000, in a cycle: is in no migration"),
        ("ALTER SEQUENCE audit_log_id_seq INCREMENT -1", "audit_log_id_seq: bigint by -1, from 1 to"),
        ("GRANT TEMPORARY ON DATABASE {database} TO PUBLIC", "the database: PUBLIC may CONNECT, TEMPORARY: is in no"),
        ("REVOKE CONNECT ON DATABASE {database} FROM PUBLIC", "the database: PUBLIC may CONNECT: is missing"),
        ("REVOKE USAGE ON SCHEMA public FROM PUBLIC", "public: PUBLIC may USAGE: is missing"),
        ("GRANT CREATE ON SCHEMA public TO audit_writer", "public: audit_writer may CREATE: is in no migration"),
        ("ALTER TABLE {part} ENABLE ROW LEVEL SECURITY", "{part}: row level security: is in no migration"),
        ("ALTER TABLE audit_log FORCE ROW LEVEL SECURITY", "audit_log: row level security: is in no migration"),
        ("ALTER TABLE alert_outbox SET UNLOGGED", "alert_outbox: unlogged: is in no migration"),
        ("CREATE RULE gone AS ON INSERT TO alert_outbox DO INSTEAD NOTHING", "alert_outbox: CREATE RULE gone AS"),
        (f"DELETE FROM cutover.schema_migrations WHERE version = {LATEST.version}",
         f"{LATEST.file} is not applied"),
    ],
)  # fmt: skip
def test_verify_says_what_differs(migrated: Database, harm: str, said: str) -> None:
    with migrator.connect(migrated.owner_url) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT ensure_audit_partitions(14, now())")
        [(gap,), (part,)] = connection.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'audit_log'::regclass "
            "ORDER BY 1 OFFSET 13"
        ).fetchall()
        assert migrator.verify(connection, MIGRATIONS) == []
        connection.execute("SET LOCAL search_path = public")  # which a verify inside a transaction leaves set
        connection.execute(sql.SQL(harm.format(part=part, gap=gap, database=migrated.name)))
        found = migrator.verify(connection, MIGRATIONS)
        connection.execute("ROLLBACK")
    assert any(said.format(part=part, gap=gap) in line for line in found), found


def test_verify_names_who_owns_a_table_and_did_not_migrate(fresh: Database) -> None:
    fresh.superuser("ALTER TABLE audit_idempotency OWNER TO audit_writer")

    assert any(line.startswith("audit_idempotency: audit_writer may DELETE, INSERT") for line in differences(fresh))
