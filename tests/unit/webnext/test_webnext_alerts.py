"""Alerts without their servers: what is posted, which address Redis has, what is answered while something is away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from bullmq import Worker
from prometheus_client import REGISTRY
from redis.exceptions import ConnectionError

from tests.support.standing_in import in_request
from webnext.alerts import consumer, production, redis
from webnext.alerts.consumer import Consumer
from webnext.alerts.letter import Letter
from webnext.alerts.outbox import Counts
from webnext.alerts.pace import Pace
from webnext.alerts.production import LOOKED_UP, ProductionAlerts
from webnext.alerts.queues import Depth, Queues, _placed
from webnext.alerts.reconciler import Reconciler
from webnext.alerts.worker import AlertWorker, Duty
from webnext.contract.alerts import DeadLetter, DeadLettersAnswer
from webnext.dependency import AwayError
from webnext.flags import Flags
from webnext.postgres import Postgres
from webnext.settings import Settings
from webnext.vault import Vault, VaultError


def no_secrets() -> Any:
    raise AssertionError("no secret is needed")


def test_an_address_of_redis_has_user_token_port_and_database() -> None:
    found = redis.parse("redis://user:a%40b@queues:7000/2", None)
    assert (found.host, found.port, found.database, found.username, found.password, found.tls) == (
        "queues",
        7000,
        2,
        "user",
        "a@b",
        None,
    )
    assert "a@b" not in repr(found)


def test_rediss_is_verified() -> None:
    found = redis.parse("rediss://:token@queues", None)
    assert (found.port, found.database, found.username, found.password) == (6379, 0, None, "token")
    assert found.tls is not None
    assert found.tls.check_hostname


@pytest.mark.parametrize("url", ["", "word", "http://word:6379", "redis://", "rediss://word:port", "redis://h/word"])
def test_no_address_of_redis_is_quoted(url: str) -> None:
    with pytest.raises(VaultError, match=r"^secret REDIS_URL is no address: ") as refused:
        redis.parse(url, None)
    assert "word" not in str(refused.value)


class Stub:
    """An outbox or queues that notes every call, and fails while `away`."""

    def __init__(self, **answers: Any) -> None:
        self.away: Exception | None = None
        self.calls: list[tuple[str, Any]] = []
        self._answers = answers

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any, **_: Any) -> Any:
            if self.away:
                raise self.away
            self.calls.append((name, arguments))
            return self._answers.get(name)

        return call

    @property
    def called(self) -> list[str]:
        return [name for name, _ in self.calls]


@pytest.fixture
def outbox() -> Stub:
    return Stub(counts=Counts(4, 2, 9.5), purge={"a", "b"}, waiting=["a", "b", "c", "d"])


@pytest.fixture
def queues() -> Stub:
    depths = {"deliver": Depth(1, 2, 3, 8.0), "dlq": Depth(7, 0, 0, 9.0)}
    letter = Letter("a", {"text": "a"}, "t", [], 5)
    return Stub(depths=depths, dead_ids=["c", "b"], revive=letter, whereabouts=["open", "completed", "dead", "open"])


@pytest.fixture
def alerts(outbox: Stub, queues: Stub) -> ProductionAlerts:
    vault = Vault("test/", no_secrets)
    made = ProductionAlerts(Settings(), vault, Postgres(vault))
    made._outbox, made._queues = outbox, queues  # type: ignore[assignment]
    return made


def reconciler(outbox: Stub, queues: Stub) -> Reconciler:
    return Reconciler(outbox, queues, redis.dependency(1))  # type: ignore[arg-type]


def answering(answer: Any) -> Callable[..., Any]:
    async def call(*_: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return call


POSTGRES_AWAY, REDIS_AWAY = AwayError("postgres", "gone"), ConnectionError("gone")


def test_an_alert_is_written_down_before_it_is_queued_under_the_same_id(
    alerts: ProductionAlerts, outbox: Stub, queues: Stub
) -> None:
    answer = asyncio.run(alerts.accept({"text": "a"}, "t"))
    [(_, (written,))] = outbox.calls
    [(_, (letter,))] = queues.calls
    assert written == letter
    assert (letter.id, letter.alert, letter.trace_id) == (answer.jobId, {"text": "a"}, "t")
    assert answer.mock is False


def test_with_redis_away_the_outbox_is_enough(alerts: ProductionAlerts, outbox: Stub, queues: Stub) -> None:
    queues.away = REDIS_AWAY
    assert asyncio.run(alerts.accept({"text": "a"}, "t")).mock is False
    assert outbox.called == ["add"]


def test_with_postgres_away_redis_stands_in_and_it_is_said(
    alerts: ProductionAlerts, outbox: Stub, queues: Stub
) -> None:
    outbox.away = POSTGRES_AWAY
    answer, away = in_request(lambda: alerts.accept({"text": "a"}, "t"))
    assert (answer.mock, away) == (True, "postgres")
    assert queues.called == ["enqueue"]


def test_with_both_away_an_alert_is_refused(alerts: ProductionAlerts, outbox: Stub, queues: Stub) -> None:
    outbox.away, queues.away = POSTGRES_AWAY, REDIS_AWAY
    with pytest.raises(AwayError, match="neither Postgres nor Redis"):
        asyncio.run(alerts.accept({"text": "a"}, "t"))


def test_counts_are_redis_then_the_outboxs_then_none(alerts: ProductionAlerts, outbox: Stub, queues: Stub) -> None:
    async def run() -> list[Any]:
        found = [await alerts.counts()]
        queues.away = REDIS_AWAY
        found.append(await alerts.counts())
        outbox.away = POSTGRES_AWAY
        found.append(await alerts.counts())
        return [(one.pending, one.dlq, one.oldestSec, one.mock) for one in found]

    assert in_request(run) == ([(6, 7, 8.0, False), (4, 2, 9.5, True), (0, 0, None, True)], "redis")


def test_what_waits_in_the_outbox_alone_is_counted_with_what_is_queued(alerts: ProductionAlerts, queues: Stub) -> None:
    queues._answers["whereabouts"] = ["open", None, None, "open"]
    answer = asyncio.run(alerts.counts())
    assert (answer.pending, answer.waiting, answer.active, answer.delayed) == (8, 3, 2, 3)
    assert (answer.oldestSec, answer.mock) == (9.5, False)


def test_of_more_rows_than_are_looked_up_those_that_are_not_queued_count(
    alerts: ProductionAlerts, outbox: Stub
) -> None:
    outbox._answers["counts"] = Counts(LOOKED_UP + 100, 0, 9.5)
    assert asyncio.run(alerts.counts()).pending == LOOKED_UP + 100


def test_counts_without_the_outbox_are_a_fallbacks(alerts: ProductionAlerts, outbox: Stub) -> None:
    outbox.away = POSTGRES_AWAY
    answer, away = in_request(alerts.counts)
    assert (answer.pending, answer.mock, away) == (6, True, "postgres")


@pytest.mark.parametrize("gone", ["outbox", "queues"])
def test_the_queue_is_well_when_both_take_a_write(
    alerts: ProductionAlerts, outbox: Stub, queues: Stub, gone: str
) -> None:
    asyncio.run(alerts.ping())
    assert (outbox.called, queues.called) == (["prove"], ["prove"])
    outbox.away, queues.away = (POSTGRES_AWAY, None) if gone == "outbox" else (None, REDIS_AWAY)
    with pytest.raises(AwayError, match="postgres" if gone == "outbox" else "redis") as away:
        asyncio.run(alerts.ping())
    assert away.value.since


def test_the_queue_is_not_well_while_redis_alone_keeps_alerts(alerts: ProductionAlerts, outbox: Stub) -> None:
    outbox.away = POSTGRES_AWAY
    asyncio.run(alerts.accept({"text": "a"}, "t"))
    outbox.away = None
    with pytest.raises(AwayError, match="gone"):
        asyncio.run(alerts.ping())
    asyncio.run(alerts.accept({"text": "a"}, "t"))
    asyncio.run(alerts.ping())


def test_a_dead_letter_that_got_an_id_of_its_own_gets_a_row_of_its_own(
    alerts: ProductionAlerts, outbox: Stub, queues: Stub
) -> None:
    queues._answers["revive"] = other = Letter("a-1", {"text": "a"}, "t", [], 5)
    assert asyncio.run(alerts.retry(["a"])) == (["a"], 0)
    assert outbox.calls == [("add", (other,)), ("reopened", ([],))]


def test_dead_letters_are_put_back_even_while_postgres_is_away(
    alerts: ProductionAlerts, outbox: Stub, queues: Stub
) -> None:
    assert asyncio.run(alerts.retry(["a"])) == (["a"], 0)
    assert outbox.calls == [("reopened", (["a"],))]
    outbox.away = POSTGRES_AWAY
    assert asyncio.run(alerts.retry(["a"])) == (["a"], 0)
    queues.away = REDIS_AWAY
    with pytest.raises(AwayError):
        asyncio.run(alerts.retry(["a"]))


def test_all_dead_letters_are_put_back_the_oldest_first_and_a_second_apart(
    alerts: ProductionAlerts, queues: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asyncio.run(alerts.retry(None)) == (["b", "c"], 0)
    assert queues.calls[1:] == [("revive", ("b", 0.0)), ("revive", ("c", 1.0))]
    monkeypatch.setattr(production, "RETRIED", 1)
    assert asyncio.run(alerts.retry(None)) == (["b"], 1)


def test_what_is_put_back_before_redis_goes_away_is_said(
    alerts: ProductionAlerts, queues: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def revive(job_id: str, _: float) -> Letter:
        if job_id == "b":
            return Letter("b", {}, "", [], 5)
        raise REDIS_AWAY

    monkeypatch.setattr(queues, "revive", revive, raising=False)
    assert asyncio.run(alerts.retry(None)) == (["b"], 1)


def test_dead_letters_are_redis_then_the_outboxs_then_none(
    alerts: ProductionAlerts, outbox: Stub, queues: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answers(of: Stub, answer: Any) -> None:
        monkeypatch.setattr(of, "dead_letters", answering(answer), raising=False)

    error = {"at": "2026-03-02T09:30:00.000+00:00", "error": "answered with status 500"}
    answers(queues, (1, [Letter("a", {"title": "Drawdown"}, "t", [error] * 3, 5)]))
    answers(outbox, (7, [Letter("b", {"value": 1}, "", [], 5, dead=True)]))
    assert asyncio.run(alerts.dead_letters(0, 50)) == DeadLettersAnswer(
        total=1,
        items=[
            DeadLetter(
                id="a",
                title="Drawdown",
                attempts=3,
                lastError="answered with status 500",
                diedAt=datetime(2026, 3, 2, 9, 30, tzinfo=UTC),
                traceId="t",
            )
        ],
        mock=False,
    )
    answers(queues, REDIS_AWAY)
    found, away = in_request(lambda: alerts.dead_letters(0, 50))
    [item] = found.items
    assert (found.total, found.mock, away) == (7, True, "redis")
    assert (item.id, item.title, item.attempts, item.lastError, item.diedAt) == ("b", '{"value": 1}', 0, None, None)
    answers(outbox, POSTGRES_AWAY)
    assert asyncio.run(alerts.dead_letters(0, 50)) == DeadLettersAnswer(total=0, items=[], mock=True)


def test_purging_needs_both_and_begins_with_the_rows(alerts: ProductionAlerts, outbox: Stub, queues: Stub) -> None:
    assert asyncio.run(alerts.purge()) == 3
    [(name, (dropped,))] = [call for call in queues.calls if call[0] == "drop"]
    assert (name, sorted(dropped)) == ("drop", ["a", "b", "c"])
    queues.calls.clear()
    outbox.away = POSTGRES_AWAY
    with pytest.raises(AwayError):
        asyncio.run(alerts.purge())
    assert "drop" not in queues.called


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


@pytest.mark.parametrize(("length", "kept"), [(255, 255), (256, 213)])
def test_a_dead_letter_whose_id_no_row_holds_gets_one_that_follows_from_it(length: int, kept: int) -> None:
    class Nothing:
        async def watch(self, _: str) -> None: ...

        async def hmget(self, *_: str) -> list[None]:
            return [None, None]

    made: list[dict[str, Any]] = [{"data": {}, "opts": {"jobId": "j" * length, "timestamp": 5}} for _ in range(2)]
    for one in made:
        assert not asyncio.run(_placed(one, SimpleNamespace(toKey=str), Nothing()))

    assert made[0] == made[1], "the next mover finds it by the same"
    assert len(made[0]["opts"]["jobId"]) == kept


def test_the_oldest_job_is_found_whatever_clock_its_producer_has() -> None:
    now = time.time()
    stamps = ["soon", None, f"{(now - 60) * 1000:.4f}", str(int(now * 1000))]

    class Pipe:
        def __init__(self) -> None:
            self.answers = iter(([["1", "2"], ["3"], ["4"], []], stamps))

        def __getattr__(self, _: str) -> Any:
            return lambda *_: None

        async def execute(self) -> Any:
            return next(self.answers)

    found = Queues.__new__(Queues)
    found._redis = SimpleNamespace(pipeline=lambda **_: Pipe())  # type: ignore[assignment]
    assert asyncio.run(found._oldest(SimpleNamespace(toKey=str))) == pytest.approx(60, abs=5)


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
