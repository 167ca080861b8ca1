"""Processes that look after a desk, over an executor that answers what a test says and an audit log in memory."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.support.memory_audit import MemoryAudit
from webnext.contract.audit import AuditEntryV1, PushAnswer
from webnext.dependency import AwayError
from webnext.executor import Executor
from webnext.flags import Flags
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


def turns(*processes: Process) -> None:
    async def run() -> None:
        for process in processes:
            await process.turn()

    asyncio.run(run())
