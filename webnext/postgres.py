"""Postgres at the address the vault holds under AUDIT_DB_URL: one pool for the process, which heals itself."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from webnext import aws
from webnext.dependency import Dependency
from webnext.vault import Vault, VaultError

Statement = LiteralString | bytes

SECRET = "AUDIT_DB_URL"  # noqa: S105  (the secret's name)

SECONDS = 2.0
"""For one call as a whole: connect where no connection is ready, test the connection, run the statement."""
STATEMENT_MILLISECONDS = 1500
"""After this time the server ends a statement: before its caller gives up, so that the outcome is known."""
LEND_SECONDS = 0.1
"""How long to wait for a connection before looking whether making one has failed."""
FRESH_SECONDS = 0.05
"""A connection is lent without a test where it was given back less than this ago and none has broken since."""
CONNECTIONS = 10
AUTHORITIES = Path(__file__).with_name("rds.pem")
"""Whom it believes where the address has the server's certificate verified: Amazon RDS' certificate authorities."""


class Postgres:
    """The database at AUDIT_DB_URL, for all who use it in a process: each opens it and closes it.

    No connection is made before the first call, and a call that finds none ready makes one, so that the first call
    after Postgres is back succeeds. A connection is tested before it is lent. An address whose password was refused
    is read from the vault again. What runs a statement raises AwayError.
    """

    def __init__(self, vault: Vault) -> None:
        self.vault = vault
        # DataError and IntegrityError are missing: they are answers about what was sent.
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
        self._users = 0
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
        self._users += 1
        await self._pool.open()

    async def close(self) -> None:
        """Where nobody else uses it, give back every connection, waiting a second at most."""
        self._users -= 1
        if not self._users:
            await self._pool.close(timeout=1)

    async def run(
        self, statement: Statement, values: Sequence[Any] = (), *, seconds: float = SECONDS
    ) -> list[TupleRow]:
        """The rows that one statement returns, none where it returns nothing. It commits by itself."""

        async def execute() -> list[TupleRow]:
            async with self.lend() as connection:
                cursor = await connection.execute(statement, values)
                return await cursor.fetchall() if cursor.description else []

        return await self.dependency.call(execute, seconds=seconds)

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


class _Connection(psycopg.AsyncConnection[TupleRow]):
    used = 0.0
    """When it was last given back, by the monotonic clock."""

    @classmethod
    async def connect(cls, conninfo: str = "", *, postgres: Postgres, **kwargs: Any) -> _Connection:  # type: ignore[override]  # noqa: ARG003
        async def address() -> str:
            read = await aws.in_thread(lambda: postgres.vault.read(SECRET))
            # With an authority at hand libpq verifies even where it is not asked to.
            return make_conninfo(read, sslrootcert=str(AUTHORITIES)) if "sslmode=verify" in read else read

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
