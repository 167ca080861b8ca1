"""The autopilot of the guardrails over an executor that answers what a test says."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import httpx
import pytest
from prometheus_client import REGISTRY

from tests.support.desk import NOW, FakeExecutor, KeyedAudit, Process, turns
from webnext.app import create_app
from webnext.assembly import services_for
from webnext.audit.mock import MockAudit
from webnext.audit.row import UnstorableError
from webnext.guardrails import rules
from webnext.settings import Settings


@pytest.fixture
def executor() -> FakeExecutor:
    return FakeExecutor()


@pytest.fixture
def audit() -> KeyedAudit:
    return KeyedAudit()


def pauses() -> float:
    return REGISTRY.get_sample_value("web_next_auto_pauses_total") or 0


def test_a_breach_pauses_the_share_and_is_audited(
    executor: FakeExecutor, audit: KeyedAudit, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    executor.breach("b-1", strategy="s-07")
    expected = rules.chosen(0.5, "b-1", executor.live, "s-07")
    before = pauses()

    turns(Process(executor, audit, pause=0.5))

    [row] = audit.rows
    assert (row.action, row.result, row.strategyId) == ("auto_pause", "ok", "s-07")
    assert row.details == {"breachId": "b-1", "guardrail": "maxDrawdown", "share": 0.5, "paused": expected}
    assert row.traceId == rules.trace_of("web-next auto-pause:b-1")
    assert list(audit.keys) == ["web-next auto-pause:b-1"]
    assert len(executor.live) == 5
    assert "s-07" not in executor.live
    assert pauses() == before + 1
    assert [record.fields for record in caplog.records if record.msg == "measured"] == [{"autoPauses": 1}]  # type: ignore[attr-defined]


def test_a_caller_who_knows_the_breach_does_not_take_the_key_of_its_pause(executor: FakeExecutor) -> None:
    """In a log that keeps one entry for each key, as Postgres, the spool and the executor do."""
    executor.breach("b-1")
    log = MockAudit()
    app = create_app(replace(services_for(Settings()), audit=log))
    process = Process(executor, log, pause=0.5)

    async def run() -> list[str]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://web-next") as client:
            for key in ("auto-pause:b-1", rules.key_of("auto_pause", "b-1"), rules.key_of("auto_pause", "b-1").strip()):
                await client.post(
                    "/api/audit/push", json={"action": "mine", "result": "ok"}, headers={"Idempotency-Key": key}
                )
        await process.turn()
        return [item.action for item in (await log.newest(10)).items]

    assert asyncio.run(run()) == ["auto_pause", "mine"]


def test_a_breach_is_answered_once_by_a_process_that_goes_on(executor: FakeExecutor, audit: KeyedAudit) -> None:
    executor.breach("b-1")
    process = Process(executor, audit, pause=0.1)
    before = pauses()

    turns(process, process, process)

    assert len(audit.rows) == 1
    assert len(executor.live) == 9
    assert pauses() == before + 1


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.1, 1.0), (0.1, 0.0), (0.0, 0.1)])
def test_two_processes_pause_once_and_audit_once(
    executor: FakeExecutor, audit: KeyedAudit, shares: tuple[float, float]
) -> None:
    executor.breach("b-1")

    turns(*(Process(executor, audit, pause=share) for share in shares))

    [row] = audit.rows
    assert row.details["share"] == next(filter(None, shares))
    assert len(row.details["paused"]) == 10 - len(executor.live) == 10 * row.details["share"]


def test_a_pause_whose_process_died_before_its_entry_was_kept_is_audited_by_the_next_one(
    executor: FakeExecutor, audit: KeyedAudit
) -> None:
    executor.breach("b-1")
    audit.go_away()
    turns(Process(executor, audit, pause=0.5))
    audit.failure = None

    turns(Process(executor, audit, pause=0.5))

    [row] = audit.rows
    assert row.details["paused"] == executor.answers["b-1"]
    assert len(row.details["paused"]) == 10 - len(executor.live) == 5


def test_several_breaches_at_once_are_each_answered(executor: FakeExecutor, audit: KeyedAudit) -> None:
    for number in (1, 2, 3):
        executor.breach(f"b-{number}", age=3 - number)

    turns(Process(executor, audit, pause=0.1))

    assert list(audit.keys) == ["web-next auto-pause:b-1", "web-next auto-pause:b-2", "web-next auto-pause:b-3"]
    assert len(executor.live) == 7


def test_with_share_0_nothing_is_paused_nor_audited_and_the_log_says_so_once(
    executor: FakeExecutor, audit: KeyedAudit, caplog: pytest.LogCaptureFixture
) -> None:
    executor.breach("b-1")
    process = Process(executor, audit)

    turns(process, process)

    assert audit.rows == []
    assert len(executor.live) == 10
    assert [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING] == [
        "breach b-1 of maxDrawdown; FEATURE_AUTO_PAUSE is 0"
    ]


def test_an_old_breach_is_left_alone(executor: FakeExecutor, audit: KeyedAudit) -> None:
    executor.breach("b-1", age=rules.RECENT.total_seconds())

    turns(Process(executor, audit, pause=1.0))

    assert audit.rows == []
    assert len(executor.live) == 10


def test_a_breach_with_no_live_strategy_left_is_audited_too(executor: FakeExecutor, audit: KeyedAudit) -> None:
    executor.live = []
    executor.breach("b-1")

    turns(Process(executor, audit, pause=1.0))

    assert [row.details["paused"] for row in audit.rows] == [[]]


def test_an_executor_that_refuses_is_asked_again(executor: FakeExecutor, audit: KeyedAudit) -> None:
    executor.breach("b-1")
    process = Process(executor, audit, pause=0.5)
    executor.refuse = {"/strategies/pause"}
    turns(process)
    assert audit.rows == []

    executor.refuse = set()
    turns(process)

    assert len(audit.rows) == 1


def test_an_audit_log_that_is_away_does_not_hold_up_the_pause_and_gets_the_entry_later(
    executor: FakeExecutor, audit: KeyedAudit
) -> None:
    executor.breach("b-1")
    process = Process(executor, audit, pause=0.5)
    audit.go_away()
    turns(process)
    assert len(executor.live) == 5
    executor.down = True  # not even the executor is needed any more
    audit.failure = None
    before = pauses()

    turns(process, process)

    assert list(audit.keys) == ["web-next auto-pause:b-1"]
    assert len(audit.rows) == 1
    assert pauses() == before + 1


def test_what_no_audit_log_took_is_in_the_log_at_the_end(
    executor: FakeExecutor, audit: KeyedAudit, caplog: pytest.LogCaptureFixture
) -> None:
    executor.breach("b-1")
    process = Process(executor, audit, pause=0.5)
    audit.go_away()

    async def run() -> None:
        await process.guardrails.open()
        while len(executor.live) == 10:
            await asyncio.sleep(0.01)
        await process.guardrails.close()

    asyncio.run(run())

    assert [r.getMessage() for r in caplog.records if r.name == "webnext.audit"] == ["not audited: auto_pause"]


def test_a_stop_lets_the_turn_that_has_begun_end(executor: FakeExecutor, audit: KeyedAudit) -> None:
    executor.breach("b-1")
    process = Process(executor, audit, pause=0.5)
    answer = executor.answer
    begun = asyncio.Event()

    async def slow(request: httpx.Request) -> httpx.Response:
        begun.set()
        await asyncio.sleep(0.05)
        return httpx.Response(200, json=answer(request))

    executor.handle = slow  # type: ignore[method-assign]
    process = Process(executor, audit, pause=0.5)

    async def run() -> None:
        await process.guardrails.open()
        await begun.wait()
        await process.guardrails.close()

    asyncio.run(run())

    assert len(audit.rows) == 1


@pytest.mark.parametrize(("strategy", "kept"), [("", None), ("s" * 300, "s" * 200)], ids=["none", "long"])
def test_a_pause_is_audited_whatever_the_executor_calls_the_strategy(
    executor: FakeExecutor, audit: KeyedAudit, strategy: str, kept: str | None
) -> None:
    executor.breach("b-1", strategy=strategy)
    before = pauses()

    turns(Process(executor, audit, pause=0.5))

    assert [(row.action, row.strategyId) for row in audit.rows] == [("auto_pause", kept)]
    assert pauses() == before + 1


def test_an_entry_that_no_audit_log_will_take_is_in_the_log_once_and_holds_up_no_other(
    executor: FakeExecutor, audit: KeyedAudit, caplog: pytest.LogCaptureFixture
) -> None:
    executor.breach("b-1")
    process = Process(executor, audit, pause=0.5)
    audit.failure = UnstorableError("a byte that no column holds")
    turns(process)
    audit.failure = None
    executor.breach("b-2")

    turns(process)

    assert [row.details["breachId"] for row in audit.rows] == ["b-2"]
    assert [r.getMessage() for r in caplog.records if r.name == "webnext.audit"] == ["not audited: auto_pause"]


@pytest.mark.parametrize(("share", "count"), [(0.1, 1), (0.5, 2), (1.0, 3)])
def test_a_quiet_desk_promotes_the_share_of_a_batch(
    executor: FakeExecutor, audit: KeyedAudit, share: float, count: int
) -> None:
    executor.batch = {"id": "k-1", "strategyIds": ["s-13", "s-14", "s-15"]}
    expected = rules.chosen(share, "k-1", ["s-13", "s-14", "s-15"])

    turns(Process(executor, audit, promote=share), Process(executor, audit, promote=share))

    [row] = audit.rows
    assert (row.action, row.result) == ("batch_promote", "ok")
    assert row.details == {"batchId": "k-1", "share": share, "promoted": expected}
    assert len(expected) == count
    assert list(audit.keys) == ["web-next batch-promote:k-1"]


def test_a_batch_that_stays_pending_is_promoted_once(executor: FakeExecutor, audit: KeyedAudit) -> None:
    executor.batch = {"id": "k-1", "strategyIds": ["s-13"]}
    process = Process(executor, audit, promote=1.0)
    turns(process)
    executor.batch = {"id": "k-1", "strategyIds": ["s-13"]}

    turns(process)

    assert len(audit.rows) == 1


def test_a_recent_breach_holds_promotions_back(executor: FakeExecutor, audit: KeyedAudit) -> None:
    executor.batch = {"id": "k-1", "strategyIds": ["s-13"]}
    executor.breach("b-1", age=rules.RECENT.total_seconds() - 1)
    process = Process(executor, audit, promote=1.0)
    turns(process)
    assert audit.rows == []

    executor.breaches[0]["at"] = (NOW - rules.RECENT).isoformat()
    turns(process)

    assert [row.action for row in audit.rows] == ["batch_promote"]


def test_with_share_0_a_batch_stays_pending(executor: FakeExecutor, audit: KeyedAudit) -> None:
    executor.batch = {"id": "k-1", "strategyIds": ["s-13"]}

    turns(Process(executor, audit, pause=1.0))

    assert executor.batch
    assert audit.rows == []
