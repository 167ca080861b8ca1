"""Counts and probes as a phase in order has them, and what the gates say of others."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from cutover.gates.counts import Counts, TrackCounts
from cutover.gates.judgement import Judgement, judge
from cutover.gates.probe import Probed, Probes
from cutover.gates.result import GateResult
from cutover.rollout.phases import PHASES, PhaseName
from outputs.release import Adapter, Track

Adapters = Mapping[Track, Mapping[str, Adapter]]
BEGAN = datetime(2026, 11, 29, 6, 0, tzinfo=UTC)
NAMES = ("audit", "evidence", "guardrails", "queue")
REAL: Mapping[str, Adapter] = dict.fromkeys(NAMES, "production")
MOCKS: Mapping[str, Adapter] = dict.fromkeys(NAMES, "mock")
WELL = Probed(answered=True, away=())


def tracked(**changes: int) -> TrackCounts:
    """A track with 10,000 requests of users and 2,000 audit writes, all well."""
    fine = {"asked": 10_000, "requests": 10_000, "audit_writes": 2_000, "audit_timed": 2_000}
    return TrackCounts(**fine | changes)


def counted(
    candidate: TrackCounts | None = None, stable: TrackCounts | None = None, *, seconds: float = 86_400, **changes: Any
) -> Counts:
    """What was counted in so many seconds of a phase."""
    fine = {"observed": seconds, "audit_per_minute": 60.0, "slow_bound": 0.25}
    return Counts(
        since=BEGAN,
        until=BEGAN + timedelta(seconds=seconds),
        stable=stable or tracked(),
        candidate=candidate or tracked(),
        **fine | changes,
    )


def judged(
    counts: Counts,
    phase: PhaseName = "staged",
    *,
    stable: Probed = WELL,
    candidate: Probed = WELL,
    adapters: Adapters | None = None,
) -> Judgement:
    """What the phase's gates say of them."""
    [own] = [each for each in PHASES if each.name == phase]
    both = adapters or {"stable": REAL, "candidate": REAL}
    return judge(own.gates, counts, Probes(stable=stable, candidate=candidate), hold=own.hold, adapters=both)


def gate(judgement: Judgement, name: str) -> GateResult:
    """The result of the gate with that name."""
    [found] = [each for each in judgement.gates if each.name == name]
    return found
