"""The double's trading desk: thresholds, strategies, breaches on demand, batches. It survives a restart."""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import UTC, datetime
from sqlite3 import Connection
from typing import Any, Literal, get_args

from pydantic import BaseModel, Field

from webnext.contract.guardrails import Breach
from webnext.double.store import Store
from webnext.services import CallerError

THRESHOLDS = {"maxDrawdown": 0.15, "maxDailyLoss": 0.05, "maxExposure": 0.8}
OVERSHOOT = 1.2
"""A breach on demand is this many times its threshold, unless it says its own value."""
BATCH_SIZE = 4
KEPT = 500
"""How many breaches and batches, and answers to them, are remembered."""
SHOWN = 50
"""How many breaches GET /guardrails names."""

State = Literal["live", "paused", "paper"]


class NonsenseError(CallerError):
    """What was asked for contradicts the desk's state; the message says how."""


class UnknownError(CallerError):
    """There is no breach, or no batch, of that id."""

    status = 404


class Batch(BaseModel):
    """Paper strategies ready to be promoted."""

    id: str
    strategyIds: list[str]  # noqa: N815


def _first_strategies() -> dict[str, State]:
    live, paused, paper = get_args(State)
    states: list[State] = [live] * 10 + [paused] * 2 + [paper] * 8
    return {f"s-{number:02}": state for number, state in enumerate(states, 1)}


class Book(BaseModel):
    """All that the desk knows. Breaches and answers are in the order in which they came."""

    strategies: dict[str, State] = Field(default_factory=_first_strategies)
    breaches: dict[str, Breach] = Field(default_factory=dict)
    batches: dict[str, Batch] = Field(default_factory=dict)
    paused: dict[str, list[str]] = Field(default_factory=dict)
    promoted: dict[str, list[str]] = Field(default_factory=dict)


class TradingDesk:
    """A book of strategies. What changes it returns once the change is on the disk; everything raises AwayError."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._book = Book()

    async def open(self) -> None:
        """Take up the book where it was left."""
        row = await self._store.run(lambda database: database.execute("SELECT state FROM desk").fetchone())
        if row:
            self._book = Book.model_validate_json(row[0])

    def guardrails(self) -> dict[str, Any]:
        """Thresholds, the newest breaches, how many strategies are in each state."""
        newest = list(reversed(self._book.breaches.values()))[:SHOWN]
        counts = Counter(self._book.strategies.values())
        return {
            "thresholds": THRESHOLDS,
            "lastBreach": newest[0] if newest else None,
            "recentBreaches": newest,
            "strategies": {state: counts[state] for state in get_args(State)},
        }

    def strategies(self) -> list[dict[str, str]]:
        """Every strategy and its state."""
        return [{"id": name, "state": state} for name, state in self._book.strategies.items()]

    def pending(self) -> Batch | None:
        """The oldest batch that was not promoted."""
        return next((batch for batch in self._book.batches.values() if batch.id not in self._book.promoted), None)

    async def breach(self, guardrail: str, value: float | None, strategy: str | None) -> Breach:
        """A breach that happens now. Raises NonsenseError for a value that breaches nothing."""
        threshold = THRESHOLDS.get(guardrail)
        if threshold is None:
            raise NonsenseError(f"guardrail is {guardrail!r}: it is one of {', '.join(THRESHOLDS)}")
        if value is not None and value <= threshold:
            raise NonsenseError(f"value is {value:g}: a breach of {guardrail} is above {threshold:g}")
        self._known([strategy] if strategy else [])
        breach = Breach(
            id=f"breach-{uuid.uuid4().hex[:12]}",
            guardrail=guardrail,
            value=round(threshold * OVERSHOOT, 6) if value is None else value,
            threshold=threshold,
            at=datetime.now(UTC),
            strategyId=strategy,
        )
        self._book.breaches[breach.id] = breach
        await self._save()
        return breach

    async def pause(self, breach_id: str, strategies: list[str]) -> list[str]:
        """The ids that the first call for this breach paused: those of its `strategies` that were live."""
        if breach_id not in self._book.breaches:
            raise UnknownError(f"there is no breach {breach_id}")
        self._known(strategies)
        if breach_id not in self._book.paused:
            self._book.paused[breach_id] = self._move(strategies, "live", "paused")
        await self._save()
        return self._book.paused[breach_id]

    async def batch(self) -> Batch:
        """A new batch of paper strategies that are in no other. Raises NonsenseError where there are none left."""
        waiting = {
            strategy
            for batch in self._book.batches.values()
            if batch.id not in self._book.promoted
            for strategy in batch.strategyIds
        }
        free = [name for name, state in self._book.strategies.items() if state == "paper" and name not in waiting]
        if not free:
            raise NonsenseError("no paper strategy is left: POST /double/reset puts all back as they were at first")
        batch = Batch(id=f"batch-{uuid.uuid4().hex[:12]}", strategyIds=free[:BATCH_SIZE])
        self._book.batches[batch.id] = batch
        await self._save()
        return batch

    async def promote(self, batch_id: str, strategies: list[str]) -> list[str]:
        """The ids that the first call for this batch made live: those of its `strategies` that were paper."""
        batch = self._book.batches.get(batch_id)
        if batch is None:
            raise UnknownError(f"there is no batch {batch_id}")
        if strangers := set(strategies) - set(batch.strategyIds):
            raise NonsenseError(f"not in batch {batch_id}: {', '.join(sorted(strangers))}")
        if batch_id not in self._book.promoted:
            self._book.promoted[batch_id] = self._move(strategies, "paper", "live")
        await self._save()
        return self._book.promoted[batch_id]

    async def reset(self) -> None:
        """Put everything back as it was at first."""
        self._book = Book()
        await self._save()

    def _known(self, strategies: list[str]) -> None:
        if strangers := set(strategies) - set(self._book.strategies):
            raise NonsenseError(f"no such strategy: {', '.join(sorted(strangers))}")

    def _move(self, strategies: list[str], from_state: State, to_state: State) -> list[str]:
        moved = [name for name in dict.fromkeys(strategies) if self._book.strategies[name] == from_state]
        self._book.strategies |= dict.fromkeys(moved, to_state)
        return moved

    async def _save(self) -> None:
        book = self._book
        remembered: tuple[dict[str, Any], ...] = (book.breaches, book.paused, book.batches, book.promoted)
        for things in remembered:
            for oldest in list(things)[:-KEPT]:
                del things[oldest]
        document = book.model_dump_json()

        def write(database: Connection) -> None:
            database.execute("INSERT OR REPLACE INTO desk VALUES (1, ?)", (document,))

        await self._store.run(write)
