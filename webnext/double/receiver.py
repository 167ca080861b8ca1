"""The double's receiver of alerts, in the place of Slack's webhook: it refuses messages when it is asked to."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from sqlite3 import Connection
from typing import Any

from webnext.double.store import Store
from webnext.envelope import TRACE_ID

KEPT = 200
"""How many messages are kept."""
REFUSALS = 100
"""For how many trace ids messages are refused at a time."""

_LAST_LINE = re.compile(rf"(?:.*\n)?trace ({TRACE_ID.pattern})", re.DOTALL)


class Receiver:
    """The newest messages, on the disk, and what is to be refused, in memory."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._refusals: dict[str, int] = {}

    def refuse(self, trace_id: str, times: int) -> None:
        """Refuse the next `times` messages of a trace, whatever was asked before. The oldest wish is forgotten."""
        self._refusals.pop(trace_id, None)
        if times:
            self._refusals[trace_id] = times
        for oldest in list(self._refusals)[:-REFUSALS]:
            del self._refusals[oldest]

    async def take(self, text: str) -> bool:
        """Write a message down, and say whether it is taken: False where it is refused. Raises AwayError."""
        last = _LAST_LINE.fullmatch(text)
        trace_id = last[1] if last else None
        refused = self._refusals.get(trace_id or "", 0)
        if trace_id and refused:
            self.refuse(trace_id, refused - 1)
        row = (datetime.now(UTC).isoformat(timespec="milliseconds"), trace_id, not refused, text)

        def write(database: Connection) -> None:
            statement = "INSERT INTO received (at, trace_id, taken, text) VALUES (?, ?, ?, ?)"
            last = database.execute(statement, row).lastrowid or 0
            database.execute("DELETE FROM received WHERE seq <= ?", (last - KEPT,))

        await self._store.run(write)
        return not refused

    async def received(self, trace_id: str | None) -> list[dict[str, Any]]:
        """The newest messages first, those of one trace where it is given, as far as one budget reaches."""
        rows = await self._store.read(
            "SELECT at, trace_id, taken, text FROM received WHERE ?1 IN ('', trace_id) ORDER BY seq DESC",
            trace_id or "",
        )
        return [{"at": at, "traceId": trace, "taken": bool(taken), "text": text} for at, trace, taken, text in rows]
