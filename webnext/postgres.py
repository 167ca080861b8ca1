"""Postgres at the address the vault holds under AUDIT_DB_URL: one pool for the process, which heals itself."""

from __future__ import annotations

import asyncio
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
CONFIRM_SECONDS = 5.0
"""How old the comparison of a connection's address with the vault's may be. The vault keeps its own for 50 s, so an
address that was put there is in use within 60 s, as the contract has it, on connections that were made before too."""
CONFIRM_LIMIT = 0.5
CONNECTIONS = 10
AUTHORITIES = Path(__file__).with_name("rds.pem")
"""Whom it believes where the address has the server's certificate verified: Amazon RDS' certificate authorities."""


class Postgres:
    """The database at AUDIT_DB_URL, for all who use it in a process: each opens it and closes it.

    No connection is made before the first call, and a call that finds none ready makes one, so that the first call
    after Postgres is back succeeds. A connection is tested before it is lent, and given up where the vault has another
    address by now. An address whose password was refused is read from the vault again. What runs a statement raises
    AwayError.
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

    async def address(self) -> str:
        """What the vault has, in the form of a connection."""
        read = await aws.in_thread(lambda: self.vault.read(SECRET))
        # With an authority at hand libpq verifies even where it is not asked to.
        return make_conninfo(read, sslrootcert=str(AUTHORITIES)) if "sslmode=verify" in read else read

    async def _check(self, connection: _Connection) -> None:
        now = time.monotonic()
        if connection.used < max(self._doubted, now - FRESH_SECONDS):
            await AsyncConnectionPool.check_connection(connection)
        if connection.confirmed < now - CONFIRM_SECONDS:
            connection.confirmed = now
            await self._confirm(connection)

    async def _confirm(self, connection: _Connection) -> None:
        """Closes it and raises OperationalError where the vault has another address. A vault that does not answer
        changes nothing."""
        try:
            current = await asyncio.wait_for(self.address(), CONFIRM_LIMIT)
        except (VaultError, TimeoutError):
            return
        if current != connection.address:
            await connection.close()  # one that works goes back into the pool, checked or not
            raise psycopg.OperationalError("the vault has another address by now")

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
    confirmed = 0.0
    """When its address was last compared with the vault's."""
    address = ""

    @classmethod
    async def connect(cls, conninfo: str = "", *, postgres: Postgres, **kwargs: Any) -> _Connection:  # type: ignore[override]  # noqa: ARG003
        async def connected(address: str) -> _Connection:
            made = await super(_Connection, cls).connect(address, **kwargs)
            made.address, made.confirmed = address, time.monotonic()
            return made

        try:
            current = await postgres.address()
            try:
                return await connected(current)
            except psycopg.OperationalError as error:
                # libpq gives no SQLSTATE for a failed connection; only a server that is up asks for a password.
                if error.pgconn is None or not error.pgconn.used_password:
                    raise
                if await postgres.address() == current:
                    postgres.vault.forget(SECRET)
                rotated = await postgres.address()
                if rotated == current:
                    raise
                return await connected(rotated)
        except Exception as error:
            postgres.failure, postgres.failures = error, postgres.failures + 1
            raise
