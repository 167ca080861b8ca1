"""The upkeep's jobs on a real pg_cron: scheduled by the owner, mended, run, and seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from cutover.errors import MigrationError
from cutover.schema import migrator, upkeep
from tests.support.containers import docker, wait_until
from tests.support.postgres import MASTER, OWNER, Database, Server

pytestmark = pytest.mark.engine

MIGRATIONS = Path(__file__).parents[2] / "migrations"
EVERY_SECOND = "SELECT cron.schedule_in_database(%s, '1 seconds', %s, %s)"


@pytest.fixture
def scheduler(server: Server, database: Database) -> Iterator[psycopg.Connection]:
    """The owner's connection to pg_cron, with a migrated database beside it; no job is scheduled."""
    with (
        migrator.connect(database.owner_url) as connection,
        migrator.connect(database.owner_url, database=upkeep.SCHEDULER) as made,
    ):
        migrator.apply(connection, migrator.load(MIGRATIONS))
        made.execute("SELECT cron.unschedule(jobid) FROM cron.job WHERE username = current_user")
        yield made


def ensure(scheduler: psycopg.Connection, database: Database, months: int | None = None) -> list[str]:
    return upkeep.ensure(scheduler, database=database.name, retention_months=months)


def scheduled(scheduler: psycopg.Connection) -> list[tuple[object, ...]]:
    return scheduler.execute(
        "SELECT jobname, schedule, command, database, username, active FROM cron.job WHERE username = current_user "
        "ORDER BY 1"
    ).fetchall()


def versions(scheduler: psycopg.Connection) -> list[tuple[object, ...]]:
    """Which transaction wrote each job last."""
    return scheduler.execute("SELECT jobname, jobid, xmin FROM cron.job ORDER BY 1").fetchall()


def test_the_jobs_are_scheduled_in_the_audit_database_as_its_owner(
    scheduler: psycopg.Connection, database: Database
) -> None:
    assert ensure(scheduler, database) == ["audit-partitions", "audit-idempotency", "alert-outbox", "upkeep-history"]
    assert scheduled(scheduler) == [
        ("alert-outbox", "37 3 * * *", "SELECT public.prune_alert_outbox()", database.name, OWNER, True),
        ("audit-idempotency", "17 3 * * *", "SELECT public.prune_audit_idempotency()", database.name, OWNER, True),
        ("audit-partitions", "7 * * * *", "CALL public.keep_audit_partitions()", database.name, OWNER, True),
        (
            "upkeep-history",
            "47 3 * * *",
            "DELETE FROM cron.job_run_details WHERE end_time < now() - interval '90 days'",
            "postgres",
            OWNER,
            True,
        ),
    ]


def test_nothing_is_written_when_nothing_differs(scheduler: psycopg.Connection, database: Database) -> None:
    ensure(scheduler, database, 13)
    before = versions(scheduler)

    assert ensure(scheduler, database, 13) == []
    assert versions(scheduler) == before


def test_retention_comes_changes_and_goes_with_its_setting(scheduler: psycopg.Connection, database: Database) -> None:
    ensure(scheduler, database)
    for months, changed in ((13, ["audit-retention"]), (24, ["audit-retention"]), (None, ["audit-retention"])):
        assert ensure(scheduler, database, months) == changed
        commands = [row[2] for row in scheduled(scheduler) if row[0] == "audit-retention"]
        assert commands == ([f"SELECT public.drop_audit_partitions({months})"] if months else [])
    assert upkeep.problems(scheduler, database=database.name, retention_months=None) == []
    with pytest.raises(MigrationError, match=r"retention is 0 months: 1 at least"):
        ensure(scheduler, database, 0)


@pytest.mark.parametrize(
    "harm",
    [
        "SELECT cron.schedule_in_database('audit-partitions', '0 0 1 1 *', 'CALL public.keep_audit_partitions()', %s)",
        "SELECT cron.schedule_in_database('audit-partitions', '7 * * * *', 'SELECT 1', %s)",
        "SELECT cron.unschedule('audit-partitions') WHERE %s <> ''",
    ],
)
def test_a_job_that_somebody_changed_is_mended(scheduler: psycopg.Connection, database: Database, harm: str) -> None:
    ensure(scheduler, database)
    right = scheduled(scheduler)
    scheduler.execute(harm.encode(), (database.name,))
    assert scheduled(scheduler) != right
    [said] = upkeep.problems(scheduler, database=database.name, retention_months=None)
    assert said.startswith("job audit-partitions is ")

    assert ensure(scheduler, database) == ["audit-partitions"]
    assert scheduled(scheduler) == right


def test_a_job_that_moved_to_another_database_is_mended(scheduler: psycopg.Connection, database: Database) -> None:
    upkeep.ensure(scheduler, database="postgres", retention_months=None)

    assert ensure(scheduler, database) == ["audit-partitions", "audit-idempotency", "alert-outbox"]
    assert {row[3] for row in scheduled(scheduler)} == {database.name, "postgres"}


def test_a_job_that_was_put_to_sleep_is_mended(scheduler: psycopg.Connection, database: Database) -> None:
    ensure(scheduler, database)
    database.server.superuser("postgres", "UPDATE cron.job SET active = false WHERE jobname = 'audit-partitions'")

    assert ensure(scheduler, database) == ["audit-partitions"]
    assert {row[-1] for row in scheduled(scheduler)} == {True}


def test_the_job_keeps_the_partitions_and_sends_the_heartbeat(
    scheduler: psycopg.Connection, database: Database
) -> None:
    ensure(scheduler, database)
    with database.connect() as owner:
        [(last,)] = owner.execute(
            "SELECT max(inhrelid::regclass::text) FROM pg_inherits WHERE inhparent = 'audit_log'::regclass"
        ).fetchall()
        owner.execute(f"DROP TABLE {last}".encode())
        [job] = [job for job in upkeep.jobs(None) if job.name == "audit-partitions"]
        assert upkeep.status(scheduler, owner).runway == 11
        scheduler.execute(EVERY_SECOND, (job.name, job.command, database.name))
        wait_until(lambda: upkeep.status(scheduler, owner).runway == 12, "the job")
        wait_until(lambda: run_of(job.name, scheduler, owner).last_status == "succeeded", "the record of its run")
        found = run_of(job.name, scheduler, owner)
    assert (found.last_error, found.failed_at) == (None, None)
    assert found.last_run is not None
    lines = docker("logs", database.server.container).splitlines()
    assert any(f"{OWNER}@{database.name}" in line and "audit_partition_runway ok: 12" in line for line in lines)


def test_a_job_that_fails_is_seen_with_its_error(scheduler: psycopg.Connection, database: Database) -> None:
    ensure(scheduler, database)
    with database.connect() as owner:
        owner.execute("DROP TABLE audit_idempotency")
        [job] = [job for job in upkeep.jobs(None) if job.name == "audit-idempotency"]
        scheduler.execute(EVERY_SECOND, (job.name, job.command, database.name))
        wait_until(lambda: run_of(job.name, scheduler, owner).last_error is not None, "the failure")
        found = run_of(job.name, scheduler, owner)
        assert found.last_error == 'ERROR:  relation "audit_idempotency" does not exist'
        assert f"job {job.name} failed: {found.last_error}" in upkeep.problems(
            scheduler, database=database.name, retention_months=None
        )
        other = run_of("audit-partitions", scheduler, owner)
    assert (other.last_run, other.last_status, other.last_error) == (None, None, None)


def test_runs_older_than_90_days_are_forgotten_those_of_other_roles_excepted(
    scheduler: psycopg.Connection, database: Database
) -> None:
    ensure(scheduler, database)
    server = database.server
    server.superuser(
        "postgres",
        "DELETE FROM cron.job_run_details; INSERT INTO cron.job_run_details (jobid, runid, username, status, end_time) "
        "SELECT 1, -row_number() OVER (), who, 'succeeded', now() - age FROM unnest('{audit_owner,rdsadmin}'::text[]) "
        "who, unnest('{89 days,91 days}'::interval[]) age",
    )
    [job] = [job for job in upkeep.jobs(None) if job.name == "upkeep-history"]
    scheduler.execute(EVERY_SECOND, (job.name, job.command, job.database))
    kept = "SELECT string_agg(username || ' ' || (now()::date - end_time::date), ', ' ORDER BY 1) "
    kept += "FROM cron.job_run_details WHERE runid < 0"

    wait_until(lambda: server.superuser("postgres", kept).count(",") == 2, "the job")
    assert server.superuser("postgres", kept).strip() == "audit_owner 89, rdsadmin 89, rdsadmin 91"


def run_of(name: str, scheduler: psycopg.Connection, owner: psycopg.Connection) -> upkeep.JobStatus:
    return next(job for job in upkeep.status(scheduler, owner).jobs if job.name == name)


def test_a_database_without_pg_cron_is_said_in_one_line(database: Database) -> None:
    with (
        pytest.raises(MigrationError, match=rf"^database {database.name} has no pg_cron, .* CREATE EXTENSION pg_cron"),
        migrator.connect(database.owner_url) as connection,
    ):
        ensure(connection, database)


@pytest.mark.parametrize(
    ("revoked", "said"),
    [
        ("USAGE ON SCHEMA cron", "permission denied for schema cron"),
        ("EXECUTE ON FUNCTION cron.schedule_in_database", "permission denied for function schedule_in_database"),
    ],
)
def test_an_owner_who_may_not_schedule_is_told_which_grant_is_missing(
    scheduler: psycopg.Connection, database: Database, server: Server, revoked: str, said: str
) -> None:
    with server.connect(MASTER, upkeep.SCHEDULER) as master:
        master.execute(f"REVOKE {revoked} FROM audit_owner".encode())
        try:
            with pytest.raises(
                MigrationError, match=rf"^role audit_owner may not use pg_cron \({said}\): .* GRANT USAGE"
            ):
                ensure(scheduler, database)
        finally:
            master.execute(f"GRANT {revoked} TO audit_owner".encode())
    assert scheduled(scheduler) == []
