"""Redis at the address the vault holds under REDIS_URL, each connection and command bounded in time."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NoReturn
from urllib.parse import unquote, urlsplit

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, ConnectionError, RedisError, ResponseError

from webnext import aws
from webnext.dependency import Dependency
from webnext.vault import CONFIRM_SECONDS, Vault, VaultError, moved

SECRET = "REDIS_URL"  # noqa: S105  (the secret's name)

CONNECT_SECONDS = 1.0
COMMAND_SECONDS = 2.0
BLOCK_SECONDS = 1
"""How long a blocking command may wait for something to happen; below COMMAND_SECONDS."""
LIFE_SECONDS = 300.0
"""How old a connection may get: a server that was replaced is left within this time, whatever nobody noticed of it."""
PROVEN_SECONDS = 1.0
"""How long a connection counts as one to a primary: a replica goes on answering what reads, with what was."""
PROOF = "bull:alerts:proof"
"""A key that nobody has, to be written."""

ERRORS = (RedisError, OSError, VaultError)
"""What means that Redis is away."""
CONDEMNING = {"READONLY", "MASTERDOWN", "CLUSTERDOWN", "NOREPLICAS", "UNBLOCKED"}
"""Answers that say of a connection that it is of no more use, while a new one may be: behind it is no primary any more.
LOADING, NOAUTH and WRONGPASS are connection errors to redis-py already."""


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where Redis is, and how it is spoken to; `tls` is None for redis://."""

    host: str
    port: int
    database: int
    username: str | None
    password: str | None = field(repr=False)
    tls: ssl.SSLContext | None


def dependency(seconds: float) -> Dependency:
    """Return Redis as something that may be away; a call of it takes `seconds`."""
    return Dependency("redis", errors=ERRORS, seconds=seconds)


def client(vault: Vault, ca_file: str | None) -> Redis:
    """Return a client that connects when it is first used. `rediss://` is verified by the system's authorities and
    those of `ca_file`.

    Every connection reads the address anew, so that a token that was refused is replaced by the vault's newest, and is
    given up where the vault has another address by now. A command whose connection turns out to be gone, or to lead to
    no primary, is sent once more over a new one.
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
    """Return the address that `url` means. Raises VaultError, which never quotes it, where it means none."""
    try:
        parts = urlsplit(url)
        database = int(parts.path.strip("/") or 0)
        port = parts.port or 6379
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("redis", "rediss") or not parts.hostname:
        raise VaultError(f"secret {SECRET} is no address: it must be rediss://:TOKEN@HOST:PORT/0")
    return Address(
        host=parts.hostname,
        port=port,
        database=database,
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        tls=_authorities(ca_file) if parts.scheme == "rediss" else None,
    )


def condemns(error: ResponseError) -> bool:
    """Whether an answer says that behind the connection is no primary; older servers say so within a script's error."""
    return bool(CONDEMNING & {error.status_code, *(word.lstrip("-") for word in str(error).split())})


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
        self._to: Address | None = None
        self._made = self._confirmed = self._proven = 0.0

    async def connect(self) -> None:
        """Called before the pool lends it: has it connected to the primary that the vault's address leads to."""
        if self.is_connected and not await self._is_good():
            await self.disconnect(nowait=True)
        await super().connect()  # type: ignore[no-untyped-call]

    async def disconnect(self, nowait: bool = False, *args: Any, **kwargs: Any) -> None:
        """Cut where nobody waits for its end: the farewell of TLS would leave it open until the server answers."""
        if nowait and self._writer:
            self._writer.transport.abort()
        await super().disconnect(nowait, *args, **kwargs)

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            answer = await super().read_response(*args, **kwargs)
        except ResponseError as error:
            if condemns(error):
                await self._condemned(error)
            raise
        for each in answer if isinstance(answer, list) else ():  # those of a transaction
            if isinstance(each, ResponseError) and condemns(each):
                await self._condemned(each)
        return answer

    async def _condemned(self, error: ResponseError) -> NoReturn:
        await self.disconnect(nowait=True)
        raise ConnectionError(f"it is no primary any more: {error}") from error

    async def _is_good(self) -> bool:
        now = time.monotonic()
        if now - self._made > LIFE_SECONDS:
            return False
        if now - self._confirmed > CONFIRM_SECONDS:
            self._confirmed = now
            if await moved(self._address, self._to):
                return False
        try:
            if now - self._proven > PROVEN_SECONDS:
                await self._prove()
        except (RedisError, OSError):
            return False
        return True

    async def _prove(self) -> None:
        """Write in a way that changes nothing. Raises ConnectionError where that condemns the connection."""
        await self.send_command("UNLINK", PROOF)
        with suppress(ResponseError):  # any other refusal is for those to see whom it concerns
            await self.read_response()
        self._proven = time.monotonic()

    async def _connect(self) -> None:
        self._to = now = await self._address()
        self._made = self._confirmed = time.monotonic()
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
                await self._prove()
        except AuthenticationError:
            self._refused()
            raise
