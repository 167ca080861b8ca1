"""The committed migrations on a real Postgres: who may do what, the append-only rule, months, and verify."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from cutover.schema import migrator
from tests.support.containers import docker
from tests.support.postgres import OWNER, READER, WRITER, Database, Server, new_database

pytestmark = pytest.mark.engine

MIGRATIONS = Path(__file__).parents[2] / "migrations"
LATEST = migrator.load(MIGRATIONS)[-1]
# The statements of the release before 003, word for word: files only expand.
INSERT = sql.SQL(
    "INSERT INTO audit_log (action, result, strategy_id, trace_id, details) "
    "VALUES (%s, %s, %s, %s, %s::jsonb) RETURNING id"
)
NEWEST = sql.SQL(
    "SELECT id, ts, action, result, strategy_id, trace_id, details FROM audit_log ORDER BY ts DESC, id DESC LIMIT %s"
)
ENTRY = ("login", "ok", None, "trace-1", '{"a": 1}')
LAST_PART = "SELECT max(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'audit_log'::regclass"


def migrate(database: Database) -> None:
    with migrator.connect(database.owner_url) as connection:
        migrator.apply(connection, migrator.load(MIGRATIONS))


def differences(database: Database) -> list[str]:
    with migrator.connect(database.owner_url) as connection:
        return migrator.verify(connection, MIGRATIONS)


@pytest.fixture(scope="module")
def migrated(server: Server) -> Iterator[Database]:
    """A migrated database with one entry, for tests that leave no change."""
    with new_database(server) as made:
        migrate(made)
        with made.connect(WRITER) as writer:
            writer.execute(INSERT, ENTRY)
        yield made


@pytest.fixture
def fresh(server: Server) -> Iterator[Database]:
    """A migrated database of the test's own."""
    with new_database(server) as made:
        migrate(made)
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


def test_a_partition_is_made_without_stopping_reads_or_writes(fresh: Database) -> None:
    locks = "SELECT mode FROM pg_locks WHERE relation = 'audit_log'::regclass AND pid = pg_backend_pid() ORDER BY 1"
    with fresh.connect(OWNER) as owner, fresh.connect(WRITER) as app:
        app.execute("BEGIN")
        app.execute(INSERT, ENTRY)
        owner.execute("BEGIN")
        owner.execute("SELECT ensure_audit_partitions(24, now())")
        held = {mode for (mode,) in owner.execute(locks).fetchall()}
        with fresh.connect(WRITER) as other:
            other.execute("SET lock_timeout = '5s'")
            other.execute(INSERT, ENTRY)
            assert len(other.execute(NEWEST, (50,)).fetchall()) == 1
        owner.execute("COMMIT")
    assert held == {"AccessShareLock", "ShareUpdateExclusiveLock"}


def test_24_months_of_upkeep_give_every_instant_exactly_one_partition(fresh: Database) -> None:
    months = [datetime(2027 + number // 12, number % 12 + 1, 28, 23, 59, tzinfo=UTC) for number in range(24)]
    with fresh.connect(OWNER) as owner:
        owner.execute("SET timezone = 'Pacific/Auckland'")
        for today in months:
            owner.execute("CALL keep_audit_partitions(%s)", (today,))
            assert owner.execute("SELECT audit_partition_runway(%s)", (today,)).fetchone() == (12,)
        owner.execute("SET timezone = 'UTC'")
        bounds = owner.execute(
            "SELECT c.relname, b[1]::timestamptz, b[2]::timestamptz "
            "FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid, "
            "regexp_matches(pg_get_expr(relpartbound, c.oid), '''(.*)''.*''(.*)''') b "
            "WHERE inhparent = 'audit_log'::regclass ORDER BY 2"
        ).fetchall()
        edges = [
            "2027-01-01 00:00:00+00",
            "2027-12-31 23:59:59.999999+00",
            "2028-01-01 00:00:00+00",
            "2028-02-28 23:59:59.999999+00",
            "2028-02-29 00:00:00+00",
            "2028-02-29 23:59:59.999999+00",
            "2028-03-01 00:00:00+00",
            "2028-12-31 23:59:59.999999+00",
            "2029-12-31 23:59:59.999999+00",
        ]
        for edge in edges:
            [(part,)] = owner.execute(
                "INSERT INTO audit_log (ts, action, result) VALUES (%s, 'a', 'ok') RETURNING tableoid::regclass::text",
                (edge,),
            ).fetchall()
            assert part == f"audit_log_{edge[:4]}_{edge[5:7]}"
        with pytest.raises(psycopg.errors.CheckViolation, match="no partition of relation"):
            owner.execute("INSERT INTO audit_log (ts, action, result) VALUES ('2030-01-01 00:00+00', 'a', 'ok')")
    assert [lower for _, lower, _ in bounds[1:]] == [upper for _, _, upper in bounds[:-1]], "a gap or an overlap"
    assert {name: lower for name, lower, _ in bounds} == {f"audit_log_{low:%Y_%m}": low for _, low, _ in bounds}
    assert bounds[-1][2] == datetime(2030, 1, 1, tzinfo=UTC)
    assert differences(fresh) == [], "the partitions of upkeep are not those of the migrations"


def test_the_runway_counts_whole_months_up_to_the_first_gap(fresh: Database) -> None:
    with fresh.connect(OWNER) as owner:
        runway = "SELECT audit_partition_runway(%s)"
        owner.execute("SELECT ensure_audit_partitions(4, '2031-01-31 23:00+00')")
        assert owner.execute(runway, ("2031-01-01",)).fetchone() == (4,)
        assert owner.execute(runway, ("2031-05-31",)).fetchone() == (0,)
        assert owner.execute(runway, ("2031-06-01",)).fetchone() == (-1,)
        owner.execute("DROP TABLE audit_log_2031_03")
        assert owner.execute(runway, ("2031-01-01",)).fetchone() == (1,)


def test_a_table_that_has_a_months_name_and_is_no_partition_fails_the_upkeep(fresh: Database) -> None:
    with fresh.connect(OWNER) as owner:
        owner.execute("CREATE TABLE audit_log_2031_02 (a int)")
        with pytest.raises(psycopg.errors.DatatypeMismatch, match="audit_log_2031_02"):
            owner.execute("CALL keep_audit_partitions('2031-01-01')")
        assert owner.execute("SELECT to_regclass('audit_log_2031_01')").fetchone() == (None,), "half of it stayed"


def test_a_month_that_somebody_detached_is_attached_again_with_its_entries(fresh: Database) -> None:
    with fresh.connect(OWNER) as owner:
        owner.execute("SELECT ensure_audit_partitions(2, '2031-01-01')")
        owner.execute("INSERT INTO audit_log (ts, action, result) VALUES ('2031-02-03', 'kept', 'ok')")
        owner.execute("ALTER TABLE audit_log DETACH PARTITION audit_log_2031_02")
        assert owner.execute("SELECT audit_partition_runway('2031-01-01')").fetchone() == (0,)

        owner.execute("CALL keep_audit_partitions('2031-01-01')")

        assert owner.execute("SELECT audit_partition_runway('2031-01-01')").fetchone() == (12,)
        assert owner.execute("SELECT action FROM audit_log WHERE ts = '2031-02-03'").fetchall() == [("kept",)]


def test_a_month_that_was_detached_before_a_column_came_is_attached_again_and_gets_it(fresh: Database) -> None:
    with fresh.connect(OWNER) as owner:
        owner.execute("SELECT ensure_audit_partitions(2, '2031-01-01')")
        owner.execute("INSERT INTO audit_log (ts, action, result) VALUES ('2031-02-03', 'kept', 'ok')")
        owner.execute("ALTER TABLE audit_log DETACH PARTITION audit_log_2031_02")
        owner.execute("ALTER TABLE audit_log ADD COLUMN region TEXT NOT NULL DEFAULT 'none'")
        owner.execute("ALTER TABLE audit_log ADD COLUMN cost NUMERIC(8, 2)")

        owner.execute("CALL keep_audit_partitions('2031-01-01')")

        found = owner.execute("SELECT action, region, cost FROM audit_log WHERE ts = '2031-02-03'")
        assert found.fetchall() == [("kept", "none", None)]
        assert owner.execute("SELECT audit_partition_runway('2031-01-01')").fetchone() == (12,)
    extra = {line.split(": ", 1)[1] for line in differences(fresh) if line.startswith("audit_log_2031_0")}
    assert extra == {
        "column region text not null default 'none'::text: is in no migration",
        "column cost numeric(8,2): is in no migration",
    }, "a month has it and another has not"


def test_a_month_that_cannot_be_attached_is_named_by_the_upkeep(fresh: Database) -> None:
    with fresh.connect(OWNER) as owner:
        owner.execute("SELECT ensure_audit_partitions(2, '2031-01-01')")
        owner.execute("ALTER TABLE audit_log DETACH PARTITION audit_log_2031_02")
        owner.execute("ALTER TABLE audit_log_2031_02 ADD COLUMN note TEXT")

        with pytest.raises(psycopg.errors.DatatypeMismatch, match=r"^audit_log_2031_02 cannot be attached .* \"note\""):
            owner.execute("CALL keep_audit_partitions('2031-01-01')")


def test_retention_drops_only_months_whose_every_entry_is_too_old(fresh: Database) -> None:
    with fresh.connect(OWNER) as owner:
        owner.execute("SELECT ensure_audit_partitions(5, '2020-01-01')")
        drop = "SELECT drop_audit_partitions(12, %s)"
        assert owner.execute(drop, ("2021-01-31 23:59:59+00",)).fetchall() == []
        assert owner.execute(drop, ("2021-03-01 00:00:00+00",)).fetchall() == [
            ("audit_log_2020_01",),
            ("audit_log_2020_02",),
        ]
        assert owner.execute(drop, ("2021-03-31 00:00:00+00",)).fetchall() == []
        for months in (0, -1, None):
            with pytest.raises(psycopg.errors.InvalidParameterValue, match="keep 1 month at least"):
                owner.execute("SELECT drop_audit_partitions(%s)", (months,))


def test_retention_gives_up_at_once_when_somebody_reads(fresh: Database) -> None:
    with fresh.connect(OWNER) as owner, fresh.connect(READER) as reader:
        owner.execute("SELECT ensure_audit_partitions(0, '2020-01-01')")
        reader.execute("BEGIN")
        reader.execute("SELECT FROM audit_log")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            owner.execute("SELECT drop_audit_partitions(12)")


def test_a_week_of_idempotency_keys_is_kept(fresh: Database) -> None:
    with fresh.connect(OWNER) as owner:
        owner.execute(
            "INSERT INTO audit_idempotency SELECT age, 1, now(), now() - age::interval "
            "FROM unnest('{6 days 23 hours, 7 days 1 hour, 30 days}'::text[]) age"
        )
        assert owner.execute("SELECT prune_audit_idempotency()").fetchone() == (2,)
        assert owner.execute("SELECT key FROM audit_idempotency").fetchall() == [("6 days 23 hours",)]


def test_the_heartbeat_is_logged_by_the_upkeep_and_by_nothing_else(fresh: Database) -> None:
    phrase = f"audit_owner@{fresh.name}"

    def heartbeats() -> int:
        return sum("audit_partition_runway ok" in line for line in docker("logs", fresh.server.container).splitlines())

    before = heartbeats()
    with fresh.connect(OWNER) as owner:
        owner.execute("CALL keep_audit_partitions()")
        assert heartbeats() == before + 1
        owner.execute("CREATE TABLE audit_log_2031_02 (a int)")
        with pytest.raises(psycopg.errors.DatatypeMismatch):
            owner.execute("CALL keep_audit_partitions('2031-01-01')")
        with pytest.raises(psycopg.errors.DuplicateFunction):  # which logs the statement
            owner.execute((MIGRATIONS / "004_audit_partitions.sql").read_text().replace("OR REPLACE ", "").encode())
    logged = docker("logs", fresh.server.container)
    assert heartbeats() == before + 1
    assert phrase in logged
    assert "audit_partition_runway ok: 12 months ahead" in logged


def test_a_heartbeat_of_a_short_runway_is_another_line(fresh: Database) -> None:
    with fresh.connect(OWNER) as owner:
        owner.execute(
            "CREATE OR REPLACE FUNCTION ensure_audit_partitions(months_ahead integer, today timestamptz) "
            "RETURNS void LANGUAGE sql AS ''"
        )
        counts = []
        for month in (9, 10):
            [(today,)] = owner.execute(
                "SELECT date_trunc('month', now()) + make_interval(months => %s)", (month,)
            ).fetchall()
            owner.execute("CALL keep_audit_partitions(%s)", (today,))
            logged = docker("logs", fresh.server.container)
            counts.append(
                [f"audit_partition_runway {said} months ahead" in logged for said in ("ok: 3", "short: 2", "ok: 2")]
            )
    assert counts == [[True, False, False], [True, True, False]]


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
