"""The worker of alerts without its servers: rows it settles, what it measures, whether it still looks for jobs."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest
from bullmq import Worker
from prometheus_client import REGISTRY
from redis.exceptions import ConnectionError

from tests.support.alert_stubs import POSTGRES_AWAY, REDIS_AWAY, Stub, no_secrets, reconciler
from webnext.alerts import consumer, redis
from webnext.alerts.consumer import Consumer
from webnext.alerts.letter import Letter
from webnext.alerts.outbox import Counts
from webnext.alerts.pace import Pace
from webnext.alerts.queues import Depth
from webnext.alerts.worker import AlertWorker, Duty
from webnext.dependency import AwayError
from webnext.flags import Flags
from webnext.postgres import Postgres
from webnext.settings import Settings
from webnext.vault import Vault


@pytest.mark.parametrize(
    ("dead", "where", "done"),
    [
        (False, None, ["enqueue"]),
        (False, "open", []),
        (False, "completed", ["delivered"]),
        (False, "dead", ["dead"]),
        (True, None, ["restore"]),
        (True, "open", ["reopened"]),
        (True, "completed", ["reopened", "delivered"]),
        (True, "dead", []),
    ],
)
def test_a_row_is_settled_by_where_its_job_is(dead: bool, where: Any, done: list[str]) -> None:
    row = Letter("a", {"text": "a"}, "t", [], 5, dead=dead)
    outbox = Stub(claim=[row])
    letter = Letter("a", {"text": "a"}, "t", [{"at": None, "error": "boom"}], 5)
    queues = Stub(failed=[], whereabouts=[where], letter=letter)
    asyncio.run(reconciler(outbox, queues).reconcile())
    acts = [name for name in outbox.called if name != "claim"]
    assert acts + [name for name in queues.called if name in ("enqueue", "restore")] == done


def test_rows_are_not_claimed_while_redis_is_away() -> None:
    outbox, queues = Stub(), Stub()
    queues.away = REDIS_AWAY
    with pytest.raises(AwayError):
        asyncio.run(reconciler(outbox, queues).reconcile())
    assert outbox.calls == []


def test_one_job_that_cannot_be_buried_holds_up_no_other(caplog: pytest.LogCaptureFixture) -> None:
    buried = []

    async def bury(job_id: str) -> None:
        if job_id == "bad":
            raise TypeError("no text")
        buried.append(job_id)

    outbox, queues = Stub(claim=[]), Stub(failed=["bad", "good"], whereabouts=[])
    queues.bury = bury  # type: ignore[attr-defined]
    asyncio.run(reconciler(outbox, queues).reconcile())

    assert (buried, outbox.called) == (["good"], ["claim"])
    assert [record.getMessage() for record in caplog.records] == ["alert bad cannot become a dead letter"]


def gauge(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(f"web_next_{name}", labels)


def test_what_waits_is_measured_by_the_outbox_while_redis_is_away(outbox: Stub, queues: Stub) -> None:
    measure = reconciler(outbox, queues).measure
    asyncio.run(measure())
    assert gauge("queue_oldest_job_age_seconds", queue="deliver") == 9.5, "of both the older one"
    outbox._answers["counts"], queues.away = Counts(7, 0, 60.0), REDIS_AWAY
    asyncio.run(measure())
    assert (gauge("outbox_pending"), gauge("queue_oldest_job_age_seconds", queue="deliver")) == (7, 60)


def test_what_waits_is_measured_by_redis_while_postgres_is_away(
    outbox: Stub, queues: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[dict[str, float]] = []
    monkeypatch.setattr("webnext.metrics.say", lambda **figures: said.append(figures))
    outbox.away = POSTGRES_AWAY
    queues._answers["depths"] = {"deliver": Depth(500, 0, 0, 3600.0), "dlq": Depth(40, 0, 0, None)}
    measure = reconciler(outbox, queues).measure
    asyncio.run(measure())

    assert gauge("queue_oldest_job_age_seconds", queue="deliver") == 3600
    assert gauge("queue_jobs", queue="dlq", state="waiting") == 40
    assert said == [{"oldestAlertSeconds": 3600.0, "deadLetters": 40}], "of the outbox nothing is known"
    queues.away = REDIS_AWAY
    with pytest.raises(AwayError):
        asyncio.run(measure())
    assert len(said) == 1


@pytest.mark.parametrize(
    ("error", "renewed"), [(ConnectionError("gone"), True), (RuntimeError("a script is wrong"), False)]
)
def test_a_consumer_that_cannot_look_for_jobs_is_at_it_only_while_redis_is_known_to_be_away(
    monkeypatch: pytest.MonkeyPatch, error: Exception, renewed: bool
) -> None:
    async def fails(*_: Any) -> None:
        raise error

    async def run() -> bool:
        client = redis.client(Vault("test/", no_secrets), None)
        made = Consumer(client, redis.dependency(1), None, Pace(), *[None] * 3)  # type: ignore[arg-type]
        made.seen = 0.0
        with suppress(RuntimeError):
            await made.getNextJob("token")
        return made.seen > 0

    monkeypatch.setattr(Worker, "getNextJob", fails)
    monkeypatch.setattr(consumer, "AWAY_SECONDS", 0)
    assert asyncio.run(run()) is renewed


def test_a_duty_that_hangs_or_is_given_up_is_named() -> None:
    async def run() -> None:
        vault = Vault("test/", no_secrets)
        worker = AlertWorker(Settings(), Flags(Settings()), vault, Postgres(vault))
        hung = asyncio.Event()

        async def hang() -> None:
            await hung.wait()

        async def end() -> None:
            raise asyncio.CancelledError

        async def work() -> None: ...

        worker._duties = [
            Duty("hanging", 60, 0.01, hang),
            Duty("patient", 60, 60, hang),
            Duty("resting", 60, 0.01, work),
            Duty("ended", 60, 60, end),
        ]
        assert worker.stuck() == [], "it has not begun"
        await worker.start()
        await asyncio.sleep(0.1)
        assert worker.stuck() == ["hanging", "ended"]
        await worker.stop()

    asyncio.run(run())
