"""However much lies stored, a list is made of a bounded part of it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any
from weakref import ref

import httpx
import pytest

from tests.support.double import ENTRY, post, running
from webnext.alerts import redis
from webnext.alerts.letter import Letter
from webnext.alerts.production import ProductionAlerts
from webnext.alerts.reconciler import Reconciler
from webnext.audit.mock import MockAudit
from webnext.audit.production import ProductionAudit
from webnext.budget import BYTES, Budget
from webnext.contract.audit import AuditEntryV1
from webnext.contract.base import MAX_DETAILS
from webnext.dependency import AwayError
from webnext.executor import ANSWER_BYTES, Executor
from webnext.postgres import Postgres
from webnext.settings import Settings
from webnext.vault import Vault

SIZE = 16_000
LARGE = {"in": "x" * SIZE}


def test_a_budget_takes_what_fits_and_the_first_in_any_case() -> None:
    budget = Budget()
    assert [budget.takes(size) for size in (BYTES - 1, 1, 1)] == [True, True, False]
    budget = Budget()
    assert [budget.takes(size) for size in (BYTES + 1, 0)] == [True, False]


def test_a_mock_keeps_what_a_budget_has_room_for() -> None:
    async def run() -> list[Any]:
        mock = MockAudit()
        for number in range(200):
            await mock.append(AuditEntryV1(action=str(number), result="ok", details=LARGE), "t", f"key-{number}")
        return (await mock.newest(500)).items

    items = asyncio.run(run())
    assert [item.action for item in items] == [str(number) for number in range(199, 199 - BYTES // (SIZE + 9), -1)]


def test_the_doubles_lists_end_where_a_budget_does(tmp_path: Path) -> None:
    with running(tmp_path) as double:
        for number in range(10):
            post(double, "/audit/push", ENTRY | {"details": "x" * 50_000}, Idempotency_Key=str(number))
        for number in range(40):
            post(double, "/alerts/receive", {"text": "x" * 39_000 + str(number)})

        assert [item["id"] for item in post(double, "/audit/list", {"limit": 500})["items"]] == [
            "9",
            "8",
            "7",
            "6",
            "5",
        ]
        received = double.get("/alerts/received").json()["items"]
        assert [int(message["text"].lstrip("x")) for message in received] == list(range(39, 39 - BYTES // 39_030, -1))


def test_the_worker_has_few_alerts_of_the_outbox_in_memory_at_a_time() -> None:
    claimed: list[int] = []

    class Outbox:
        async def claim(self, limit: int) -> list[Any]:
            claimed.append(limit)
            return [Letter("a", {}, "", [], 5)] * limit if len(claimed) < 3 else []

    class Queues:
        async def failed(self, _: int) -> list[str]:
            return []

        async def whereabouts(self, ids: list[str]) -> list[str]:
            return ["open"] * len(ids)

    asyncio.run(Reconciler(Outbox(), Queues(), redis.dependency(1)).reconcile())  # type: ignore[arg-type]
    assert claimed == [10, 10, 10]


def test_of_the_dead_letters_that_are_put_back_one_is_in_memory_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    class Large(dict[str, Any]):
        """An alert that can be looked after."""

    made: list[ref[Large]] = []
    most = 0

    class Queues:
        async def revive(self, job_id: str, _: float) -> Letter:
            nonlocal most
            alert = Large(number=job_id)
            made.append(ref(alert))
            most = max(most, sum(one() is not None for one in made))
            return Letter(job_id, alert, "", [], 5)

    class Outbox:
        async def reopened(self, ids: list[str]) -> None:
            assert len(ids) == 100

    alerts = ProductionAlerts(Settings(), Vault("test/", dict), Postgres(Vault("test/", dict)))
    monkeypatch.setattr(alerts, "_queues", Queues())
    monkeypatch.setattr(alerts, "_outbox", Outbox())
    moved, _ = asyncio.run(alerts.retry([str(number) for number in range(100)]))
    assert (len(moved), most) == (100, 2), "the next is there before the last is forgotten"


def executor(content: bytes) -> Executor:
    return Executor("http://executor", httpx.MockTransport(lambda _: httpx.Response(200, content=content)))


def test_an_executors_answer_that_is_too_large_is_none() -> None:
    async def ask(size: int) -> Any:
        return await executor(json.dumps({"a": "x" * (size - 9)}).encode()).get("/strategies")

    assert len(asyncio.run(ask(ANSWER_BYTES))["a"]) == ANSWER_BYTES - 9
    with pytest.raises(AwayError, match="more than 2097152 bytes"):
        asyncio.run(ask(ANSWER_BYTES + 1))


def test_an_executor_that_lists_more_than_was_asked_for_is_cut_short() -> None:
    item = {"id": 1, "ts": "2026-01-01T00:00:00Z", "action": "a", "result": "ok"}

    class Away:
        async def newest(self, *_: Any) -> Any:
            raise AwayError("postgres", "away")

    async def run() -> int:
        there = executor(json.dumps({"items": [item] * 30}).encode())
        audit = ProductionAudit(Postgres(Vault("test/", dict)), there, None)
        audit._log = Away()  # type: ignore[assignment]
        return len((await audit.newest(20)).items)

    assert asyncio.run(run()) == 20


def test_a_full_list_of_the_largest_details_passes_the_executor() -> None:
    assert BYTES + MAX_DETAILS + 500 * 1500 < ANSWER_BYTES
