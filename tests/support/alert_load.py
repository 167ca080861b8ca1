"""Alerts sent without a pause while things fail, and what became of them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
import pytest

from tests.support.alerts import Stack
from tests.support.containers import wait_until

RATE = 20
"""Alerts a second."""
FEW = 0.05
"""What share a machine that is busy may refuse; their senders would try again."""


@dataclass
class Load:
    """What the application answered: the accepted alerts' ids by their text, and how often each status."""

    accepted: dict[str, str] = field(default_factory=dict)
    mocks: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    slowest: float = 0.0

    @property
    def taken(self) -> bool:
        """Whether all were accepted, or refused as by a busy machine and FEW."""
        return self.statuses.keys() <= {202, 503} and self.statuses[503] <= FEW * self.statuses.total()

    def unsettled(self, stack: Stack) -> list[str]:
        """The texts of accepted alerts that were neither delivered nor are dead letters."""
        dead = set(stack.redis("LRANGE", "bull:alerts:dlq:wait", "0", "-1"))
        return [text for text, job in self.accepted.items() if not stack.sink.got(text) and job not in dead]


def under_load(stack: Stack, *steps: tuple[float, Callable[[], None]], alerts: int = 10_000) -> Load:
    """Send RATE alerts a second through all steps, each (seconds to wait before it, what is done), and 2 s more;
    `alerts` at most."""
    load = Load()

    async def send(client: httpx.AsyncClient, number: int) -> None:
        text = f"alert-{number:04}-"
        began = time.monotonic()
        answer = await client.post("/api/alerts/webhook", json={"text": text})
        load.slowest = max(load.slowest, time.monotonic() - began)
        load.statuses[answer.status_code] += 1
        if answer.status_code == 202:
            load.accepted[text] = answer.json()["jobId"]
            load.mocks += answer.json()["_mock"]

    async def faults() -> None:
        for seconds, do in (*steps, (2.0, lambda: None)):
            await asyncio.sleep(seconds)
            await asyncio.to_thread(do)

    async def run() -> None:
        async with stack.app() as client:
            ends = asyncio.create_task(faults())
            sent: list[asyncio.Task[None]] = []
            while not ends.done():
                if len(sent) < alerts:
                    sent.append(asyncio.create_task(send(client, len(sent))))
                await asyncio.sleep(1 / RATE)
            await asyncio.gather(ends, *sent)

    asyncio.run(run())
    return load


def settled(stack: Stack, load: Load, seconds: float = 60) -> None:
    assert load.accepted
    try:
        wait_until(lambda: not load.unsettled(stack), "the accepted alerts", seconds)
    except TimeoutError:
        pytest.fail(f"lost, of {len(load.accepted)} alerts: {load.unsettled(stack)}")


def closed(stack: Stack) -> bool:
    return stack.postgres.rows("SELECT count(*) FROM alert_outbox WHERE outcome IS NULL") == [(0,)]
