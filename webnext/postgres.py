"""Postgres at the address the vault holds under AUDIT_DB_URL: one pool for the process, which heals itself."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, LiteralString, NoReturn, TypeVar

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from webnext import aws
from webnext.dependency import AwayError, Dependency, one_line
from webnext.vault import CONFIRM_SECONDS, Vault, VaultError, moved

Statement = LiteralString | bytes
T = TypeVar("T")

SECRET = "AUDIT_DB_URL"  # noqa: S105  (the secret's name)

SECONDS = 2.0
"""For one call as a whole: connect where no connection is ready, test the connection, run the statement."""
STATEMENT_MILLISECONDS = 1500
"""After this time the server ends a statement: before its caller gives up, so that the outcome is known."""
LEND_SECONDS = 0.1
"""How long to wait for a connection before looking whether making one has failed."""
FRESH_SECONDS = 0.05
"""A connection is lent without a test where it was given back less than this ago and none has broken since."""
LIFE_SECONDS = 300.0
"""How old a connection may get: a server that was replaced is left within this time, whatever nobody noticed of it."""
CONNECTIONS = 10
CONDEMNING = ("25006", "57P", "28", "08")
"""What the SQLSTATEs begin with that say of a connection that it is of no more use, while a new one may be: a session
that may only read, a server that ends or starts, a role that is refused, a connection that failed."""
AUTHORITIES = Path(__file__).with_name("rds.pem")
"""Whom it believes where the address has the server's certificate verified: Amazon RDS' certificate authorities."""


_ADDRESS = re.compile(
    r"postgres(ql)?://[^\s/@]+@([\w.-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?/[^\s/?@]+(\?[^\s@]*)?", re.ASCII
)


class Postgres:
    """The database at AUDIT_DB_URL, for all who use it in a process: each opens it and closes it.

    No connection is made before the first call, and a call that finds none ready makes one, so that the first call
    after Postgres is back succeeds. A connection is tested before it is lent, and given up where its session may only
    read, as that of a primary that is one no more, or where the vault has another address by now. An address whose
    password was refused is read from the vault again. What runs a statement raises AwayError.
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
                "target_session_attrs": "read-write",
            },
            min_size=0,
            max_size=CONNECTIONS,
            max_lifetime=LIFE_SECONDS,
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
        """The rows that one statement returns, none where it returns nothing. It commits by itself, and is to be one
        that may be done twice."""

        async def execute(connection: psycopg.AsyncConnection[TupleRow]) -> list[TupleRow]:
            cursor = await connection.execute(statement, values)
            return await cursor.fetchall() if cursor.description else []

        return await self.dependency.call(lambda: self.ask(execute), seconds=seconds)

    async def prove(self, statement: Statement, *, seconds: float) -> None:
        """Have a statement write and take back what it wrote. Raises AwayError, whatever is why it cannot."""

        async def write(connection: psycopg.AsyncConnection[TupleRow]) -> None:
            async with connection.transaction(force_rollback=True):
                await connection.execute(statement)

        try:
            await self.dependency.call(lambda: self.ask(write), seconds=seconds)
        except psycopg.Error as error:  # an answer, that a partition is missing say, but none to go on with
            raise AwayError(self.dependency.name, one_line(error)) from error

    async def ask(self, work: Callable[[psycopg.AsyncConnection[TupleRow]], Awaitable[T]]) -> T:
        """What `work` returns of a tested connection, in autocommit. To be used inside `dependency.call`, which limits
        the time.

        Where the connection ended, or an error condemns it, `work` is done once more on another one: it is to be one
        that may be done twice. Where none is ready and none can be made it raises why, as soon as that is known.
        """
        connection = await self._take()
        try:
            return await self._by(connection, work)
        except psycopg.Error:
            if not connection.closed:
                raise
        return await self._by(await self._take(), work)

    async def _by(self, connection: _Connection, work: Callable[[_Connection], Awaitable[T]]) -> T:
        try:
            return await work(connection)
        except psycopg.Error as error:
            if (error.sqlstate or "").startswith(CONDEMNING):
                await connection.close()
            raise
        finally:
            connection.used = time.monotonic()
            if connection.closed:
                self._doubted = connection.used
            await self._pool.putconn(connection)

    async def address(self) -> str:
        """What the vault has, in the form of a connection. Raises VaultError, which never quotes it: where it is no
        address libpq would, and where a password is not encoded take a part of it for the host."""
        read = await aws.in_thread(lambda: self.vault.read(SECRET))
        try:
            if _ADDRESS.fullmatch(read):
                # With an authority at hand libpq verifies even where it is not asked to.
                return make_conninfo(read, **{"sslrootcert": str(AUTHORITIES)} if "sslmode=verify" in read else {})
        except psycopg.ProgrammingError:
            pass
        raise VaultError(
            f"secret {SECRET} is no address: it must be postgresql://USER:PASSWORD@HOST:5432/audit, in which %40 is an "
            "'@' of PASSWORD, %2F a '/', %25 a '%' and %20 a blank"
        ) from None

    async def _check(self, connection: _Connection) -> None:
        now = time.monotonic()
        if connection.used < max(self._doubted, now - FRESH_SECONDS):
            await AsyncConnectionPool.check_connection(connection)
        if connection.only_reads:
            await _give_up(connection, "the session may only read")
        if connection.confirmed < now - CONFIRM_SECONDS:
            connection.confirmed = now
            if await moved(self.address, connection.address):
                await _give_up(connection, "the vault has another address by now")

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


async def _give_up(connection: _Connection, why: str) -> NoReturn:
    await connection.close()  # one that works goes back into the pool, checked or not
    raise psycopg.OperationalError(why)


class _Connection(psycopg.AsyncConnection[TupleRow]):
    used = 0.0
    """When it was last given back, by the monotonic clock."""
    confirmed = 0.0
    """When its address was last compared with the vault's."""
    address = ""

    @property
    def only_reads(self) -> bool:
        """What the server said last of itself and of the session; it says so unasked, before its next answer."""
        said = map(self.info.parameter_status, ("default_transaction_read_only", "in_hot_standby"))
        return "on" in said

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
