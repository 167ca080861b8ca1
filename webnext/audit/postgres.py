"""The audit database: a pool that heals itself at the address the vault holds, and what is read from it."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from webnext import aws
from webnext.audit.row import item_of
from webnext.budget import Budget
from webnext.contract import AuditItem
from webnext.dependency import Dependency
from webnext.vault import Vault, VaultError

SECRET = "AUDIT_DB_URL"  # noqa: S105  (the secret's name)

SECONDS = 2.0
"""For everything that one call does: connect where no connection is ready, test it, run the statement."""
STATEMENT_MILLISECONDS = 1500
"""After which the server itself ends a statement: before the caller gives up on it, so that its outcome is known."""
PING_SECONDS = 0.9
LEND_SECONDS = 0.1
"""How long to wait for a connection before looking whether making one has failed."""
FRESH_SECONDS = 0.05
"""A connection that was given back so recently, and after the last one that broke, is lent without a test."""
CONNECTIONS = 10
PAGE = 1000
"""Rows of one query of an export."""
AT_A_TIME = 10
"""Rows that are fetched before their sizes are looked at."""

_ITEM = "SELECT id, ts, action, result, strategy_id, trace_id, details::text FROM audit_log"
_NEWEST = f"{_ITEM} ORDER BY ts DESC, id DESC LIMIT %s"
_TRACE = f"{_ITEM} WHERE trace_id = %s ORDER BY ts DESC, id DESC LIMIT %s"
_PERIOD = "SELECT now() - make_interval(hours => %s), now()"
_PAGE = f"{_ITEM} WHERE ts >= %s AND ts <= %s AND (ts, id) > (%s, %s) ORDER BY ts, id LIMIT {PAGE}"


class Postgres:
    """The database at AUDIT_DB_URL.

    No connection is made before the first call, and a call that finds none ready makes one, so that the first call
    after Postgres is back succeeds. A connection is tested before it is lent. An address whose password was refused
    is read from the vault again. Every method but open and close raises AwayError.
    """

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        # DataError and IntegrityError are missing: those are answers, about what was sent.
        self.dependency = Dependency(
            "postgres",
            errors=(
                psycopg.OperationalError,
                psycopg.ProgrammingError,
                psycopg.InternalError,
                psycopg.InterfaceError,
                psycopg.NotSupportedError,
                VaultError,
                OSError,
            ),
            seconds=SECONDS,
        )
        self.failures = 0
        self.failure: Exception | None = None
        self._doubted = 0.0
        self._pool = AsyncConnectionPool[_Connection](
            connection_class=_Connection,
            kwargs={
                "postgres": self,
                "autocommit": True,
                "connect_timeout": 2,
                "tcp_user_timeout": 4000,
                "options": f"-c statement_timeout={STATEMENT_MILLISECONDS}",
                "application_name": "web-next",
                "client_encoding": "utf8",
            },
            min_size=0,
            max_size=CONNECTIONS,
            open=False,
            check=self._check,
            reconnect_timeout=1,
        )

    async def open(self) -> None:
        """Start the pool; returns at once, whether or not Postgres is there."""
        await self._pool.open()

    async def close(self) -> None:
        """Give back every connection, waiting a second at most."""
        await self._pool.close(timeout=1)

    async def ping(self) -> None:
        """Return when the audit log can be read, or raise within PING_SECONDS."""
        await self._ask("SELECT FROM audit_log LIMIT 0", (), seconds=PING_SECONDS)

    async def newest(self, limit: int, trace_id: str | None) -> list[AuditItem]:
        """The newest entries first, of one trace where it is given: fewer than `limit` where the budget ends before."""
        rows = await (self._items(_TRACE, (trace_id, limit)) if trace_id else self._items(_NEWEST, (limit,)))
        return [item_of(*row) for row in rows]

    async def since(self, hours: int) -> AsyncIterator[AuditItem]:
        """Every entry of the last hours, oldest first, PAGE of them or one budget in memory at a time.

        Each page is a query of its own that goes on behind the last entry, so that a reader who is slow holds
        neither a connection nor a transaction.
        """
        [(begin, end)] = await self._ask(_PERIOD, (hours,))
        last = (begin, -1)
        while rows := await self._items(_PAGE, (last[0], end, *last)):
            for row in rows:
                yield item_of(*row)
            last = (rows[-1][1], rows[-1][0])

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[psycopg.AsyncConnection[TupleRow]]:
        """A tested connection, in autocommit. To be used inside `dependency.call`, which limits the time.

        Where none is ready and none can be made it raises why, as soon as that is known.
        """
        connection = await self._take()
        try:
            yield connection
        finally:
            connection.used = time.monotonic()
            if connection.broken:
                self._doubted = connection.used
            await self._pool.putconn(connection)

    async def _check(self, connection: _Connection) -> None:
        if connection.used < max(self._doubted, time.monotonic() - FRESH_SECONDS):
            await AsyncConnectionPool.check_connection(connection)

    async def _take(self) -> _Connection:
        failures, deadline = self.failures, time.monotonic() + SECONDS
        while True:
            try:
                return await self._pool.getconn(LEND_SECONDS)
            except PoolTimeout:
                if self.failure and self.failures > failures:
                    raise self.failure from None
                if time.monotonic() > deadline:
                    raise

    async def _items(self, query: str, values: Sequence[Any]) -> list[TupleRow]:
        """The rows of an _ITEM query that one budget has room for; Postgres sends no more than that."""

        async def ask() -> list[TupleRow]:
            rows: list[TupleRow] = []
            budget = Budget()
            async with self.lend() as connection, connection.cursor() as cursor:
                found = cursor.stream(query.encode(), values, size=AT_A_TIME)
                async with aclosing(cast("AsyncGenerator[TupleRow]", found)):
                    async for row in found:
                        if not budget.takes(len((row[-1] or "").encode())):
                            break
                        rows.append(row)
            return rows

        return await self.dependency.call(ask)

    async def _ask(self, query: str, values: Sequence[Any], *, seconds: float = SECONDS) -> list[TupleRow]:
        async def ask() -> list[TupleRow]:
            async with self.lend() as connection:
                return await (await connection.execute(query.encode(), values)).fetchall()

        return await self.dependency.call(ask, seconds=seconds)


class _Connection(psycopg.AsyncConnection[TupleRow]):
    used = 0.0
    """When it was last given back, by the monotonic clock."""

    @classmethod
    async def connect(cls, conninfo: str = "", *, postgres: Postgres, **kwargs: Any) -> _Connection:  # type: ignore[override]  # noqa: ARG003
        async def address() -> str:
            return await aws.in_thread(lambda: postgres.vault.read(SECRET))

        try:
            current = await address()
            try:
                return await super().connect(current, **kwargs)
            except psycopg.OperationalError as error:
                # libpq gives no SQLSTATE for a failed connection; only a server that is up asks for a password.
                if error.pgconn is None or not error.pgconn.used_password:
                    raise
                if await address() == current:
                    postgres.vault.forget(SECRET)
                rotated = await address()
                if rotated == current:
                    raise
                return await super().connect(rotated, **kwargs)
        except Exception as error:
            postgres.failure, postgres.failures = error, postgres.failures + 1
            raise
