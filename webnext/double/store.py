"""What the double keeps: an SQLite file whose changes are on the disk before they are answered."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile
from pathlib import Path
from typing import Any, TypeVar

from webnext.budget import Budget
from webnext.dependency import AwayError

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    key         TEXT NOT NULL UNIQUE,
    entry       TEXT NOT NULL,
    trace_id    TEXT NOT NULL,
    actor       TEXT,
    accepted_at TEXT NOT NULL,
    state       TEXT NOT NULL DEFAULT 'waiting'
);
CREATE INDEX IF NOT EXISTS entries_waiting ON entries (seq) WHERE state = 'waiting';
CREATE INDEX IF NOT EXISTS entries_trace ON entries (trace_id, seq);
CREATE TABLE IF NOT EXISTS desk (one INTEGER PRIMARY KEY CHECK (one = 1), state TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS received (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    at          TEXT NOT NULL,
    trace_id    TEXT,
    taken       INTEGER NOT NULL,
    text        TEXT NOT NULL
);
"""


class Store:
    """One SQLite file in `folder`, used by one thread. Raises OSError or sqlite3.Error where it cannot be had."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(folder / "double.sqlite3", check_same_thread=False)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.executescript(_SCHEMA)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what `work` returns; its changes are one transaction, on the disk by then. Raises AwayError."""

        def transaction() -> T:
            with self._database:
                return work(self._database)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, transaction)
        except sqlite3.Error as error:
            raise AwayError("store", str(error)) from error

    async def read(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query that one budget has room for. Raises AwayError."""

        def rows(database: sqlite3.Connection) -> list[tuple[Any, ...]]:
            budget = Budget()
            found = database.execute(query, values)
            return list(takewhile(lambda row: budget.takes(sum(len(str(value)) for value in row)), found))

        return await self.run(rows)

    async def close(self) -> None:
        """Finish what was begun and close the file."""
        await asyncio.to_thread(self._thread.shutdown)
        self._database.close()
