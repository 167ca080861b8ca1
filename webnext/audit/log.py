"""What is read of the audit log in Postgres."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString, cast

from psycopg import AsyncConnection
from psycopg.rows import TupleRow

from webnext.audit.row import item_of
from webnext.budget import Budget
from webnext.contract.audit import AuditItem
from webnext.dependency import AwayError
from webnext.postgres import Postgres

PROVE_SECONDS = 0.9
PAGE = 1000
"""Rows of one query of an export."""
PAGES_AT_ONCE = 2
"""Pages that exports read at the same time; others wait their turn."""
PAGE_SECONDS = 10.0
"""How long a page of an export is asked for again: less than the edge waits for a piece of an answer."""
AGAIN_SECONDS = 0.5
READS_AT_ONCE = 6
"""Pages and lists that are read at the same time, so that pushes find connections. Others wait as long as for
Postgres."""
AT_A_TIME = 10
"""Rows that are fetched before their sizes are looked at."""

_EPOCH, _MICROSECOND = datetime.fromtimestamp(0, UTC), timedelta(microseconds=1)

# Under an id and a key of its session, so that no two of them wait for one another.
_PROOF: LiteralString = """
WITH keyed AS (
    INSERT INTO audit_idempotency (key, entry_id, entry_ts)
    VALUES ('web-next proof ' || pg_backend_pid(), -pg_backend_pid(), now()))
INSERT INTO audit_log (id, ts, action, result) VALUES (-pg_backend_pid(), now(), 'proof', 'ok')"""
_ITEM: LiteralString = "SELECT id, ts, action, result, strategy_id, trace_id, actor, details::text FROM audit_log"
_FIRST: LiteralString = "ORDER BY ts DESC, id DESC LIMIT %s"
_AFTER: LiteralString = f"ts <= %s AND (ts, id) < (%s, %s) {_FIRST}"
_NEWEST: LiteralString = f"{_ITEM} {_FIRST}"
_NEWEST_AFTER: LiteralString = f"{_ITEM} WHERE {_AFTER}"
_TRACE: LiteralString = f"{_ITEM} WHERE trace_id = %s {_FIRST}"
_TRACE_AFTER: LiteralString = f"{_ITEM} WHERE trace_id = %s AND {_AFTER}"
_PERIOD: LiteralString = "SELECT now() - make_interval(hours => %s), now()"
_PAGE: LiteralString = f"{_ITEM} WHERE ts >= %s AND ts <= %s AND (ts, id) > (%s, %s) ORDER BY ts, id LIMIT {PAGE}"


class Log:
    """The table audit_log. Every call raises AwayError."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._pages = asyncio.Semaphore(PAGES_AT_ONCE)
        self._reads = asyncio.Semaphore(READS_AT_ONCE)
        self._dependency = postgres.dependency.beside()  # a slow list is not for pushes to pay

    async def prove(self) -> None:
        """Return when an entry and its key can be written, and were taken back, or raise within PROVE_SECONDS."""
        await self._postgres.prove(_PROOF, seconds=PROVE_SECONDS)

    async def newest(
        self, limit: int, trace_id: str | None, after: str | None = None
    ) -> tuple[list[AuditItem], str | None]:
        """The newest entries first, of one trace where it is given, of those `after` a place: fewer than `limit` where
        the budget ends before. With them the place that they end at, where there are more."""
        first, further = (_TRACE, _TRACE_AFTER) if trace_id else (_NEWEST, _NEWEST_AFTER)
        values = [*([trace_id] if trace_id else []), *(_place(after) if after else ()), limit + 1]
        rows, more = await self._items(further if after else first, values, limit)
        return [item_of(*row) for row in rows], _named(rows[-1]) if more else None

    async def since(self, hours: int) -> AsyncIterator[AuditItem]:
        """Every entry of the last hours, oldest first, PAGE of them or one budget in memory at a time.

        Each page is a query of its own that goes on behind the last entry, so that a reader who is slow holds
        neither a connection nor a transaction, nor anybody's turn.
        """
        [(begin, end)] = await self._postgres.run(_PERIOD, (hours,))
        last = (begin, -1)
        while rows := await self._page((last[0], end, *last)):
            for row in rows:
                yield item_of(*row)
            last = (rows[-1][1], rows[-1][0])

    async def _page(self, values: Sequence[Any]) -> list[TupleRow]:
        """One page. A busy moment may cost a try, and not what was sent before it."""
        deadline = time.monotonic() + PAGE_SECONDS
        while True:
            try:
                async with self._pages:
                    return (await self._items(_PAGE, values, PAGE))[0]
            except AwayError:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(AGAIN_SECONDS)

    async def _items(self, query: LiteralString, values: Sequence[Any], most: int) -> tuple[list[TupleRow], bool]:
        """The rows of an _ITEM query, `most` of them, that one budget has room for, and whether there are more.
        Postgres sends no more than that."""

        async def read(connection: AsyncConnection[TupleRow]) -> tuple[list[TupleRow], bool]:
            rows: list[TupleRow] = []
            budget = Budget()
            async with connection.cursor() as cursor:
                found = cursor.stream(query, values, size=AT_A_TIME)
                async with aclosing(cast("AsyncGenerator[TupleRow]", found)):
                    async for row in found:
                        size = sum(len(text.encode()) for text in row if isinstance(text, str))
                        if len(rows) == most or not budget.takes(size):
                            return rows, True
                        rows.append(row)
            return rows, False

        async def in_turn() -> tuple[list[TupleRow], bool]:
            async with self._reads:
                return await self._postgres.ask(read)

        return await self._dependency.call(in_turn)


def _named(row: TupleRow) -> str:
    """A row's place in the order of the log, as callers have it."""
    return f"{(row[1] - _EPOCH) // _MICROSECOND}.{row[0]}"


def _place(named: str) -> tuple[datetime, datetime, int]:
    """Up to when, and behind what, rows are older than the place."""
    passed, _, number = named.partition(".")
    at = _EPOCH + int(passed) * _MICROSECOND
    return at, at, int(number)
