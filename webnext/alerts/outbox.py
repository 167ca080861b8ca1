"""The outbox in Postgres: one row for each accepted alert, open until it is delivered or purged."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from psycopg.types.json import Jsonb

from webnext.alerts.letter import Letter
from webnext.postgres import SECONDS, Postgres

LEASE_SECONDS = 10
"""How long a row of an alert in work is left alone after it was claimed."""
DEAD_LEASE_SECONDS = 60
"""The same for a dead letter, of which nothing is expected."""

_ADD = "INSERT INTO alert_outbox (id, payload, trace_id) VALUES (%s, %s, %s) ON CONFLICT (id) DO NOTHING"
_CLAIM = """
UPDATE alert_outbox SET check_at = now() + make_interval(secs => CASE WHEN outcome IS NULL THEN %s ELSE %s END)
WHERE id IN (
    SELECT id FROM alert_outbox WHERE closed_at IS NULL AND check_at <= now()
    ORDER BY check_at LIMIT %s FOR UPDATE SKIP LOCKED)
RETURNING id, payload, trace_id, coalesce(errors, '[]'), (extract(epoch FROM created_at) * 1000)::bigint,
          outcome IS NOT NULL"""
_DELIVERED = "UPDATE alert_outbox SET outcome = 'delivered', closed_at = now() WHERE id = ANY(%s) AND outcome IS NULL"
_DEAD = """
INSERT INTO alert_outbox (id, payload, trace_id, outcome, errors, check_at)
VALUES (%s, %s, %s, 'dead', %s, now() + make_interval(secs => %s))
ON CONFLICT (id) DO UPDATE SET outcome = 'dead', errors = excluded.errors, check_at = excluded.check_at
WHERE alert_outbox.closed_at IS NULL"""
_REOPENED = """
UPDATE alert_outbox SET outcome = NULL, check_at = now() + make_interval(secs => %s)
WHERE id = ANY(%s) AND outcome = 'dead'"""
_PURGED = """
UPDATE alert_outbox SET outcome = 'purged', closed_at = now()
WHERE closed_at IS NULL AND (outcome = 'dead' OR id = ANY(%s)) RETURNING id"""
_PROOF = "INSERT INTO alert_outbox (id, payload) VALUES ('web-next proof ' || pg_backend_pid(), '{}')"
_WAITING = "SELECT id FROM alert_outbox WHERE closed_at IS NULL AND outcome IS NULL ORDER BY created_at LIMIT %s"
_DEAD_LETTERS = """
SELECT id, payload, trace_id, coalesce(errors, '[]'), (extract(epoch FROM created_at) * 1000)::bigint, true,
       count(*) OVER ()
FROM alert_outbox WHERE closed_at IS NULL AND outcome = 'dead'
ORDER BY errors -> -1 ->> 'at' DESC NULLS LAST, id OFFSET %s LIMIT %s"""
_COUNTS = """
SELECT count(*) FILTER (WHERE outcome IS NULL), count(*) FILTER (WHERE outcome = 'dead'),
       extract(epoch FROM now() - min(created_at) FILTER (WHERE outcome IS NULL))::float8
FROM alert_outbox WHERE closed_at IS NULL"""


class Counts(NamedTuple):
    """Open rows: alerts not delivered yet, dead letters, and the age in seconds of the oldest of the first."""

    pending: int
    dead: int
    oldest: float | None


class Outbox:
    """The table alert_outbox. Every call raises AwayError when Postgres does not do it in time."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def add(self, letter: Letter, *, seconds: float = SECONDS) -> None:
        """Write a new alert's row. After a time-out it may be there all the same."""
        await self._postgres.run(_ADD, (letter.id, Jsonb(letter.alert), letter.trace_id), seconds=seconds)

    async def claim(self, limit: int) -> list[Letter]:
        """Return open rows whose time to be looked at has come, the longest overdue first; no other worker gets
        them for LEASE_SECONDS, or DEAD_LEASE_SECONDS."""
        return [Letter(*row) for row in await self._postgres.run(_CLAIM, (LEASE_SECONDS, DEAD_LEASE_SECONDS, limit))]

    async def delivered(self, ids: Collection[str]) -> None:
        """Close the rows of delivered alerts. That of a dead letter stays open: another job may have its id."""
        await self._postgres.run(_DELIVERED, (list(ids),))

    async def dead(self, letter: Letter) -> None:
        """Say of an open row that its alert is a dead letter, and why; an alert that has no row gets one."""
        kept = letter.id, Jsonb(letter.alert), letter.trace_id, Jsonb(letter.errors)
        await self._postgres.run(_DEAD, (*kept, DEAD_LEASE_SECONDS))

    async def reopened(self, ids: Collection[str]) -> None:
        """Say of dead letters that they are tried again."""
        await self._postgres.run(_REOPENED, (LEASE_SECONDS, list(ids)))

    async def purge(self, ids: Collection[str]) -> set[str]:
        """Close the rows of all dead letters, and of `ids`, of which a row may not say yet that they are; return
        theirs."""
        storable = [job_id for job_id in ids if "\0" not in job_id]
        return {job_id for (job_id,) in await self._postgres.run(_PURGED, (storable,))}

    async def waiting(self, limit: int) -> list[str]:
        """The ids of alerts not delivered yet, the oldest first."""
        return [job_id for (job_id,) in await self._postgres.run(_WAITING, (limit,))]

    async def dead_letters(self, offset: int, limit: int) -> tuple[int, list[Letter]]:
        """How many dead letters there are, 0 beyond the last, and a page of them, the newest first."""
        rows = await self._postgres.run(_DEAD_LETTERS, (offset, limit))
        return (rows[0][-1] if rows else 0), [Letter(*row[:-1]) for row in rows]

    async def prove(self, seconds: float) -> None:
        """Return when a row can be written, and was taken back."""
        await self._postgres.prove(_PROOF, seconds=seconds)

    async def counts(self) -> Counts:
        """Count the open rows."""
        [row] = await self._postgres.run(_COUNTS)
        return Counts(*row)
