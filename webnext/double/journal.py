"""The double's audit proxy: a journal that takes an entry once for each key and brings it into Postgres later."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from sqlite3 import Connection
from typing import Literal, NamedTuple

from webnext import logs
from webnext.contract.audit import AuditEntryV1, AuditItem
from webnext.double.store import Store
from webnext.services import KeyReusedError

KEPT = timedelta(days=7)
"""How long a forwarded entry and its key stay: as long as Postgres keeps the key."""
BATCH = 200

State = Literal["waiting", "forwarded", "refused"]


class Waiting(NamedTuple):
    """An entry that is in the journal only."""

    key: str
    entry: AuditEntryV1
    trace_id: str
    actor: str | None


class Journal:
    """Every entry that was pushed, on the disk."""

    def __init__(self, store: Store, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._store = store
        self._clock = clock

    async def take(self, entry: AuditEntryV1, trace_id: str, key: str, actor: str | None = None) -> None:
        """Return once the entry is kept. Raises KeyReusedError where `key` is another entry's, AwayError.

        A trace id that is the request's as well is not the entry's own: sent again by another request it is the same
        entry.
        """
        own = None if entry.traceId == trace_id else entry.traceId
        document = entry.model_copy(update={"traceId": own}).model_dump_json()
        accepted_at = self._clock().isoformat()

        def insert(database: Connection) -> None:
            row = database.execute("SELECT entry FROM entries WHERE key = ?", (key,)).fetchone()
            if row and row[0] != document:
                raise KeyReusedError(f"idempotency key {key} is another entry's: send a new key with a new entry")
            if not row:
                database.execute(
                    "INSERT INTO entries (key, entry, trace_id, actor, accepted_at) VALUES (?, ?, ?, ?, ?)",
                    (key, document, entry.traceId or trace_id, actor, accepted_at),
                )

        await self._store.run(insert)

    async def newest(self, limit: int, trace_id: str | None = None) -> list[AuditItem]:
        """The newest entries, forwarded or not, fewer than `limit` where the budget ends before.

        `id` is the key that the entry came under.
        """
        of_one = "" if trace_id is None else "WHERE trace_id = ?"
        query = f"SELECT key, entry, trace_id, actor, accepted_at FROM entries {of_one} ORDER BY seq DESC LIMIT ?"  # noqa: S608
        values = [*filter(None, [trace_id]), limit]
        rows = await self._store.read(query, *values)
        return [
            AuditItem.of(AuditEntryV1.model_validate_json(entry), key, datetime.fromisoformat(at), trace or None, actor)
            for key, entry, trace, actor, at in rows
        ]

    async def waiting(self) -> list[Waiting]:
        """The oldest entries that are not in Postgres, BATCH or one budget at most."""
        query = "SELECT key, entry, trace_id, actor FROM entries WHERE state = 'waiting' ORDER BY seq LIMIT ?"
        rows = await self._store.read(query, BATCH)
        return [Waiting(key, AuditEntryV1.model_validate_json(entry), *more) for key, entry, *more in rows]

    async def settle(self, key: str, state: State) -> None:
        """Note what became of an entry."""
        await self._store.run(
            lambda database: database.execute("UPDATE entries SET state = ? WHERE key = ?", (state, key))
        )

    async def prune(self) -> None:
        """Drop what was forwarded and is older than KEPT."""
        oldest = (self._clock() - KEPT).isoformat()
        await self._store.run(
            lambda database: database.execute(
                "DELETE FROM entries WHERE state = 'forwarded' AND accepted_at < ?", (oldest,)
            )
        )


async def forward(journal: Journal, append: Callable[[Waiting], Awaitable[object]]) -> None:
    """Give `append` every entry that waits, the oldest first.

    It keeps an entry once for each key, so that an earlier try whose outcome is unknown doubles nothing. It raises
    AwayError, which ends this, and ValueError for an entry that it will never take.
    """
    while waiting := await journal.waiting():
        for one in waiting:
            key, entry = one.key, one.entry
            try:
                await append(one)
            except ValueError as error:
                logs.unaudited(entry.action, {"key": key, "why": str(error), "entry": entry.model_dump(mode="json")})
                await journal.settle(key, "refused")
            else:
                await journal.settle(key, "forwarded")
    await journal.prune()
