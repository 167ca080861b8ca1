"""Secrets, read at run time from Secrets Manager with the role the process runs under."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from webnext import metrics

TTL = 50.0
"""Seconds for which a secret is served from memory, and between two tries while the vault is away: after a rotation
the new value is in use within 60 s, as the contract has it."""

CONFIRM_SECONDS = 5.0
"""How old the comparison of a connection's address with the vault's may be: an address that was put there is in use
within 60 s on connections that were made before too."""
CONFIRM_LIMIT = 0.5
"""How long the vault's answer is waited for where a value is known."""

A = TypeVar("A")

log = logging.getLogger("webnext.vault")


class VaultError(Exception):
    """A secret could not be read; the message names the secret and the cause, never a value."""


async def moved(address: Callable[[], Awaitable[A]], known: A) -> bool:
    """Whether the vault has another address by now than a connection's; where it does not answer it has none."""
    try:
        return await asyncio.wait_for(address(), CONFIRM_LIMIT) != known
    except (VaultError, TimeoutError):
        return False


class Vault:
    """The secrets under one prefix, each kept for TTL seconds. Calls block; threads may share it. `connect` makes a
    client of Secrets Manager."""

    def __init__(
        self,
        prefix: str,
        connect: Callable[[], Any],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._prefix = prefix
        self._connect = connect
        self._clock = clock
        self._client: Any = None
        self._kept: dict[str, tuple[float, str]] = {}
        self._asking: dict[str, Future[str]] = {}
        self._lock = threading.Lock()
        self._connecting = threading.Lock()

    def read(self, name: str) -> str:
        """Return the secret `name`, an older value where the vault is slow or away. Raises VaultError where it is
        missing, not text, or out of reach."""
        with self._lock:
            kept = self._kept.get(name)
            if kept and self._clock() < kept[0]:
                return kept[1]
            if (asking := self._asking.get(name)) is None:
                asking = self._asking[name] = Future()
                threading.Thread(target=self._ask, args=(name, asking), daemon=True).start()
        try:
            return asking.result(CONFIRM_LIMIT if kept else None)
        except TimeoutError:
            assert kept
            return kept[1]

    def forget(self, name: str) -> None:
        """Have the next `read` ask again: for a secret that was just refused."""
        with self._lock:
            self._kept.pop(name, None)
            self._asking.pop(name, None)

    def _ask(self, name: str, asking: Future[str]) -> None:
        found: str | Exception
        try:
            found = self._fetch(self._prefix + name)
        except Exception as error:
            found = error
        with self._lock:
            kept = self._kept.get(name)
            if isinstance(found, str):
                metrics.DEPENDENCY_UP.labels("vault").set(1)
            elif kept and isinstance(found, VaultError):
                metrics.DEPENDENCY_UP.labels("vault").set(0)
                said = {"fields": {"away": "vault"}}
                log.warning("the last value that was read stays in use: %s", found, extra=said)
                found = kept[1]
            if self._asking.get(name) is asking:  # nobody has refused it meanwhile
                del self._asking[name]
                if isinstance(found, str):
                    self._kept[name] = (self._clock() + TTL, found)
        if isinstance(found, str):
            asking.set_result(found)
        else:
            asking.set_exception(found)

    def _fetch(self, secret: str) -> str:
        try:
            with self._connecting:
                self._client = self._client or self._connect()
            answer = self._client.get_secret_value(SecretId=secret)
        except (BotoCoreError, ClientError) as error:
            raise VaultError(f"secret {secret} cannot be read: {error}") from error
        value = answer.get("SecretString")
        if not isinstance(value, str) or not value:
            raise VaultError(f"secret {secret} holds no text: it must be put as SecretString")
        return value
