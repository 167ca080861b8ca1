"""What is read of the audit log in Postgres."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any, LiteralString, cast

from psycopg.rows import TupleRow

from webnext.audit.row import item_of
from webnext.budget import Budget
from webnext.contract import AuditItem
from webnext.postgres import Postgres

PING_SECONDS = 0.9
PAGE = 1000
"""Rows of one query of an export."""
AT_A_TIME = 10
"""Rows that are fetched before their sizes are looked at."""

_ITEM: LiteralString = "SELECT id, ts, action, result, strategy_id, trace_id, details::text FROM audit_log"
_NEWEST: LiteralString = f"{_ITEM} ORDER BY ts DESC, id DESC LIMIT %s"
_TRACE: LiteralString = f"{_ITEM} WHERE trace_id = %s ORDER BY ts DESC, id DESC LIMIT %s"
_PERIOD: LiteralString = "SELECT now() - make_interval(hours => %s), now()"
_PAGE: LiteralString = f"{_ITEM} WHERE ts >= %s AND ts <= %s AND (ts, id) > (%s, %s) ORDER BY ts, id LIMIT {PAGE}"


class Log:
    """The table audit_log. Every call raises AwayError."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def ping(self) -> None:
        """Return when the audit log can be read, or raise within PING_SECONDS."""
        await self._postgres.run("SELECT FROM audit_log LIMIT 0", seconds=PING_SECONDS)

    async def newest(self, limit: int, trace_id: str | None) -> list[AuditItem]:
        """The newest entries first, of one trace where it is given: fewer than `limit` where the budget ends before."""
        rows = await (self._items(_TRACE, (trace_id, limit)) if trace_id else self._items(_NEWEST, (limit,)))
        return [item_of(*row) for row in rows]

    async def since(self, hours: int) -> AsyncIterator[AuditItem]:
        """Every entry of the last hours, oldest first, PAGE of them or one budget in memory at a time.

        Each page is a query of its own that goes on behind the last entry, so that a reader who is slow holds
        neither a connection nor a transaction.
        """
        [(begin, end)] = await self._postgres.run(_PERIOD, (hours,))
        last = (begin, -1)
        while rows := await self._items(_PAGE, (last[0], end, *last)):
            for row in rows:
                yield item_of(*row)
            last = (rows[-1][1], rows[-1][0])

    async def _items(self, query: LiteralString, values: Sequence[Any]) -> list[TupleRow]:
        """The rows of an _ITEM query that one budget has room for; Postgres sends no more than that."""

        async def ask() -> list[TupleRow]:
            rows: list[TupleRow] = []
            budget = Budget()
            async with self._postgres.lend() as connection, connection.cursor() as cursor:
                found = cursor.stream(query, values, size=AT_A_TIME)
                async with aclosing(cast("AsyncGenerator[TupleRow]", found)):
                    async for row in found:
                        if not budget.takes(len((row[-1] or "").encode())):
                            break
                        rows.append(row)
            return rows

        return await self._postgres.dependency.call(ask)
