"""The plan of a rollout: at the traffic that comes, how soon each gate finds what, and when it has seen enough."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import inf, log
from typing import Protocol

from cutover.gates.evidence import FAILS_AT, LEAST, Tally, combined, evidence, evidence_above, needed, restarts
from cutover.gates.gate import Gate
from outputs.shape import Shape

TIMES = (2.0, 5.0, 10.0)
"""Shares to be found, in limits."""
MOST = 10**9
"""Requests after which a search ends."""


class PlannedPhase(Protocol):
    """What of a phase a plan needs."""

    @property
    def name(self) -> str: ...
    @property
    def weight(self) -> int: ...
    @property
    def hold(self) -> float: ...
    @property
    def gates(self) -> Sequence[Gate]: ...


@dataclass(frozen=True, kw_only=True)
class Traffic(Shape):
    """What comes a second, to both tracks together: requests of users, and audit entries."""

    requests: float
    audit_writes: float


@dataclass(frozen=True, kw_only=True)
class Planned(Shape):
    """One gate of a phase. `comes` is what it judges of the candidate in the hold. To pass it needs `needed`, which
    takes `passes_after` seconds; None where nothing comes. `finds` has for each of TIMES, in limits, the seconds until
    it has typically failed. `least` is the smallest share that it typically finds within the hold."""

    phase: str
    gate: str
    limit: float
    hold: float
    comes: int
    needed: int
    passes_after: float | None
    finds: Sequence[float | None]
    least: float | None


def plan(phases: Iterable[PlannedPhase], traffic: Traffic) -> list[Planned]:
    """What each gate with a limit can say at that traffic; the candidate has its phase's share of it."""
    return [_planned(phase, gate, traffic) for phase in phases for gate in phase.gates if gate.limit]


def must_hold(planned: Iterable[Planned]) -> float | None:
    """The seconds after which each of these gates has seen enough to pass; None where one never has."""
    times = [each.passes_after for each in planned]
    return None if None in times else max((time for time in times if time is not None), default=0.0)


def typical(gate: Gate, share: float, stables_per_one: float = 1.0, points: int = 0) -> float:
    """How many requests to the candidate a gate typically needs to fail it, when that share is bad from the start of a
    phase with so many points from which counting begins anew; infinite where it never does. Stable gets
    `stables_per_one` for each, none of them bad."""

    def fails(requests: int) -> bool:
        seen = Tally(share * requests, requests)
        stable = Tally(0, round(requests * stables_per_one))
        found = evidence_above(gate.limit, seen, stable) if gate.above else evidence(gate.limit, seen)
        return combined(found, (), points) >= log(FAILS_AT)

    return _first(fails, LEAST)


def _planned(phase: PlannedPhase, gate: Gate, traffic: Traffic) -> Planned:
    all_of = traffic.audit_writes if gate.of.startswith("audit") else traffic.requests
    rate = all_of * phase.weight / 100
    others = (100 - phase.weight) / phase.weight
    comes, points = int(rate * phase.hold), restarts(phase.hold)

    def seconds(requests: float) -> float | None:
        return round(requests / rate, 1) if rate and requests < inf else None

    shares = [share for share in _grid(gate.limit) if typical(gate, share, others, points) <= comes]
    return Planned(
        phase=phase.name,
        gate=gate.name,
        limit=gate.limit,
        hold=phase.hold,
        comes=comes,
        needed=needed(gate.limit),
        passes_after=seconds(needed(gate.limit) * max(1.0, 1 / others if gate.above and others else 1.0)),
        finds=[
            seconds(typical(gate, gate.limit * times, others, points)) if gate.limit * times < 1 else None
            for times in TIMES
        ],
        least=min(shares, default=None),
    )


def _grid(limit: float) -> list[float]:
    """Shares above the limit up to all, each a tenth more than the one before."""
    shares, share = [], limit * 1.1
    while share < 1:
        shares.append(round(share, 4))
        share *= 1.1
    return [*shares, 0.999]


def _first(holds: Callable[[int], bool], least: int) -> float:
    """The least number from `least` on for which it holds, when it goes on holding; infinite beyond MOST."""
    high = least
    while not holds(high):
        high *= 2
        if high > MOST:
            return inf
    low = high // 2
    while high - low > 1 and high > least:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return max(high, least)
