"""What the audit log holds up to an entry, which nobody can change any more: the same in every true copy."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, LiteralString

from cutover.errors import CutoverError

if TYPE_CHECKING:
    import psycopg

SECONDS = 120.0
"""How long transactions may take to end that were open when the mark was asked for: twice what a writer's may last."""

_HELD: LiteralString = """
SELECT count(*), coalesce(sum(hashtextextended(entry::text, 0)::numeric), 0)::text
FROM audit_log entry WHERE id <= %s
"""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """`rows` entries with an id of at most `up_to`, and the sum of their texts' hashes; as the server `began` at and
    had them at `at`, both by its own clock."""

    up_to: int
    rows: int
    hashes: str
    began: datetime
    at: datetime

    @classmethod
    def of(cls, connection: psycopg.Connection, sleep: Callable[[float], object] = time.sleep) -> Mark:
        """The mark of a server that goes on taking entries. Raises CutoverError where an older transaction stays."""
        up_to, seen = _one(
            connection, "SELECT coalesce(max(id), 0), pg_snapshot_xmax(pg_current_snapshot()) FROM audit_log"
        )
        until = time.monotonic() + SECONDS
        while not _one(connection, "SELECT pg_snapshot_xmin(pg_current_snapshot()) >= %s::xid8", str(seen))[0]:
            if time.monotonic() > until:
                raise CutoverError(
                    f"a transaction is open for {SECONDS:g} s, and entries of it may be missing from any count: end it "
                    "(docs/runbook.md, End a blocker), then run the drill again"
                )
            sleep(0.1)
        return cls.up_to_entry(connection, int(up_to))

    @classmethod
    def up_to_entry(cls, connection: psycopg.Connection, up_to: int) -> Mark:
        """What this server has up to an entry."""
        with connection.transaction():
            connection.execute("SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO'")
            rows, hashes = _one(connection, _HELD, up_to)
        began, at = _one(connection, "SELECT pg_postmaster_start_time(), clock_timestamp()")
        return cls(up_to=up_to, rows=int(rows), hashes=str(hashes), began=began, at=at)

    def differences(self, restored: Mark) -> list[str]:
        """What the copy has otherwise, a line each."""
        if restored.began <= self.began:
            return [
                f"what answers has run since {restored.began:%Y-%m-%d %H:%M:%S} UTC, like the server that was to be "
                "restored: it is not the copy"
            ]
        if restored.rows != self.rows:
            return [f"{restored.rows} entries up to number {self.up_to}, {self.rows} were backed up"]
        if restored.hashes != self.hashes:
            return [f"of {self.rows} entries up to number {self.up_to} some have another content"]
        return []


def _one(connection: psycopg.Connection, sql: LiteralString, *values: object) -> tuple[Any, ...]:
    row = connection.execute(sql, values or None).fetchone()
    assert row, "an aggregate has a row"
    return row
