"""A judgement: what the gates say of a phase, each and together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cutover.gates.counts import Counts
from cutover.gates.gate import Gate
from cutover.gates.probe import Probes
from cutover.gates.result import GateResult, Outcome
from cutover.gates.view import ADAPTER_OF, View
from outputs.release import Adapter, Track
from outputs.shape import Shape

SEEN_ENOUGH = 0.9
"""This part of a hold must have been observed."""


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
    view = View(counts, probes, adapters, hold)
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
