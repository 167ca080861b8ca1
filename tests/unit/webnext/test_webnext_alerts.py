"""Alerts without their servers: what is answered, counted, put back and purged while something is away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.alert_stubs import POSTGRES_AWAY, REDIS_AWAY, Stub
from tests.support.standing_in import in_request
from webnext.alerts import production
from webnext.alerts.letter import Letter
from webnext.alerts.outbox import Counts, Outbox
from webnext.alerts.production import LOOKED_UP, ProductionAlerts
from webnext.contract.alerts import DeadLetter, DeadLettersAnswer
from webnext.dependency import AwayError


def answering(answer: Any) -> Callable[..., Any]:
    async def call(*_: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return call


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
    assert outbox.calls == [("purge", (["c", "b"],))], "also of those whose row does not say yet that they are dead"
    [(name, (dropped,))] = [call for call in queues.calls if call[0] == "drop"]
    assert (name, sorted(dropped)) == ("drop", ["a", "b", "c"])
    queues.calls.clear()
    outbox.away = POSTGRES_AWAY
    with pytest.raises(AwayError):
        asyncio.run(alerts.purge())
    assert "drop" not in queues.called


def test_what_is_purged_before_redis_goes_away_is_said(
    alerts: ProductionAlerts, outbox: Stub, queues: Stub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def drop(ids: list[str]) -> None:
        if ids != ["c"]:
            raise REDIS_AWAY

    monkeypatch.setattr(queues, "drop", drop, raising=False)
    monkeypatch.setattr(production, "BATCH", 1)
    assert asyncio.run(alerts.purge()) == 3, "rows a and b are closed, and job c is dropped"
    outbox._answers["purge"] = set()
    assert asyncio.run(alerts.purge()) == 1
    queues._answers["dead_ids"] = ["b"]
    with pytest.raises(AwayError, match="gone"):
        asyncio.run(alerts.purge())


def test_an_id_that_no_row_can_have_keeps_nobody_from_purging() -> None:
    postgres = Stub(run=[("b",)])
    assert asyncio.run(Outbox(postgres).purge(["a\0", "b"])) == {"b"}  # type: ignore[arg-type]
    [(_, (_, values))] = postgres.calls
    assert values == (["b"],)
