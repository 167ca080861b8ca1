"""Group commit: entries that arrive while others are being written go into Postgres together, in one statement."""

from __future__ import annotations

import asyncio
import contextvars
import json
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import psycopg
from psycopg.rows import TupleRow

from webnext.audit.row import Row, UnstorableError
from webnext.dependency import AwayError, one_line
from webnext.postgres import SECONDS, Postgres
from webnext.services import KeyReusedError

TASKS = 3
"""How many statements run side by side: while one waits for its commit the next one is put together."""
BATCH = 100
FEW = 8
"""So many go into one statement; of more, half."""

_NEW = ("key", "action", "result", "strategy_id", "trace_id", "actor", "details")
_COMPARED = ("key", "action", "result", "strategy_id", "own_trace", "plain", "late")


def _given(fields: Sequence[str]) -> str:
    """SQL for the rows that `_json` writes: `place` is the place in the batch."""
    types = dict.fromkeys(("details", "plain", "late"), "jsonb")
    columns = ", ".join(f"{name} {types.get(name, 'text')}" for name in fields)
    return f"json_to_recordset(%s::json) AS given(place int, {columns})"


# Entries get their ids in the order of arrival. Keys are written in their own order, so that two statements that share
# keys cannot deadlock.
_INSERT = f"""
WITH given AS (SELECT * FROM {_given(_NEW)}),
numbered AS (SELECT key, nextval('audit_log_id_seq') AS id FROM given),
fresh AS (
    INSERT INTO audit_idempotency (key, entry_id, entry_ts)
    SELECT key, id, now() FROM numbered ORDER BY key
    ON CONFLICT (key) DO NOTHING
    RETURNING key, entry_id, entry_ts),
written AS (
    INSERT INTO audit_log (id, ts, action, result, strategy_id, trace_id, actor, details)
    SELECT entry_id, entry_ts, action, result, strategy_id, trace_id, actor, details
    FROM fresh JOIN given USING (key) ORDER BY entry_id)
SELECT key, entry_id FROM fresh""".encode()  # noqa: S608  (constants)
# Where retention has dropped the entry's partition there is nothing to compare with: it counts as the same entry.
_KNOWN = f"""
SELECT place, entry_id, log.id IS NULL OR (
    log.action = given.action AND log.result = given.result
    AND log.strategy_id IS NOT DISTINCT FROM given.strategy_id
    AND (given.own_trace IS NULL OR log.trace_id = given.own_trace)
    AND (log.details IS NOT DISTINCT FROM plain
         OR log.details = late || jsonb_build_object('acceptedAt', log.details -> 'acceptedAt')))
FROM {_given(_COMPARED)} JOIN audit_idempotency USING (key)
LEFT JOIN audit_log AS log ON (log.id, log.ts) = (entry_id, entry_ts)""".encode()  # noqa: S608


class Written(NamedTuple):
    """The id of the entry under a key, and whether this call wrote it."""

    id: int
    fresh: bool


class _Waiting(NamedTuple):
    row: Row
    written: asyncio.Future[Written]


class Writer:
    """Appends rows, many at a time."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._waiting: deque[_Waiting] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    async def append(self, row: Row) -> Written:
        """Write one row within SECONDS, or find the one that its key has made.

        Raises AwayError, after which the row may have been written all the same; KeyReusedError where the key has
        made another entry; UnstorableError.
        """
        loop = asyncio.get_running_loop()
        waiting = _Waiting(row, loop.create_future())
        self._waiting.append(waiting)
        if len(self._tasks) < TASKS:
            # In a context of its own: what it does is not the first request's alone.
            task = loop.create_task(self._drain(), context=contextvars.Context())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        timer = loop.call_later(SECONDS, self._give_up, waiting)
        try:
            return await waiting.written
        finally:
            timer.cancel()

    async def close(self) -> None:
        """Return when nothing waits any more."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _give_up(self, waiting: _Waiting) -> None:
        _settle(waiting, AwayError(self._postgres.dependency.name, f"no answer within {SECONDS:g} s"))

    async def _drain(self) -> None:
        while self._waiting:
            await asyncio.sleep(0)  # what came in the same turn goes along
            # Half of them, so that the next statement is under way while this one waits for its commit.
            count = min(len(self._waiting), max(FEW, len(self._waiting) // 2), BATCH)
            batch = [self._waiting.popleft() for _ in range(count)]
            await self._write([each for each in batch if not each.written.done()])

    async def _write(self, batch: Sequence[_Waiting]) -> None:
        if not batch:
            return
        try:
            outcomes = await self._postgres.dependency.call(lambda: self._insert([each.row for each in batch]))
        except (psycopg.DataError, psycopg.IntegrityError) as error:
            if len(batch) > 1:  # one of them: halves, until it stands alone
                await self._write(batch[: len(batch) // 2])
                await self._write(batch[len(batch) // 2 :])
            elif isinstance(error, psycopg.DataError):
                _settle(batch[0], UnstorableError(one_line(error)))
            else:  # a partition that is missing, say: nothing that the entry could help
                _settle(batch[0], AwayError(self._postgres.dependency.name, one_line(error)))
        except Exception as error:
            for each in batch:
                _settle(each, error)
        else:
            for each, outcome in zip(batch, outcomes, strict=True):
                _settle(each, outcome)

    async def _insert(self, rows: Sequence[Row]) -> list[Written | Exception]:
        # The keys make a second time safe.
        return await self._postgres.ask(lambda connection: self._insert_by(connection, rows))

    async def _insert_by(
        self, connection: psycopg.AsyncConnection[TupleRow], rows: Sequence[Row]
    ) -> list[Written | Exception]:
        firsts = {row.key: place for place, row in reversed(list(enumerate(rows)))}
        given = _json(rows, sorted(firsts.values()), _NEW)
        fresh: dict[str, int] = dict(await (await connection.execute(_INSERT, (given,))).fetchall())
        outcomes: dict[int, Written | Exception] = {
            place: Written(fresh[key], True) for key, place in firsts.items() if key in fresh
        }
        if rest := [place for place in range(len(rows)) if place not in outcomes]:
            found = await (await connection.execute(_KNOWN, (_json(rows, rest, _COMPARED),))).fetchall()
            outcomes |= {place: _known(number, same) for place, number, same in found}
        # A key that vanished between the two statements was pruned just then.
        vanished = AwayError(self._postgres.dependency.name, "the key's entry is being pruned")
        return [outcomes.get(place, vanished) for place in range(len(rows))]


def _known(number: int, same: bool) -> Written | Exception:
    return Written(number, False) if same else KeyReusedError("the idempotency key has already made another entry")


def _json(rows: Sequence[Row], places: Sequence[int], fields: Sequence[str]) -> str:
    return json.dumps([{"place": place, **{name: getattr(rows[place], name) for name in fields}} for place in places])


def _settle(waiting: _Waiting, outcome: Written | Exception) -> None:
    if waiting.written.done():  # given up by its caller
        return
    if isinstance(outcome, Exception):
        waiting.written.set_exception(outcome)
    else:
        waiting.written.set_result(outcome)
