"""Redis at the address the vault holds under REDIS_URL, each connection and command bounded in time."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import unquote, urlsplit

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, ConnectionError, RedisError

from webnext import aws
from webnext.vault import Vault, VaultError

SECRET = "REDIS_URL"  # noqa: S105  (the secret's name)

CONNECT_SECONDS = 1.0
COMMAND_SECONDS = 2.0
BLOCK_SECONDS = 1
"""How long a blocking command may wait for something to happen; below COMMAND_SECONDS."""

ERRORS = (RedisError, OSError, VaultError)
"""What means that Redis is away."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where Redis is, and how it is spoken to; `tls` is None for redis://."""

    host: str
    port: int
    database: int
    username: str | None
    password: str | None = field(repr=False)
    tls: ssl.SSLContext | None


def client(vault: Vault, ca_file: str | None) -> Redis:
    """Return a client that connects when it is first used. `rediss://` is verified by the system's authorities and
    those of `ca_file`.

    Every connection reads the address anew, so that a token that was refused is replaced by the vault's newest. A
    command whose connection turns out to be gone is sent once more over a new one.
    """

    async def address() -> Address:
        return await aws.in_thread(lambda: parse(vault.read(SECRET), ca_file))

    pool = ConnectionPool(
        connection_class=_Connection,
        address=address,
        refused=lambda: vault.forget(SECRET),
        max_connections=50,
        decode_responses=True,
        protocol=2,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=COMMAND_SECONDS,
        retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionError,)),
    )
    # Given a pool the client does not close it: neither do BullMQ's objects, each of which closes its client.
    return Redis(connection_pool=pool)


def parse(url: str, ca_file: str | None) -> Address:
    """Return the address that `url` means. Raises ConnectionError, which never quotes it, where it means none."""
    try:
        parts = urlsplit(url)
        database = int(parts.path.strip("/") or 0)
        port = parts.port or 6379
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("redis", "rediss") or not parts.hostname:
        raise ConnectionError(f"secret {SECRET} is no address: it must be rediss://:TOKEN@HOST:PORT/0")
    return Address(
        host=parts.hostname,
        port=port,
        database=database,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        tls=_authorities(ca_file) if parts.scheme == "rediss" else None,
    )


@cache
def _authorities(ca_file: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file:
        context.load_verify_locations(ca_file)
    return context


class _Connection(Connection):
    def __init__(self, *, address: Callable[[], Awaitable[Address]], refused: Callable[[], None], **kwargs: Any):
        super().__init__(**kwargs)
        self._address = address
        self._refused = refused
        self._tls: ssl.SSLContext | None = None

    async def _connect(self) -> None:
        now = await self._address()
        self.host, self.port, self.db = now.host, now.port, now.database
        self.username, self.password = now.username, now.password
        self._tls = now.tls
        await super()._connect()  # type: ignore[no-untyped-call]

    def _connection_arguments(self) -> Mapping[str, Any]:
        return {"host": self.host, "port": self.port, "ssl": self._tls}

    async def on_connect_check_health(self, check_health: bool = True) -> None:
        try:
            async with asyncio.timeout(COMMAND_SECONDS):
                await super().on_connect_check_health(check_health)
        except AuthenticationError:
            self._refused()
            raise
