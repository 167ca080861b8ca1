"""Postgres at the address the vault holds under AUDIT_DB_URL: a pool that heals itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from webnext import aws
from webnext.vault import Vault

SECRET = "AUDIT_DB_URL"  # noqa: S105  (the secret's name)

CONNECT_SECONDS = 2
STATEMENT_SECONDS = 2

Pool = AsyncConnectionPool["Connection"]


def pool_at(vault: Vault, *, size: int) -> Pool:
    """Return a pool of `size` connections at most, still closed; each commits every statement.

    No connection is made before the first is lent. A borrower that finds none ready makes one, so the first call
    after Postgres is back succeeds. A connection is tested before it is lent, and an address whose password was
    refused is read from the vault again. What goes wrong shows as psycopg.Error.
    """

    async def address() -> str:
        return await aws.in_thread(lambda: vault.read(SECRET))

    return AsyncConnectionPool(
        address,
        connection_class=Connection,
        kwargs={
            "autocommit": True,
            "connect_timeout": CONNECT_SECONDS,
            "options": f"-c statement_timeout={STATEMENT_SECONDS}s",
            "application_name": "web-next",
            "client_encoding": "utf8",
            "refused": lambda: vault.forget(SECRET),
        },
        min_size=0,
        max_size=size,
        open=False,
        check=AsyncConnectionPool.check_connection,
        timeout=CONNECT_SECONDS,
        reconnect_timeout=1,
    )


class Connection(psycopg.AsyncConnection[TupleRow]):
    """A connection that tells `refused` when the server does not take its password."""

    @classmethod
    async def connect(cls, conninfo: str = "", *, refused: Callable[[], None], **kwargs: Any) -> Connection:  # type: ignore[override]
        try:
            return await super().connect(conninfo, **kwargs)
        except psycopg.OperationalError as error:
            # libpq gives no SQLSTATE for a failed connection; only a server that is up asks for a password.
            if error.pgconn is not None and error.pgconn.used_password:
                refused()
            raise
