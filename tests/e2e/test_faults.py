"""Faults with load on, against a stack that really runs: nothing accepted is lost or doubled, and nothing is a 500.

A fault comes and goes while requests go on; then what was accepted is counted.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta

import httpx
import psycopg
import pytest
from docker.models.containers import Container

from tests.support.faults import hanging, kill, paused, process_of, stopped
from tests.support.load import Seen, load
from tests.support.system import System, wait_for

pytestmark = pytest.mark.e2e

FAULT_SECONDS = 6
"""Longer than every time-out and than the breakers' pause, so that a request meets each state of them."""


@pytest.fixture(scope="module", autouse=True)
def slack(standing: System) -> None:
    """Alerts go to the executor's double again, as they did at first, wherever another module sent them."""
    webhook = f"{standing.executor}/alerts/receive"
    standing.vault().put_secret_value(SecretId=f"web-next-{standing.stack}/SLACK_WEBHOOK_URL", SecretString=webhook)


def rows(system: System, traces: set[str]) -> Counter[str]:
    """How often each trace id is in the audit log."""
    with system.connect("AUDIT_DB_READER_URL") as reader:
        found = reader.execute(
            "SELECT trace_id, count(*) FROM audit_log WHERE trace_id = ANY(%s) GROUP BY 1", [list(traces)]
        ).fetchall()
    return Counter({str(trace): int(count) for trace, count in found})


def delivered(system: System) -> str:
    """The newest messages that the double received, as text."""
    return httpx.get(f"{system.executor}/alerts/received", timeout=10, trust_env=False).text


def require_kept_once(system: System, seen: Seen) -> None:
    """Every accepted entry is there exactly once, soon; of the others, whose outcome may be unknown, none twice."""
    everything = seen.kept | seen.refused | seen.unknown

    def all_there() -> bool:
        return seen.kept <= rows(system, seen.kept).keys()

    wait_for(all_there, 60)
    time.sleep(3)  # for a second copy to show itself
    counted = rows(system, everything)
    assert {trace: count for trace, count in counted.items() if count != 1} == {}


def require_delivered(system: System, seen: Seen) -> None:
    """Every accepted alert reached Slack; one that had died because Slack was away does so when it is put back."""
    url = system.app

    def all_there() -> bool:
        text = delivered(system)
        missing = [number for title, number in seen.alerts.items() if title not in text]
        for number in missing:
            httpx.post(
                f"{url}/api/alerts/queue", json={"action": "retry", "jobId": number}, timeout=10, trust_env=False
            )
        time.sleep(1 if missing else 0)
        return not missing

    wait_for(all_there, 90)


def require_sound(seen: Seen) -> None:
    assert seen.unexpected == {}
    assert len(seen.kept) > 100, "the load was on"
    assert len(seen.alerts) > 10


FAULTS: dict[str, tuple[str, Callable[[Container], AbstractContextManager[None]], str]] = {
    "postgres paused": ("audit", paused, "/api/audit/push"),
    "redis killed": ("queues", stopped, "/api/alerts/queue"),
    "executor paused": ("executor", paused, "/api/guardrails/read"),
    "postgres killed": ("audit", stopped, "/api/audit/push"),
    "redis paused": ("queues", paused, "/api/alerts/queue"),
    "executor killed": ("executor", stopped, "/api/guardrails/read"),
}
QUICK = ("postgres paused", "redis killed", "executor paused")
"""One fault of each; the other of each is as long and proves less."""


@pytest.mark.parametrize(
    "fault", [pytest.param(name, marks=() if name in QUICK else pytest.mark.soak) for name in FAULTS]
)
def test_a_dependency_comes_and_goes_and_nothing_accepted_is_lost_or_doubled(standing: System, fault: str) -> None:
    part, breaks, route = FAULTS[fault]
    url = standing.app
    wait_for(standing.well)
    with load(url) as seen:
        time.sleep(2)
        with breaks(standing.container(part)):
            time.sleep(FAULT_SECONDS)
        time.sleep(4)

    require_sound(seen)
    assert seen.failed == 0, "a fallback stood in for it"
    assert seen.mocked[route] > 0, "a fallback answered"
    wait_for(standing.well)
    require_kept_once(standing, seen)
    require_delivered(standing, seen)


@pytest.mark.soak
def test_postgres_and_the_executor_are_both_away_and_the_spool_is_replayed(standing: System) -> None:
    url = standing.app
    with load(url) as seen:
        time.sleep(2)
        with stopped(standing.container("executor")), stopped(standing.container("audit")):
            time.sleep(FAULT_SECONDS)
        time.sleep(4)

    require_sound(seen)
    wait_for(standing.well)
    require_kept_once(standing, seen)
    require_delivered(standing, seen)


def test_s3_the_vault_and_the_flags_hang_and_only_evidence_notices(standing: System) -> None:
    url = standing.app
    with load(url) as seen:
        time.sleep(2)
        with hanging(standing.emulator):
            time.sleep(FAULT_SECONDS)
        time.sleep(4)

    require_sound(seen)
    assert seen.failed == 0
    assert seen.mocked["/api/evidence/zip"] > 0
    assert seen.mocked["/api/audit/push"] == 0
    wait_for(standing.well)
    require_kept_once(standing, seen)
    require_delivered(standing, seen)


@pytest.mark.soak
def test_s3_is_killed_and_the_databases_with_it_and_all_come_back(standing: System) -> None:
    url = standing.app
    with load(url) as seen:
        time.sleep(2)
        os.kill(process_of(standing.emulator).pid, signal.SIGKILL)
        time.sleep(FAULT_SECONDS)
        standing.emulator.start()
        time.sleep(4)

    require_sound(seen)
    wait_for(standing.well)
    require_kept_once(standing, seen)
    require_delivered(standing, seen)


def test_with_everything_away_an_entry_is_refused_and_not_kept(standing: System) -> None:
    url = standing.app
    entry = {"action": "away", "result": "ok", "traceId": "nothing-can-keep-this"}
    databases = stopped(standing.container("audit")), stopped(standing.container("queues"))
    with stopped(standing.container("executor")), databases[0], databases[1], hanging(standing.emulator):
        for _ in range(3):
            answer = httpx.post(f"{url}/api/audit/push", json=entry, timeout=30, trust_env=False)
        alert = httpx.post(f"{url}/api/alerts/webhook", json={"title": "lost?"}, timeout=30, trust_env=False)

    for refusal in (answer, alert):
        assert refusal.status_code == 503
        assert refusal.json()["ok"] is False
        assert refusal.json()["_err"]
    wait_for(standing.well)
    assert rows(standing, {"nothing-can-keep-this"}) == {}


def test_the_worker_is_killed_in_the_middle_of_its_jobs_and_every_alert_is_delivered(standing: System) -> None:
    url = standing.app
    with load(url) as seen:
        for _ in range(3):
            time.sleep(2)
            kill(standing.container("worker"))
        time.sleep(2)

    require_sound(seen)
    require_delivered(standing, seen)


def test_the_app_is_killed_in_the_middle_of_requests_and_what_it_accepted_is_there_once(standing: System) -> None:
    url = standing.app
    with load(url) as seen:
        for _ in range(2):
            time.sleep(3)
            kill(standing.container("stable"))
        time.sleep(8)

    assert {key: count for key, count in seen.unexpected.items() if key[1] != 0} == {}
    assert seen.unknown, "requests were cut off"
    wait_for(standing.well)
    require_kept_once(standing, seen)
    require_delivered(standing, seen)


def test_a_caller_that_sends_again_under_its_key_after_a_crash_makes_one_entry(standing: System) -> None:
    url = standing.app
    keys = {f"again-{number}" for number in range(40)}

    def send(key: str) -> bool:
        body = {"action": "again", "result": "ok", "traceId": f"{key}-trace"}
        try:
            answer = httpx.post(
                f"{url}/api/audit/push", json=body, headers={"idempotency-key": key}, timeout=10, trust_env=False
            )
        except httpx.HTTPError:
            return False
        return answer.status_code == 200

    for turn, key in enumerate(sorted(keys)):
        send(key)
        if turn == 20:
            kill(standing.container("stable"))
    wait_for(lambda: all(send(key) for key in keys))

    counted = rows(standing, {f"{key}-trace" for key in keys})
    assert set(counted.values()) == {1}
    assert len(counted) == len(keys)


def test_under_load_the_writers_are_alternated_and_no_query_fails(standing: System) -> None:
    def asking() -> set[str]:
        """Whose sessions have asked something in the last seconds."""
        with standing.connect("AUDIT_DB_MASTER_URL") as master:
            sql = "SELECT DISTINCT usename FROM pg_stat_activity WHERE usename LIKE %s AND now() - query_start < %s"
            return {str(name) for (name,) in master.execute(sql, ("audit_writer%", timedelta(seconds=3)))}

    for rotation, writer in ((1, "audit_writer_2"), (2, "audit_writer")):
        standing.pulumi("config", "set", "--path", "web-next:database.writerRotation", str(rotation))
        with load(standing.app) as seen:
            standing.update()
            since = time.monotonic()
            while asking() != {writer}:
                assert time.monotonic() - since < 60, "the contract's minute is over"
                time.sleep(0.2)
        assert (seen.unexpected, seen.failed, seen.refused, seen.unknown) == ({}, 0, set(), set())
        assert seen.mocked == {}, "a query failed, and a fallback has answered"
        assert len(seen.kept) > 100
        require_kept_once(standing, seen)


def test_a_rotated_password_is_taken_up_without_a_restart(standing: System) -> None:
    url = standing.app
    started = httpx.get(f"{url}/api/healthz", trust_env=False).json()["uptimeSec"]
    name = f"web-next-{standing.stack}/AUDIT_DB_URL"
    before = standing.vault().get_secret_value(SecretId=name)["SecretString"]
    rotated = psycopg.conninfo.conninfo_to_dict(before)
    fresh = "rotated" + str(rotated["password"])
    with load(url) as seen:
        time.sleep(1)
        with standing.connect("AUDIT_DB_MASTER_URL") as master:
            master.execute(f"ALTER ROLE audit_writer PASSWORD '{fresh}'".encode())
            master.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'audit_writer'")
        standing.vault().put_secret_value(SecretId=name, SecretString=before.replace(str(rotated["password"]), fresh))
        time.sleep(5)
    try:
        assert seen.unexpected == {}
        wait_for(standing.well)
        require_kept_once(standing, seen)
        assert httpx.get(f"{url}/api/healthz", trust_env=False).json()["uptimeSec"] > started, "the same process"
    finally:
        with standing.connect("AUDIT_DB_MASTER_URL") as master:
            master.execute(f"ALTER ROLE audit_writer PASSWORD '{rotated['password']}'".encode())
        standing.vault().put_secret_value(SecretId=name, SecretString=before)
