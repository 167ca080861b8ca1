"""How an adapter stands: whether it did itself what it was last asked for, and since when it does not."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
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

    def fell(self, use: str, away: AwayError) -> None:
        """Say that something stands in for what is away, in this use and in the answer to the request."""
        context.stand_in(away.dependency)
        before = self._fallen.get(use)
        self._fallen[use] = _Fallen(before.since if before else datetime.now(UTC), self._clock(), away)

    def held(self, use: str) -> None:
        """Say that the adapter did this use itself."""
        self._fallen.pop(use, None)

    async def prove(self, proof: Callable[[], Awaitable[object]]) -> None:
        """Return when `proof`, which writes where users write, succeeds, and no kind of use within REMEMBERED_SECONDS
        was left to a fallback. Raises AwayError otherwise, with since when."""
        try:
            await proof()
        except AwayError as away:
            self.fell("proof", away)
        else:
            self.held("proof")
        oldest = self._clock() - REMEMBERED_SECONDS
        self._fallen = {use: each for use, each in self._fallen.items() if each.at >= oldest}
        if self._fallen:
            first = min(self._fallen.values())
            raise AwayError(first.away.dependency, first.away.cause, first.since)
