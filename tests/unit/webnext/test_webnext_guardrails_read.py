"""What the guardrails adapter reads of an executor that answers what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.support.desk import FakeExecutor, KeyedAudit, Process, turns
from tests.support.standing_in import in_request
from webnext.dependency import AwayError


@pytest.fixture
def executor() -> FakeExecutor:
    return FakeExecutor()


@pytest.fixture
def audit() -> KeyedAudit:
    return KeyedAudit()


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
    assert "_err" not in answer
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
    assert answer["_err"].startswith("executor: Server error '503 Service Unavailable'")
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
