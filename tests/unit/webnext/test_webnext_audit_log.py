"""How many read the audit log at the same time."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, cast

from webnext.audit.log import PAGES_AT_ONCE, READS_AT_ONCE, Log
from webnext.dependency import Dependency
from webnext.postgres import Postgres

NOW = datetime(2026, 3, 2, tzinfo=UTC)
ROW = (1, NOW, "deploy", "ok", None, None, None, None)
PAGES = 3

reader: ContextVar[str] = ContextVar("reader")


class Counted:
    """A database that has PAGES pages of one entry for each reader; `most` is how many it read side by side."""

    def __init__(self) -> None:
        self.dependency = Dependency("counted", errors=(ConnectionError,), seconds=5)
        self.now = self.most = 0
        self.read: Counter[str] = Counter()

    async def run(self, *_: Any) -> list[Any]:
        return [(NOW, NOW)]

    async def ask(self, _: Any) -> tuple[list[Any], bool]:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.001)
        self.now -= 1
        self.read[reader.get()] += 1
        return [ROW] if self.read[reader.get()] <= PAGES else [], False


def test_of_eight_exports_two_read_a_page_and_none_waits_for_another_to_be_taken() -> None:
    database = Counted()

    async def export(log: Log, name: str) -> int:
        reader.set(name)
        return len([item async for item in log.since(1)])

    async def read() -> list[int]:
        log = Log(cast("Postgres", database))
        reader.set("slow")
        slow = [log.since(1) for _ in range(PAGES_AT_ONCE)]
        for each in slow:
            await anext(each)  # who took one entry and no more holds nobody up
        async with asyncio.timeout(5):
            return await asyncio.gather(*(export(log, f"export {number}") for number in range(8)))

    assert asyncio.run(read()) == [PAGES] * 8
    assert database.most == PAGES_AT_ONCE


def test_lists_leave_connections_for_pushes() -> None:
    database = Counted()

    async def read(log: Log, name: str) -> int:
        reader.set(name)
        return len((await log.newest(50, None))[0])

    async def all_at_once() -> list[int]:
        log = Log(cast("Postgres", database))
        return await asyncio.gather(*(read(log, f"list {number}") for number in range(20)))

    assert asyncio.run(all_at_once()) == [1] * 20
    assert database.most == READS_AT_ONCE
