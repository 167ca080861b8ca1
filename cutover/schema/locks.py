"""Locks: one runner at a time, and never a queue of readers behind a migration that waits for a table."""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Self

from cutover.errors import MigrationError

if TYPE_CHECKING:
    import psycopg

Report = Callable[[str], None]

LOCK_TIMEOUT = "100ms"  # who reads behind a waiting migration waits no longer
_RUNNER = 7_305_221  # any number, the same for every runner
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
TOLD_SECONDS = 1.0
"""What takes longer is worth a line."""
_ENDS_AUTOVACUUM = "10s"  # well over deadlock_timeout, which is 1 s by default
_GLANCE, _LOOK = 0.02, 0.2  # seconds between two looks, at a wait of LOCK_TIMEOUT and at a long one
# A worker of autovacuum's is of no role; more of it, its kind too, is shown to its like alone.
_BLOCKERS = """
SELECT pid, usename, application_name, xact_start AT TIME ZONE 'UTC', query, (
    SELECT format('%%I.%%I', nspname, relname)
    FROM pg_locks l JOIN pg_class c ON c.oid = relation JOIN pg_namespace n ON n.oid = relnamespace
    WHERE usesysid IS NULL AND l.pid = a.pid AND mode = 'ShareUpdateExclusiveLock' AND relkind = 'r' LIMIT 1)
FROM pg_stat_activity a WHERE pid = ANY (pg_blocking_pids(%s)) ORDER BY xact_start"""


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

    Between tries nobody waits for us, and autovacuum is sent away, which no try is long enough for. Raises
    MigrationError naming who holds the lock after `seconds`.
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
            watch.blockers, watch.vacuumed = [], None
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
            if watch.vacuumed:
                _end_autovacuum(connection, watch.vacuumed)
                pause = _FIRST_PAUSE


def told(connection: psycopg.Connection, statement: bytes, *, name: str, seconds: float, report: Report) -> None:
    """Runs one statement that waits for other transactions and blocks neither readers nor writers while it waits.

    `report` gets a line for each session that it waits for. When it got no further behind one of them for `seconds`,
    it is cancelled and MigrationError names that one. What it left is repaired by the next run.
    """
    import psycopg

    def say(blocker: str) -> None:
        report(f"{name} waits for {blocker}; nobody waits behind it, and it is cancelled after {seconds:g} s")

    seconds = min(max(seconds, TOLD_SECONDS), 1e6)  # 0 would be for ever, and in less nobody is seen
    connection.execute(f"SET lock_timeout = '{seconds:.3f}s'")
    try:
        with _Watch(connection, say) as watch:
            connection.execute(statement)
    except psycopg.errors.LockNotAvailable:
        blockers = ", ".join(watch.blockers) or "a session that is gone again"
        raise MigrationError(
            f"{name} waited {seconds:g} s for {blockers} and was cancelled; what it left is repaired by the next run: "
            "let it end or end it, then run again"
        ) from None
    finally:
        if not connection.broken:
            connection.execute("SET lock_timeout = 0")


def _end_autovacuum(connection: psycopg.Connection, table: str) -> None:
    """Waits for the table as VACUUM would, so that neither reads nor writes wait behind us: after deadlock_timeout
    Postgres cancels an autovacuum that somebody waits for, save one that prevents wraparound."""
    from psycopg.errors import InsufficientPrivilege, LockNotAvailable

    with suppress(InsufficientPrivilege, LockNotAvailable), connection.transaction():
        connection.execute(f"SET LOCAL lock_timeout = '{_ENDS_AUTOVACUUM}'")
        connection.execute(f"LOCK TABLE ONLY {table} IN SHARE UPDATE EXCLUSIVE MODE".encode())


class _Watch:
    """Sees over a second connection who blocks the first. `blockers` is empty when it cannot; `vacuumed` is the table
    that autovacuum has; `say` is told of each once, when it has blocked for TOLD_SECONDS."""

    def __init__(self, connection: psycopg.Connection, say: Report | None = None) -> None:
        self.blockers: list[str] = []
        self.vacuumed: str | None = None
        self._info = connection.info
        self._pid = connection.info.backend_pid
        self._say = say
        self._since: dict[int, float] = {}
        self._said: set[int] = set()
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
                while not self._over.wait(_GLANCE if self._say is None else _LOOK):
                    rows = connection.execute(_BLOCKERS, (self._pid,)).fetchall()
                    self.blockers = [_session(*row) for row in rows] or self.blockers
                    self.vacuumed = next((row[-1] for row in rows if row[-1]), self.vacuumed)
                    if self._say:
                        self._tell({row[0]: _session(*row) for row in rows}, self._say)
        except psycopg.Error:
            return
        finally:
            self._looks.set()

    def _tell(self, blockers: dict[int, str], say: Report) -> None:
        now = time.monotonic()
        self._since = {pid: self._since.get(pid, now) for pid in blockers}
        for pid in self._since.keys() - self._said:
            if now - self._since[pid] >= TOLD_SECONDS:
                self._said.add(pid)
                say(blockers[pid])


def _session(
    pid: int, user: str | None, application: str | None, since: object, query: str | None, vacuumed: str | None = None
) -> str:
    if vacuumed:
        return f"pid {pid} (autovacuum of {vacuumed})"
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
