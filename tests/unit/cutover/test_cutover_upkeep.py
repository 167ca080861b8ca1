"""What upkeep schedules, and how much of a blocking session may be shown; the rest is tested on a database."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import UTC, datetime
from unittest.mock import MagicMock

import pytest

from cutover.errors import MigrationError
from cutover.schema import locks, upkeep


def test_without_a_retention_nothing_drops_entries() -> None:
    kept = ["audit-partitions", "audit-idempotency", "alert-outbox", "upkeep-history"]
    assert [job.name for job in upkeep.jobs(None)] == kept
    assert not any("drop" in job.command for job in upkeep.jobs(None))


def test_a_retention_adds_the_job_that_drops_months() -> None:
    assert [job.command for job in upkeep.jobs(24)][4:] == ["SELECT public.drop_audit_partitions(24)"]


@pytest.mark.parametrize("months", [0, -1])
def test_a_retention_below_a_month_is_refused(months: int) -> None:
    with pytest.raises(MigrationError, match=f"retention is {months} months: 1 at least, or none"):
        upkeep.jobs(months)


def test_a_refresh_sees_what_an_up_would_mend_and_nothing_of_a_job_that_it_would_leave_alone() -> None:
    right = [(job.name, job.schedule, job.command, job.database or "audit", True) for job in upkeep.jobs(None)]
    by_hand = ("audit-retention", "0 0 * * *", "SELECT public.drop_audit_partitions(1)", "audit", True)
    somebodys = ("report", "0 6 * * *", "SELECT public.report()", "audit", True)
    asleep = (*right[0][:-1], False)

    assert seen(*right, somebodys) == upkeep.described(upkeep.jobs(None))
    assert seen(*right, by_hand).keys() - seen(*right).keys() == {"audit-retention"}
    assert seen(*right[1:], asleep).keys() == seen(*right[1:]).keys()


def seen(*rows: tuple[str, str, str, str, bool]) -> dict[str, str]:
    scheduler = MagicMock()
    scheduler.transaction = nullcontext
    scheduler.execute.return_value.fetchall.return_value = list(rows)
    return upkeep.scheduled(scheduler, database="audit")


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("SELECT * FROM audit_log WHERE action = 's3cr3t'", "SELECT * FROM audit_log"),
        ("INSERT INTO audit_log_2026_11 VALUES ('s3cr3t')", "INSERT INTO audit_log_2026_11 VALUES"),
        ("SELECT 's3cr3t'", "SELECT"),
        ("SELECT E's3cr3t'", "SELECT"),
        ("SELECT $$s3cr3t$$", "SELECT"),
        ("SET app.token TO s3cr3t", "SET app.token"),
        ("set session app.token = s3cr3t", "set session"),
        ("ALTER ROLE a PASSWORD 's3cr3t'", "ALTER ROLE a PASSWORD"),
        ("/* s3cr3t */ SELECT 1", ""),
        ("<insufficient privilege>", ""),
        ("", ""),
    ],
)
def test_of_a_blockers_query_only_the_words_before_any_value_are_shown(query: str, shown: str) -> None:
    line = locks._session(7, "audit_writer", "web-next", datetime(2026, 11, 24, 13, 5, tzinfo=UTC), query)

    assert "s3cr3t" not in line
    since = "pid 7 (role audit_writer, application web-next, since 2026-11-24 13:05:00 UTC"
    assert line == f"{since}, query {shown})" if shown else f"{since})"


def test_a_blocker_of_which_nothing_may_be_seen_is_named_all_the_same() -> None:
    assert locks._session(7, None, "", None, None) == "pid 7 (role none, application unnamed)"


def test_a_vacuum_of_the_servers_own_is_named_as_that() -> None:
    line = locks._session(7, None, "", None, "<insufficient privilege>", "public.audit_log_2026_11")
    assert line == "pid 7 (autovacuum of public.audit_log_2026_11)"
