"""Counts: what was seen of both tracks since a moment. Gates name its fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self, TypeVar

from cutover.gates.evidence import RESTARTS_EACH
from outputs.release import Adapter, Track
from outputs.shape import Shape

T = TypeVar("T")

SHARED: Mapping[str, str] = {"postgres": "audit", "redis": "queue", "executor": "guardrails", "s3": "evidence"}
"""What both tracks share, by the app's name for it, with the adapter that is real where a track uses it."""


@dataclass(frozen=True, kw_only=True)
class TrackCounts(Shape):
    """What was counted of one track; of traffic that users sent, smoke and health left out.

    At the edge: `asked` are all requests, `requests` those without 429. `errors` are 5xx and what clients gave up after
    waiting about a second. `slower_than_stable` took longer than `Counts.slow_bound`. `fallbacks` were answered by
    something in the place of a real adapter. By the app: `audit_elsewhere` of the `audit_writes` are not in Postgres,
    `audit_timed` are. `breaches` is 1 where the newest breach of a guardrail should have been followed by a pause.
    """

    asked: int = 0
    requests: int = 0
    errors: int = 0
    slower_than_1500ms: int = 0
    slower_than_1200ms: int = 0
    slower_than_stable: int = 0
    fallbacks: int = 0
    limited_by_edge: int = 0
    limited_by_app: int = 0
    audit_writes: int = 0
    audit_elsewhere: int = 0
    audit_timed: int = 0
    audit_slower_than_100ms: int = 0
    breaches: int = 0
    breaches_not_paused: int = 0


@dataclass(frozen=True, kw_only=True)
class Stretch(Shape):
    """What was counted from a later moment on."""

    since: datetime
    stable: TrackCounts
    candidate: TrackCounts


@dataclass(frozen=True, kw_only=True)
class Counts(Shape):
    """What was counted from `since` until `until`; `stretches` are the ends of it that are also judged by themselves.

    `observed` are the seconds of it that count: without those in which the measuring was not whole, or something that
    both tracks share was away. `blind` says why nothing can be said now, `away` what of the shared is away now; each
    is empty where all is well. `slow_bound` is in seconds, None without a figure of stable. `audit_per_minute` is of
    both tracks, over the newest five minutes.
    """

    since: datetime
    until: datetime
    observed: float
    stable: TrackCounts
    candidate: TrackCounts
    stretches: Sequence[Stretch] = ()
    slow_bound: float | None = None
    audit_per_minute: float = 0.0
    blind: Sequence[str] = ()
    away: Sequence[str] = ()

    @classmethod
    def unknown(cls, since: datetime, until: datetime, why: str) -> Self:
        """Nothing, and why."""
        nothing = TrackCounts()
        return cls(since=since, until=until, observed=0, stable=nothing, candidate=nothing, blind=[why])

    def of(self, track: Track) -> TrackCounts:
        """Those of a track."""
        return self.stable if track == "stable" else self.candidate


def away_for_both(
    dependency: str, down: Mapping[str, set[T]], adapters: Mapping[Track, Mapping[str, Adapter]]
) -> set[T]:
    """The moments at which the candidate misses what it shares with stable, and stable misses it too. A mock has no
    opinion."""
    if adapters["candidate"].get(SHARED[dependency]) == "mock":
        return set()
    own = down.get("candidate", set())
    return own if adapters["stable"].get(SHARED[dependency]) == "mock" else own & down.get("stable", set())


def points(since: datetime, until: datetime) -> list[datetime]:
    """The two newest moments from which counting begins anew: a fault that began between them is in the older one's
    count whole."""
    newest = int((until - since).total_seconds() / RESTARTS_EACH)
    return [since + timedelta(seconds=RESTARTS_EACH * each) for each in range(max(1, newest - 1), newest + 1)]
