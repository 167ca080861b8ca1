"""What web-next depends on, one object each: a time limit, a circuit breaker, a gauge that says whether it is up."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from typing import Any, TypeVar

from webnext import metrics

log = logging.getLogger("webnext.dependency")

T = TypeVar("T")

FAILURES = 3
"""Failures in a row after which the breaker opens."""
PAUSE_SECONDS = 2.0
"""How long an open breaker refuses at once before it lets one call try again."""


class AwayError(Exception):
    """A dependency did not do its work in time; the cause is a line without credentials. `since` is known to checks."""

    def __init__(self, dependency: str, cause: str, since: datetime | None = None) -> None:
        super().__init__(f"{dependency}: {cause}")
        self.dependency = dependency
        self.cause = cause
        self.since = since


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
        of: Dependency | None = None,
    ) -> None:
        self.name = name
        self._of = of
        self._beside: list[Dependency] = []
        self._errors: tuple[type[Exception], ...] = (*errors, TimeoutError)
        self._seconds = seconds
        self._clock = clock
        self._failures = 0
        self._open_until = 0.0
        self._abandoned: set[asyncio.Task[Any]] = set()
        self._tell(up=True)

    def beside(self) -> Dependency:
        """A breaker of its own for other calls of the same thing, which may fail while these do not: it is open where
        this one is, closes with it, and what it sees says nothing of whether the thing is up."""
        beside = Dependency(self.name, errors=self._errors, seconds=self._seconds, clock=self._clock, of=self)
        self._beside.append(beside)
        return beside

    @property
    def is_open(self) -> bool:
        """Whether calls are refused at once."""
        own = self._failures >= FAILURES and self._clock() < self._open_until
        return own or (self._of is not None and self._of.is_open)

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
            self._failed(one_line(error))
            raise AwayError(self.name, one_line(error)) from error
        except Exception:
            self._answered()
            raise
        self._answered()
        return result

    def _failed(self, cause: str) -> None:
        self._failures += 1
        if self._failures >= FAILURES:
            self._open_until = self._clock() + PAUSE_SECONDS
            log.warning("%s is away: %s", self._words, cause, extra={"fields": {"away": self.name}})
        self._tell(up=False)

    def _answered(self) -> None:
        if self._failures >= FAILURES:
            log.info("%s is back", self._words)
            for each in self._beside:
                each._failures = 0
        self._failures = 0
        self._tell(up=True)

    @property
    def _words(self) -> str:
        return f"{self.name}, for some of its calls," if self._of else self.name

    def _tell(self, *, up: bool) -> None:
        if self._of is None:
            metrics.DEPENDENCY_UP.labels(self.name).set(up)

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


async def or_away(work: Awaitable[T]) -> T | AwayError:
    """Return what the work returns, or that something is away."""
    try:
        return await work
    except AwayError as away:
        return away


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
