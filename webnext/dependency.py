"""What web-next depends on, one object each: a time limit, a circuit breaker, a gauge that says whether it is up."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from webnext import metrics

log = logging.getLogger("webnext.dependency")

T = TypeVar("T")

FAILURES = 3
"""Failures in a row after which the breaker opens."""
PAUSE_SECONDS = 2.0
"""How long an open breaker refuses at once before it lets one call try again."""


class AwayError(Exception):
    """A dependency did not do its work in time; the message is the cause in a line, without credentials."""

    def __init__(self, dependency: str, cause: str) -> None:
        super().__init__(f"{dependency}: {cause}")
        self.dependency = dependency


class Dependency:
    """One thing that may be missing, slow or broken.

    `errors` are the exceptions that say that it is away. Every other exception counts as an answer and passes through
    :meth:`call` unchanged. A call that takes more than `seconds` is cancelled, and its end is not waited for: a peer
    that hangs holds no route up, not even while its connection is being cleaned up.
    """

    def __init__(
        self,
        name: str,
        *,
        errors: tuple[type[Exception], ...],
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._errors: tuple[type[Exception], ...] = (*errors, TimeoutError)
        self._seconds = seconds
        self._clock = clock
        self._failures = 0
        self._open_until = 0.0
        self._abandoned: set[asyncio.Task[Any]] = set()
        metrics.DEPENDENCY_UP.labels(name).set(1)

    @property
    def is_open(self) -> bool:
        """Whether calls are refused at once."""
        return self._failures >= FAILURES and self._clock() < self._open_until

    async def call(self, work: Callable[[], Coroutine[Any, Any, T]], *, seconds: float | None = None) -> T:
        """Return what `work()` returns. Raises AwayError when it fails with one of the errors, takes more than
        `seconds`, or is not tried because the breaker is open."""
        if self.is_open:
            raise AwayError(self.name, "not tried: its last calls failed")
        if self._failures >= FAILURES:  # this call is the one that tries; others go on being refused meanwhile
            self._open_until = self._clock() + max(PAUSE_SECONDS, seconds or self._seconds)
        try:
            result = await self._within(work(), self._seconds if seconds is None else seconds)
        except self._errors as error:
            self._failed()
            raise AwayError(self.name, one_line(error)) from error
        except Exception:
            self._answered()
            raise
        self._answered()
        return result

    def _failed(self) -> None:
        self._failures += 1
        if self._failures >= FAILURES:
            self._open_until = self._clock() + PAUSE_SECONDS
            log.warning("%s is away", self.name, extra={"fields": {"away": self.name}})
        metrics.DEPENDENCY_UP.labels(self.name).set(0)

    def _answered(self) -> None:
        if self._failures >= FAILURES:
            log.info("%s is back", self.name)
        self._failures = 0
        metrics.DEPENDENCY_UP.labels(self.name).set(1)

    async def _within(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        task = asyncio.ensure_future(work)
        try:
            done, _ = await asyncio.wait({task}, timeout=seconds)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if done:
            return task.result()
        self._abandoned.add(task)
        task.add_done_callback(self._forget)
        task.cancel()
        raise TimeoutError(f"no answer within {seconds:g} s")

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._abandoned.discard(task)
        if not task.cancelled():
            task.exception()  # seen: asyncio would complain of it otherwise


def one_line(error: BaseException) -> str:
    """The error's message in one line, its type where it has none."""
    return " ".join(str(error).split()) or type(error).__name__


async def every(seconds: float, what: str, work: Callable[[], Awaitable[object]]) -> None:
    """Do `work` again and again, `seconds` after it ended; an exception is logged and the next turn tries again."""
    while True:
        try:
            await work()
        except AwayError as error:
            log.info("%s is tried again in %g s: %s", what, seconds, error)
        except Exception:
            log.exception("%s failed", what)
        await asyncio.sleep(seconds)
