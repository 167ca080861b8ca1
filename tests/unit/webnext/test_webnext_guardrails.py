"""The guardrails adapter and its autopilot over an executor that answers what a test says."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from tests.support.memory_audit import MemoryAudit
from tests.support.standing_in import in_request
from webnext.app import create_app
from webnext.assembly import services_for
from webnext.audit.mock import MockAudit
from webnext.contract import AuditEntryV1, PushAnswer
from webnext.dependency import AwayError
from webnext.executor import Executor
from webnext.flags import Flags
from webnext.guardrails import rules
from webnext.guardrails.autopilot import Autopilot
from webnext.guardrails.desk import Desk
from webnext.guardrails.production import ProductionGuardrails
from webnext.services import Audit, KeyReusedError
from webnext.settings import FlagValues, Settings

NOW = datetime(2025, 1, 1, 12, tzinfo=UTC)


class KeyedAudit(MemoryAudit):
    """Keeps an entry once for each key."""

    def __init__(self) -> None:
        super().__init__()
        self.keys: dict[str, AuditEntryV1] = {}

    async def append(self, entry: AuditEntryV1, trace_id: str, key: str | None = None) -> PushAnswer:
        assert key
        await self.ping()
        if self.keys.setdefault(key, entry) != entry:
            raise KeyReusedError(key)
        if len(self.rows) < len(self.keys):
            return await super().append(entry, trace_id)
        return PushAnswer(id=key)


class FakeExecutor:
    """An executor in memory; `down` makes it answer 503, `refuse` holds paths that it answers 409."""

    def __init__(self) -> None:
        self.live = [f"s-{number:02}" for number in range(1, 11)]
        self.breaches: list[dict[str, Any]] = []
        self.batch: dict[str, Any] | None = None
        self.answers: dict[str, list[str]] = {}
        self.down = False
        self.refuse: set[str] = set()
        self.guardrails: Any = None

    def breach(self, name: str, age: float = 0, strategy: str | None = None) -> None:
        at = (NOW - timedelta(seconds=age)).isoformat()
        breach = {"id": name, "guardrail": "maxDrawdown", "value": 0.2, "threshold": 0.15, "at": at}
        self.breaches.insert(0, breach | {"strategyId": strategy, "desk": "unknown to the contract"})

    async def handle(self, request: httpx.Request) -> httpx.Response:
        if self.down or request.url.path in self.refuse:
            return httpx.Response(503 if self.down else 409)
        return httpx.Response(200, json=self.answer(request))

    def answer(self, request: httpx.Request) -> Any:
        match request.url.path:
            case "/guardrails":
                newest = self.breaches[0] if self.breaches else None
                return self.guardrails or {
                    "thresholds": {"maxDrawdown": 0.15, "maxDailyLoss": 0.05},
                    "lastBreach": newest,
                    "recentBreaches": self.breaches,
                    "strategies": {"live": len(self.live)},
                }
            case "/strategies":
                return {"items": [{"id": s, "state": "live"} for s in self.live] + [{"id": "s-11", "state": "paper"}]}
            case "/batches":
                return {"pending": self.batch}
        body = httpx.Response(200, content=request.content).json()
        event = body.get("breachId") or body.get("batchId")
        if event not in self.answers:
            self.answers[event] = body["strategyIds"]
            if "breachId" in body:
                self.live = [strategy for strategy in self.live if strategy not in body["strategyIds"]]
            else:
                self.batch = None
        return {"paused" if "breachId" in body else "promoted": self.answers[event]}


class Process:
    """One process of web-next over an executor and an audit log that it shares with others."""

    def __init__(self, executor: FakeExecutor, audit: Audit, *, pause: float = 0, promote: float = 0) -> None:
        flags = Flags(Settings(flags=FlagValues(FEATURE_AUTO_PAUSE=pause, FEATURE_BATCH_PROMOTE=promote)))
        desk = Desk(Executor("http://executor", httpx.MockTransport(executor.handle)))
        self.autopilot = Autopilot(desk, flags, audit, clock=lambda: NOW)
        self.guardrails = ProductionGuardrails(desk, self.autopilot)

    async def turn(self) -> None:
        with contextlib.suppress(AwayError):
            await self.autopilot.turn()


@pytest.fixture
def executor() -> FakeExecutor:
    return FakeExecutor()


@pytest.fixture
def audit() -> KeyedAudit:
    return KeyedAudit()


def turns(*processes: Process) -> None:
    async def run() -> None:
        for process in processes:
            await process.turn()

    asyncio.run(run())


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


def reading(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    answer, away = in_request(work)
    return answer.model_dump(mode="json"), away


def test_a_read_is_the_executors_answer(executor: FakeExecutor, audit: KeyedAudit) -> None:
    executor.breach("b-1", strategy="s-03")
    process = Process(executor, audit, pause=0.5)

    answer, away = reading(process.guardrails.read)

    assert answer["_mock"] is False
    assert answer["thresholds"] == {"maxDrawdown": 0.15, "maxDailyLoss": 0.05}
    assert (answer["lastBreach"]["id"], answer["lastBreach"]["strategyId"]) == ("b-1", "s-03")
    assert answer["strategies"] == {"live": 10}
    assert answer["autoPause"] == {"share": 0.5, "strategies": []}
    assert answer["batchPromote"] == {"share": 0.0, "strategies": []}
    assert away == "mock", "nothing was"


def test_a_read_shows_the_last_pause(executor: FakeExecutor, audit: KeyedAudit) -> None:
    executor.breach("b-1", strategy="s-03")
    process = Process(executor, audit, pause=0.1)
    turns(process)

    answer, _ = reading(process.guardrails.read)

    assert answer["autoPause"] == {"share": 0.1, "at": "2025-01-01T12:00:00Z", "strategies": ["s-03"]}


def test_while_the_executor_is_away_a_read_is_its_last_answer_marked_and_counted(
    executor: FakeExecutor, audit: KeyedAudit
) -> None:
    executor.breach("b-1")
    process = Process(executor, audit)
    turns(process)
    executor.down = True

    answer, away = reading(process.guardrails.read)

    assert answer["_mock"] is True
    assert answer["lastBreach"]["id"] == "b-1"
    assert away == "executor"


@pytest.mark.parametrize(
    "nonsense", [[], {"thresholds": 3}, {"thresholds": {"maxDrawdown": "NaN"}}, {"thresholds": {}, "lastBreach": {}}]
)
def test_an_executor_that_answers_nonsense_counts_as_away(
    executor: FakeExecutor, audit: KeyedAudit, nonsense: Any
) -> None:
    executor.guardrails = nonsense or [1]
    process = Process(executor, audit)

    answer, away = reading(process.guardrails.read)

    assert answer["_mock"] is True
    assert answer["thresholds"] == {"maxDrawdown": 0.15}
    assert answer["lastBreach"] is None
    assert away == "executor"


def test_a_ping_answers_or_says_that_the_executor_is_away(executor: FakeExecutor, audit: KeyedAudit) -> None:
    process = Process(executor, audit)
    asyncio.run(process.guardrails.ping())

    executor.down = True

    with pytest.raises(AwayError, match="executor"):
        asyncio.run(process.guardrails.ping())
