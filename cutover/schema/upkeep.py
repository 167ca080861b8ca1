"""Upkeep of the audit tables by pg_cron, which RDS has: the jobs, made to be as they should, and how they fare.

pg_cron lives in one database of the server, SCHEDULER, and runs each job in the audit database as audit_owner; there it
keeps what each run came to for ever, so one job looks after that.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cutover.errors import MigrationError

if TYPE_CHECKING:
    import psycopg

SCHEDULER = "postgres"  # the database pg_cron lives in
_RETENTION = "audit-retention"
# A policy of pg_cron's shows each role the runs of its own jobs alone.
_FORGET = "DELETE FROM cron.job_run_details WHERE end_time < now() - interval '90 days'"
_SCHEDULED = "SELECT jobname, schedule, command, database, active FROM cron.job WHERE username = current_user"
_RUNS = """
SELECT jobname, schedule, ran.start_time, ran.status, failed.start_time, split_part(failed.return_message, E'\\n', 1)
FROM cron.job j
LEFT JOIN LATERAL (
    SELECT start_time, status FROM cron.job_run_details d
    WHERE d.jobid = j.jobid ORDER BY runid DESC LIMIT 1) ran ON true
LEFT JOIN LATERAL (
    SELECT start_time, return_message FROM cron.job_run_details d
    WHERE d.jobid = j.jobid AND status = 'failed' ORDER BY runid DESC LIMIT 1) failed ON true
WHERE j.database = ANY (%s) AND j.username = current_user ORDER BY jobname"""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One job: its name, its times in cron's notation (UTC), its statement, and its database if not the audit one."""

    name: str
    schedule: str
    command: str
    database: str | None = None


@dataclass(frozen=True, kw_only=True)
class JobStatus:
    """How a job fares: its newest run, and its newest failure, if there were any."""

    name: str
    schedule: str
    last_run: datetime | None
    last_status: str | None
    failed_at: datetime | None
    last_error: str | None


@dataclass(frozen=True, kw_only=True)
class Status:
    """The jobs of a database and how many whole months ahead have a partition."""

    jobs: list[JobStatus]
    runway: int


def jobs(retention_months: int | None) -> list[Job]:
    """What should be scheduled; None keeps entries for ever. Raises MigrationError for less than one month."""
    wanted = [
        Job(name="audit-partitions", schedule="7 * * * *", command="CALL public.keep_audit_partitions()"),
        Job(name="audit-idempotency", schedule="17 3 * * *", command="SELECT public.prune_audit_idempotency()"),
        Job(name="alert-outbox", schedule="37 3 * * *", command="SELECT public.prune_alert_outbox()"),
        Job(name="upkeep-history", schedule="47 3 * * *", command=_FORGET, database=SCHEDULER),
    ]
    if retention_months is not None:
        if retention_months < 1:
            raise MigrationError(
                f"retention is {retention_months} months: 1 at least, or none to keep entries for ever"
            )
        command = f"SELECT public.drop_audit_partitions({int(retention_months)})"
        wanted.append(Job(name=_RETENTION, schedule="27 3 * * *", command=command))
    return wanted


def described(wanted: Iterable[Job]) -> dict[str, str]:
    """Jobs as name → times and statement, to be compared with `scheduled`."""
    return {job.name: f"{job.schedule} {job.command}" for job in wanted}


def scheduled(scheduler: psycopg.Connection, *, database: str) -> dict[str, str]:
    """The jobs of `database` that run and that `ensure` would mend, as name → times and statement: one that a person
    or another revision put there is neither's. Raises MigrationError as `ensure` does."""
    mended = {job.name for job in jobs(1)}
    with _scheduling(scheduler):
        there = scheduler.execute(_SCHEDULED).fetchall()
    return {
        name: f"{times} {command}"
        for name, times, command, where, active in there
        if name in mended and active and where in (database, SCHEDULER)
    }


def ensure(scheduler: psycopg.Connection, *, database: str, retention_months: int | None) -> list[str]:
    """Makes the jobs of `database` what they should be; returns the names of those it wrote or removed.

    `scheduler` is a connection of the owner's to SCHEDULER. Raises MigrationError when there is no pg_cron, or the
    owner may not use it.
    """
    wanted = {job.name: job for job in jobs(retention_months)}
    with _scheduling(scheduler):
        there = {name: rest for name, *rest in scheduler.execute(_SCHEDULED)}
        wrong = _differing(there, wanted, database)
        for name in wrong:
            if name in there:  # scheduling over a job that was put to sleep would not wake it
                scheduler.execute("SELECT cron.unschedule(%s)", (name,))
            if job := wanted.get(name):
                scheduler.execute(
                    "SELECT cron.schedule_in_database(%s, %s, %s, %s)",
                    (name, job.schedule, job.command, job.database or database),
                )
    return wrong


def problems(scheduler: psycopg.Connection, *, database: str, retention_months: int | None) -> list[str]:
    """What is wrong with the jobs of `database`, a line each; writes nothing. Raises as `ensure` does."""
    wanted = {job.name: job for job in jobs(retention_months)}
    with _scheduling(scheduler):
        there = {name: rest for name, *rest in scheduler.execute(_SCHEDULED)}
        runs = _statuses(scheduler, database)
    wrong = [
        f"job {name} {'is not as it should be' if name in there else 'is missing'}: migrate apply mends it"
        for name in _differing(there, wanted, database)
    ]
    return wrong + [f"job {run.name} failed: {run.last_error}" for run in runs if run.last_status == "failed"]


def status(scheduler: psycopg.Connection, audit: psycopg.Connection) -> Status:
    """How the jobs of `audit`'s database fare, and its runway. Raises MigrationError as `ensure` does."""
    with _scheduling(scheduler):
        runs = _statuses(scheduler, audit.info.dbname)
    [(runway,)] = audit.execute("SELECT public.audit_partition_runway()").fetchall()
    return Status(jobs=runs, runway=runway)


def _statuses(scheduler: psycopg.Connection, database: str) -> list[JobStatus]:
    names = ("name", "schedule", "last_run", "last_status", "failed_at", "last_error")
    rows = scheduler.execute(_RUNS, ([database, SCHEDULER],))
    return [JobStatus(**dict(zip(names, row, strict=True))) for row in rows]


def _differing(there: Mapping[str, list[Any]], wanted: Mapping[str, Job], database: str) -> list[str]:
    """The names of the jobs that are not as wanted, or are there and should not be."""
    right = {name: [job.schedule, job.command, job.database or database, True] for name, job in wanted.items()}
    wrong = [name for name in right if there.get(name) != right[name]]
    return wrong + sorted(there.keys() & {_RETENTION} - wanted.keys())


@contextmanager
def _scheduling(scheduler: psycopg.Connection) -> Iterator[None]:
    """One transaction; what pg_cron lacks is said in one line."""
    import psycopg

    if scheduler.execute("SELECT FROM pg_extension WHERE extname = 'pg_cron'").fetchone() is None:
        raise MigrationError(
            f"database {scheduler.info.dbname} has no pg_cron, which keeps the partitions coming: load it by "
            "shared_preload_libraries, restart, and CREATE EXTENSION pg_cron there as the master"
        )
    try:
        with scheduler.transaction():
            yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise MigrationError(
            f"role {scheduler.info.user} may not use pg_cron ({str(error).splitlines()[0]}): in database "
            f"{scheduler.info.dbname}, as the master, GRANT USAGE ON SCHEMA cron and EXECUTE ON FUNCTION "
            f"cron.schedule_in_database TO {scheduler.info.user}"
        ) from None
