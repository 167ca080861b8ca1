"""The months of the audit log on a real Postgres: made ahead by the upkeep, attached again, dropped when too old."""

from __future__ import annotations

from datetime import UTC, datetime

import psycopg
import pytest

from tests.support.audit_schema import ENTRY, INSERT, MIGRATIONS, NEWEST, differences
from tests.support.containers import docker
from tests.support.postgres import OWNER, READER, WRITER, Database

pytestmark = pytest.mark.engine


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
