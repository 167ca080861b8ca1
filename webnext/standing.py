"""How an adapter stands: whether it did itself what it was last asked for, and since when it does not."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import NamedTuple

from webnext import context
from webnext.dependency import AwayError

REMEMBERED_SECONDS = 10.0
"""How long a fallback counts that no other use followed, while what the adapter needs can be written."""


class _Fallen(NamedTuple):
    since: datetime
    at: float
    away: AwayError


class Standing:
    """Of one adapter: the kinds of its uses that something else did the last time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._fallen: dict[str, _Fallen] = {}

    @contextmanager
    def use(self, kind: str) -> Iterator[None]:
        """Whether the adapter does itself what the block does. AwayError, which passes through, says that something
        stands in for what is away, in this kind of use and in the answer to the request."""
        try:
            yield
        except AwayError as away:
            context.stand_in(away.dependency)
            before = self._fallen.get(kind)
            self._fallen[kind] = _Fallen(before.since if before else datetime.now(UTC), self._clock(), away)
            raise
        self._fallen.pop(kind, None)

    async def prove(self, proof: Callable[[], Awaitable[object]]) -> None:
        """Return when `proof`, which writes where users write, succeeds, and no kind of use within REMEMBERED_SECONDS
        was left to a fallback. Raises AwayError otherwise, with since when."""
        with suppress(AwayError), self.use("proof"):
            await proof()
        oldest = self._clock() - REMEMBERED_SECONDS
        self._fallen = {use: each for use, each in self._fallen.items() if each.at >= oldest}
        if self._fallen:
            first = min(self._fallen.values())
            raise AwayError(first.away.dependency, first.away.cause, first.since)
