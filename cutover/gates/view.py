"""What is known at one moment, and what each gate makes of it: its outcome, and whose fault a failure is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from math import exp, log
from typing import Self

from cutover.gates.counts import SHARED, Counts, Stretch
from cutover.gates.evidence import FAILS_AT, Tally, combined, evidence, evidence_above, failed, needed, restarts
from cutover.gates.gate import Gate
from cutover.gates.probe import Probes
from cutover.gates.result import GateResult, Outcome
from outputs.release import Adapter, Track

LEAST_INSERTS = 10
"""Audit entries a minute, of both tracks: with fewer a desk is quiet, and nothing is said of its audit log."""
ADAPTER_OF = {"audit_writes": "audit", "audit_timed": "audit"}
"""The adapter that a gate's count is of."""


@dataclass(frozen=True)
class View:
    """What is known at one moment."""

    counts: Counts
    probes: Probes
    adapters: Mapping[Track, Mapping[str, Adapter]]
    hold: float

    @property
    def away(self) -> list[str]:
        """What both tracks share and the candidate cannot reach, nor stable; a mock of stable's has no opinion."""
        own, stables = self.probes.candidate.away or (), self.probes.stable.away
        return [
            shared
            for shared, adapter in SHARED.items()
            if shared in self.counts.away
            or (adapter in own and (self._is_mock("stable", adapter) or stables is None or adapter in stables))
        ]

    def gate(self, gate: Gate) -> GateResult:
        """What one gate says."""
        seen = Tally(getattr(self.counts.candidate, gate.bad), getattr(self.counts.candidate, gate.of))
        stable = Tally(getattr(self.counts.stable, gate.bad), getattr(self.counts.stable, gate.of))
        result = GateResult(
            name=gate.name,
            outcome=Outcome.INCONCLUSIVE,
            on=gate.on,
            limit=gate.limit,
            share=seen.share,
            bad=getattr(self.counts.candidate, gate.bad),
            of=getattr(self.counts.candidate, gate.of),
            needed=needed(gate.limit) if gate.limit else 0,
            why="",
        )
        if why := self._unobserved(gate):
            return replace(result, outcome=Outcome.NOT_OBSERVED, why=why)
        if self.counts.blind:
            return replace(result, outcome=Outcome.NO_DATA, why="; ".join(self.counts.blind))
        if not gate.limit:
            return _none_may_be(result)
        whole = _Part(gate, seen, stable, self.counts.since)
        parts = [whole, *(_Part.of(gate, stretch) for stretch in self.counts.stretches)]
        logarithm = combined(whole.against, [part.against for part in parts[1:]], restarts(self.hold))
        result = replace(result, evidence=round(exp(min(logarithm, log(1e12))), 3))
        if failed(logarithm, seen):
            return self._failed(gate, result, max(parts, key=lambda part: part.against))
        return _not_failed(gate, result, stable)

    def probe(self) -> GateResult:
        """Whether the candidate answers when it is asked by name. It needs no metrics."""
        own, stables = self.probes.candidate.answered, self.probes.stable.answered
        outcome, why = Outcome.PASSED, "the candidate answers"
        if own is None:
            outcome, why = (
                Outcome.NO_DATA,
                "another track answered, or nobody who can be trusted: see edge.trustedCallers and edge.authority",
            )
        elif not own and stables:
            outcome, why = Outcome.FAILED, "the candidate has not answered twice within 2 s, and stable does"
        elif not own:
            outcome, why = Outcome.SHARED, "neither candidate nor stable answers within 2 s"
        return GateResult(name="probe", outcome=outcome, on="rollback", limit=0, why=why)

    def inserts(self) -> GateResult:
        """Whether enough is written for the audit log to be judged."""
        rate = self.counts.audit_per_minute
        result = GateResult(
            name="audit inserts",
            outcome=Outcome.PASSED,
            on="hold",
            limit=LEAST_INSERTS,
            of=round(rate),
            needed=LEAST_INSERTS,
            why=f"{rate:g} a minute",
        )
        if self.counts.blind:
            return replace(result, outcome=Outcome.NO_DATA, why="; ".join(self.counts.blind))
        if rate < LEAST_INSERTS:
            why = f"{rate:g} a minute of both tracks, {LEAST_INSERTS} are needed: a quiet desk"
            return replace(result, outcome=Outcome.INCONCLUSIVE, why=why)
        return result

    def shared(self) -> GateResult:
        """What is away of what both tracks share."""
        why = f"{', '.join(self.away)} away, for both tracks"
        return GateResult(name="shared", outcome=Outcome.SHARED, on="hold", limit=0, why=why)

    def _failed(self, gate: Gate, result: GateResult, part: _Part) -> GateResult:
        """A gate with evidence against the candidate, most of it in a part of the phase: it is the candidate's, or both
        tracks'."""
        seen, stable = part.seen, part.stable
        saw = f"{seen.bad} of {seen.of} are {(seen.share or 0.0):.1%}, at most {gate.limit:.1%} may be"
        if gate.above:
            saw = f"{seen.bad} of {seen.of}, stable has {stable.bad} of {stable.of}: over {gate.limit:.1%} more"
        if part.since != self.counts.since:
            saw = f"since {part.since:%H:%M} {saw}"
        if self.away:
            return replace(result, outcome=Outcome.SHARED, why=f"{saw}, while {', '.join(self.away)} is away")
        if not gate.above and failed(evidence(gate.limit, stable), stable):
            return replace(result, outcome=Outcome.SHARED, why=f"{saw}, and stable has {stable.bad} of {stable.of}")
        if gate.on == "hold" and self._stables_real_one_does_well(gate, stable):
            why = f"{saw}, and stable's real adapter has {stable.bad} of {stable.of}"
            return replace(result, outcome=Outcome.FAILED, on="rollback", why=why)
        return replace(result, outcome=Outcome.FAILED, why=saw)

    def _stables_real_one_does_well(self, gate: Gate, stable: Tally) -> bool:
        """Whether stable has for real what the candidate fails at, and enough of it that is within the limit."""
        own = [ADAPTER_OF[gate.of]] if gate.of in ADAPTER_OF else list(self.adapters["candidate"])
        if gate.of not in ADAPTER_OF and gate.bad != "fallbacks":
            return False  # who limits is neither's adapter
        if gate.of in ADAPTER_OF and self.counts.audit_per_minute < LEAST_INSERTS:
            return False
        real = [name for name in own if not self._is_mock("candidate", name)]
        if any(self._is_mock("stable", name) for name in real):
            return False
        return stable.of >= needed(gate.limit) and stable.bad <= gate.limit * stable.of

    def _unobserved(self, gate: Gate) -> str | None:
        """Why the candidate has nothing that the gate could judge, None where it has."""
        own = self.adapters["candidate"]
        if (adapter := ADAPTER_OF.get(gate.of)) and self._is_mock("candidate", adapter):
            return f"the candidate's {adapter} is a mock by its settings"
        if gate.bad == "fallbacks" and own and set(own.values()) == {"mock"}:
            return "all of the candidate's adapters are mocks by its settings"
        if not gate.limit and not getattr(self.counts.candidate, gate.of) and not self.counts.blind:
            return f"no {gate.of} in the window"
        return None

    def _is_mock(self, track: Track, adapter: str) -> bool:
        return self.adapters[track].get(adapter) == "mock"


@dataclass(frozen=True)
class _Part:
    """What one gate has to judge of the phase, or of the stretch of it that began at `since`."""

    gate: Gate
    seen: Tally
    stable: Tally
    since: datetime

    @classmethod
    def of(cls, gate: Gate, stretch: Stretch) -> Self:
        own, stables = stretch.candidate, stretch.stable
        seen = Tally(getattr(own, gate.bad), getattr(own, gate.of))
        return cls(gate, seen, Tally(getattr(stables, gate.bad), getattr(stables, gate.of)), stretch.since)

    @property
    def against(self) -> float:
        """The evidence against the candidate, as a logarithm."""
        if self.gate.above:
            return evidence_above(self.gate.limit, self.seen, self.stable)
        return evidence(self.gate.limit, self.seen)


def _none_may_be(result: GateResult) -> GateResult:
    """A gate whose limit is 0: one bad one is enough."""
    outcome = Outcome.FAILED if result.bad else Outcome.PASSED
    return replace(result, outcome=outcome, why=f"{result.bad} of {result.of}")


def _not_failed(gate: Gate, result: GateResult, stable: Tally) -> GateResult:
    if result.of < result.needed or (gate.above and stable.of < result.needed):
        have = f"{result.of} of the candidate and {stable.of} of stable" if gate.above else str(result.of)
        return replace(result, why=f"{have} {gate.of}, {result.needed} are needed")
    share = (result.share or 0.0) - ((stable.share or 0.0) if gate.above else 0.0)
    more = " more than stable's" if gate.above else ""
    saw = f"{share:.2%}{more} of {result.of}, at most {gate.limit:.1%} may be"
    if share > gate.limit:
        return replace(result, why=f"{saw}: no evidence at {result.evidence:.3g} of {FAILS_AT:g}, and no pass")
    return replace(result, outcome=Outcome.PASSED, why=saw)
