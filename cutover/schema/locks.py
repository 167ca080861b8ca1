"""Locks: one runner at a time, and never a queue of readers behind a migration that waits for a table."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from cutover.errors import MigrationError

if TYPE_CHECKING:
    import psycopg

Report = Callable[[str], None]

LOCK_TIMEOUT = "100ms"  # who reads behind a waiting migration waits no longer
_RUNNER = 7_305_221  # any number, the same for every runner
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
_BLOCKERS = """
SELECT pid, usename, application_name, xact_start AT TIME ZONE 'UTC', query
FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids(%s)) ORDER BY xact_start"""


@contextmanager
def only_runner(connection: psycopg.Connection, seconds: float) -> Iterator[None]:
    """Holds the migration lock of the connection's database. It is tried in a spin: waiting for it would hold a
    snapshot, which CREATE INDEX CONCURRENTLY waits for in turn. Raises MigrationError after `seconds`."""
    give_up = time.monotonic() + seconds
    while connection.execute("SELECT pg_try_advisory_lock(%s)", (_RUNNER,)).fetchone() != (True,):
        if time.monotonic() > give_up:
            raise MigrationError(f"another runner holds the migration lock for {seconds:g} s: wait for it to end")
        time.sleep(random.uniform(0.1, 0.3))  # noqa: S311 - jitter
    try:
        yield
    finally:
        if not connection.broken:
            connection.execute("SELECT pg_advisory_unlock(%s)", (_RUNNER,))


def patiently(
    connection: psycopg.Connection, attempt: Callable[[], None], *, name: str, seconds: float, report: Report
) -> None:
    """Runs `attempt`, which ends itself after LOCK_TIMEOUT, again and again until it gets its locks.

    Between tries nobody waits for us. Raises MigrationError naming who holds the lock after `seconds`.
    """
    import psycopg

    give_up = time.monotonic() + seconds
    try:
        return attempt()
    except psycopg.errors.LockNotAvailable:
        pass
    pause = _FIRST_PAUSE
    said = False
    with _Watch(connection) as watch:
        while True:
            time.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - jitter
            pause = min(pause * 2, _LONGEST_PAUSE)
            watch.blockers = []
            try:
                return attempt()
            except psycopg.errors.LockNotAvailable:
                blockers = ", ".join(watch.blockers) or "a session that is gone again"
            if time.monotonic() > give_up:
                raise MigrationError(
                    f"{name} did not get its locks for {seconds:g} s and was rolled back: {blockers} has them; "
                    "let it end or end it, then run again"
                )
            if not said:
                report(f"{name} waits for {blockers}; it is tried again for {seconds:g} s")
                said = True


class _Watch:
    """Sees over a second connection who blocks the first. `blockers` is empty when it cannot."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.blockers: list[str] = []
        self._info = connection.info
        self._pid = connection.info.backend_pid
        self._looks, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Self:
        self._thread.start()
        self._looks.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        import psycopg

        try:
            with psycopg.connect(self._info.dsn, password=self._info.password, autocommit=True) as connection:
                self._looks.set()
                while not self._over.wait(0.02):
                    rows = connection.execute(_BLOCKERS, (self._pid,)).fetchall()
                    self.blockers = [_session(*row) for row in rows] or self.blockers
        except psycopg.Error:
            return
        finally:
            self._looks.set()


def _session(pid: int, user: str | None, application: str | None, since: object, query: str | None) -> str:
    known = [
        f"role {user or 'none'}",
        f"application {application or 'unnamed'}",
        *([f"since {since:%Y-%m-%d %H:%M:%S} UTC"] if since else []),
        *([f"query {beginning}"] if (beginning := _beginning(query or "")) else []),
    ]
    return f"pid {pid} ({', '.join(known)})"


def _beginning(query: str) -> str:
    """The first words of a query, before anything that could be a value."""
    words = re.match(r"(?:[^\W\d][\w.]*|\*)(?:\s+(?:[^\W\d][\w.]*|\*)(?=\s|$)){0,3}", query.strip())
    if not words:
        return ""
    few = words[0].split()
    return " ".join(few[:2] if few[0].upper() == "SET" else few)
