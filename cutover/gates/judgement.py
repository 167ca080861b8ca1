"""A judgement: what the gates say of a phase, each and together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import exp, log
from typing import Literal, Self

from cutover.gates.counts import SHARED, Counts, Stretch
from cutover.gates.evidence import FAILS_AT, Tally, combined, evidence, evidence_above, failed, needed, restarts
from cutover.gates.gate import Gate
from cutover.gates.probe import Probes
from cutover.gates.result import GateResult, Outcome
from outputs.release import Adapter, Track
from outputs.shape import Shape

LEAST_INSERTS = 10
"""Audit entries a minute, of both tracks: with fewer a desk is quiet, and nothing is said of its audit log."""
SEEN_ENOUGH = 0.9
"""This part of a hold must have been observed."""
ADAPTER_OF = {"audit_writes": "audit", "audit_timed": "audit"}
"""The adapter that a gate's count is of."""


@dataclass(frozen=True, kw_only=True)
class Judgement(Shape):
    """What the gates of a phase say at the moment `at`. `elapsed` seconds of the hold are over, `remaining` are not."""

    at: datetime
    outcome: Outcome
    why: str
    gates: Sequence[GateResult]
    elapsed: float
    remaining: float

    @property
    def action(self) -> Literal["wait", "rise", "extend", "hold", "rollback"]:
        """What a rollout is to do: `rise` is for a person's verb to take, `extend` where it was not extended yet."""
        failed = [gate for gate in self.gates if gate.outcome is Outcome.FAILED]
        if failed:
            return "rollback" if any(gate.on == "rollback" for gate in failed) else "hold"
        if self.outcome in (Outcome.NO_DATA, Outcome.SHARED):
            return "hold"
        if self.remaining > 0:
            return "wait"
        return "rise" if self.outcome is Outcome.PASSED else "extend"

    @property
    def decided_by(self) -> str | None:
        """The gate that makes the outcome what it is, the first of them; None of a pass."""
        deciding = sorted(
            (gate for gate in self.gates if gate.outcome is self.outcome), key=lambda gate: gate.on != self.action
        )
        return deciding[0].name if deciding and self.outcome is not Outcome.PASSED else None

    @property
    def caveats(self) -> list[str]:
        """What could not be observed, a line each."""
        return [f"{gate.name}: {gate.why}" for gate in self.gates if gate.outcome is Outcome.NOT_OBSERVED]


def judge(
    gates: Sequence[Gate],
    counts: Counts,
    probes: Probes,
    *,
    hold: float,
    adapters: Mapping[Track, Mapping[str, Adapter]],
) -> Judgement:
    """What the gates say of what was counted since a phase began that holds for `hold` seconds."""
    elapsed = max(0.0, (counts.until - counts.since).total_seconds())  # the record may be of a clock ahead
    view = _View(counts, probes, adapters, hold)
    results = [view.probe(), *(view.gate(gate) for gate in gates)]
    if any(ADAPTER_OF.get(gate.of) for gate in gates):
        results.append(view.inserts())
    if view.away:
        results.append(view.shared())
    outcome, why = _together(results, elapsed=elapsed, hold=hold, observed=counts.observed)
    return Judgement(
        at=counts.until,
        outcome=outcome,
        why=why,
        gates=results,
        elapsed=round(elapsed, 1),
        remaining=round(max(0.0, hold - elapsed), 1),
    )


def _together(results: Sequence[GateResult], *, elapsed: float, hold: float, observed: float) -> tuple[Outcome, str]:
    """The worst of the outcomes decides, and its gates say why; a pass comes at the end of the hold alone."""
    for outcome in (Outcome.FAILED, Outcome.NO_DATA, Outcome.SHARED):
        if found := [gate for gate in results if gate.outcome is outcome]:
            return outcome, "; ".join(dict.fromkeys(f"{gate.name}: {gate.why}" for gate in found))
    open_ = [gate for gate in results if gate.outcome is Outcome.INCONCLUSIVE]
    if elapsed < hold:
        left = f"{hold - elapsed:.0f} s of {hold:.0f} s are to come"
        return Outcome.INCONCLUSIVE, "; ".join([left, *(f"{gate.name}: {gate.why}" for gate in open_)])
    if open_:
        return Outcome.INCONCLUSIVE, "; ".join(f"{gate.name}: {gate.why}" for gate in open_)
    if observed < SEEN_ENOUGH * hold:
        return Outcome.INCONCLUSIVE, f"{observed:.0f} s of {hold:.0f} s could be observed, {SEEN_ENOUGH:.0%} are needed"
    return Outcome.PASSED, f"every gate has passed after {elapsed:.0f} s"


@dataclass(frozen=True)
class _View:
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
