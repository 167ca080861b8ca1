"""The audit log in Postgres: append and read, each within a time limit, over a pool that heals itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, Literal, NoReturn, Protocol

import psycopg
from psycopg import sql
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from webnext.entry import AuditEntry
from webnext.vault import Vault

SECRET = "AUDIT_DB_URL"  # noqa: S105  (the secret's name)

CONNECT_SECONDS = 2
STATEMENT_SECONDS = 2
PING_SECONDS = 1.0

_INSERT = sql.SQL(
    "INSERT INTO audit_log (action, result, strategy_id, trace_id, details) "
    "VALUES (%s, %s, %s, %s, %s::jsonb) RETURNING id"
)
_NEWEST = sql.SQL(
    "SELECT id, ts, action, result, strategy_id, trace_id, details FROM audit_log ORDER BY ts DESC, id DESC LIMIT %s"
)


class AuditUnavailableError(Exception):
    """The audit log did not take or give the rows in time; the message is the cause, without credentials."""


class EntryRefusedError(ValueError):
    """Postgres cannot hold this entry's data, however often it is tried."""


class AuditLog(Protocol):
    """What the routes need of an audit log. The last three raise AuditUnavailableError when it is away."""

    adapter: Literal["mock", "production"]

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def append(self, entry: AuditEntry, trace_id: str) -> int: ...

    async def newest(self, limit: int) -> list[dict[str, Any]]: ...

    async def ping(self) -> None: ...


class MockAudit:
    """The mock adapter: keeps nothing, and says of every entry that it was not accepted."""

    adapter: Literal["mock", "production"] = "mock"

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def append(self, entry: AuditEntry, trace_id: str) -> NoReturn:  # noqa: ARG002
        """Raise AuditUnavailableError."""
        raise AuditUnavailableError("the audit adapter is a mock: VAULT_PREFIX is not set")

    async def newest(self, limit: int) -> NoReturn:  # noqa: ARG002
        """Raise AuditUnavailableError."""
        raise AuditUnavailableError("the audit adapter is a mock: VAULT_PREFIX is not set")

    async def ping(self) -> NoReturn:
        """Raise AuditUnavailableError."""
        raise AuditUnavailableError("the audit adapter is a mock: VAULT_PREFIX is not set")


class PostgresAudit:
    """The table audit_log, at the address the vault holds under AUDIT_DB_URL.

    No connection is made before the first call. A call that finds none ready makes one, so the first call
    after Postgres is back succeeds. A connection is tested before it is lent, and an address whose
    password was refused is read from the vault again.
    """

    adapter: Literal["mock", "production"] = "production"

    def __init__(self, vault: Vault) -> None:
        async def address() -> str:
            return await asyncio.to_thread(vault.read, SECRET)

        self._abandoned: set[asyncio.Task[Any]] = set()
        self._pool = AsyncConnectionPool[_Connection](
            address,
            connection_class=_Connection,
            kwargs={
                "autocommit": True,
                "connect_timeout": CONNECT_SECONDS,
                "options": f"-c statement_timeout={STATEMENT_SECONDS}s",
                "application_name": "web-next",
                "client_encoding": "utf8",
                "refused": lambda: vault.forget(SECRET),
            },
            min_size=0,
            max_size=10,
            open=False,
            check=AsyncConnectionPool.check_connection,
            timeout=CONNECT_SECONDS,
            reconnect_timeout=1,
        )

    async def open(self) -> None:
        """Start the pool; returns at once, whether or not Postgres is there."""
        await self._pool.open()

    async def close(self) -> None:
        """Give back every connection, waiting a second at most."""
        await self._pool.close(timeout=1)

    async def append(self, entry: AuditEntry, trace_id: str) -> int:
        """Insert one row and return its id. `trace_id` is stored where the entry has none of its own.

        Raises EntryRefusedError for data Postgres cannot hold, AuditUnavailableError for everything else;
        after a time-out the row may have been written all the same.
        """
        try:
            details = entry.details_json()
        except (ValueError, RecursionError) as error:
            raise EntryRefusedError(f"details cannot be written as JSON: {error}") from error
        row = (entry.action, entry.result, entry.strategyId, entry.traceId or trace_id, details)
        [(new,)] = await self._run(_INSERT, row, CONNECT_SECONDS + STATEMENT_SECONDS)
        return int(new)

    async def newest(self, limit: int) -> list[dict[str, Any]]:
        """Return the `limit` newest rows as the API shows them. Raises AuditUnavailableError."""
        rows = await self._run(_NEWEST, (limit,), CONNECT_SECONDS + STATEMENT_SECONDS)
        return [_item(*row) for row in rows]

    async def ping(self) -> None:
        """Return when audit_log can be read; raise AuditUnavailableError after PING_SECONDS."""
        await self._run(sql.SQL("SELECT FROM audit_log LIMIT 0"), (), PING_SECONDS)

    async def _run(self, statement: sql.SQL, values: tuple[Any, ...], seconds: float) -> list[TupleRow]:
        try:
            return await self._within(seconds, self._query(statement, values))
        except psycopg.DataError as error:
            raise EntryRefusedError(_one_line(error)) from error
        except (psycopg.Error, TimeoutError, OSError) as error:
            raise AuditUnavailableError(_one_line(error)) from error

    async def _query(self, statement: sql.SQL, values: tuple[Any, ...]) -> list[TupleRow]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(statement, values)
            return await cursor.fetchall()

    async def _within(self, seconds: float, call: Coroutine[Any, Any, list[TupleRow]]) -> list[TupleRow]:
        """Await `call`, `seconds` at most, then raise TimeoutError; psycopg ends a stuck query behind it."""
        task = asyncio.create_task(call)
        done, _ = await asyncio.wait({task}, timeout=seconds)
        if done:
            return task.result()
        self._abandoned.add(task)
        task.add_done_callback(self._abandoned.discard)
        task.cancel()
        raise TimeoutError(f"no answer within {seconds:g} s")


class _Connection(psycopg.AsyncConnection[TupleRow]):
    @classmethod
    async def connect(cls, conninfo: str = "", *, refused: Callable[[], None], **kwargs: Any) -> _Connection:  # type: ignore[override]
        try:
            return await super().connect(conninfo, **kwargs)
        except psycopg.OperationalError as error:
            # libpq gives no SQLSTATE for a failed connection; only a server that is up asks for a password.
            if error.pgconn is not None and error.pgconn.used_password:
                refused()
            raise


def _item(
    number: int,
    ts: datetime,
    action: str,
    result: str,
    strategy_id: str | None,
    trace_id: str | None,
    details: Any,
) -> dict[str, Any]:
    return {
        "id": number,
        "version": "1.0",
        "ts": ts.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "action": action,
        "result": result,
        "strategyId": strategy_id,
        "traceId": trace_id,
        "details": details,
    }


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
