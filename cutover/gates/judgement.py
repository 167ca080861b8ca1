"""A judgement: what the gates say of a phase, each and together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from cutover.gates.gate import Action
from outputs.shape import Shape


class Outcome(StrEnum):
    """What a gate, or all of them together, come to."""

    PASSED = "pass"
    FAILED = "fail"
    INCONCLUSIVE = "inconclusive"
    NO_DATA = "no data"
    SHARED = "shared"
    """Bad, and stable is no better, or what both tracks share is away."""
    NOT_OBSERVED = "not observed"
    """There was nothing to judge: a caveat that stands in nobody's way."""


@dataclass(frozen=True, kw_only=True)
class GateResult(Shape):
    """What one gate has come to, and in `why` in one line why.

    `on` is what its failing does here: a gate that holds rolls back where stable's real adapter does well. `share` is
    `bad` / `of`, None of nothing. `evidence` is the likelihood ratio: from 1000 on the gate has failed. A pass needs
    `needed` of `of`.
    """

    name: str
    outcome: Outcome
    on: Action
    limit: float
    share: float | None = None
    bad: int = 0
    of: int = 0
    evidence: float = 0.0
    needed: int = 0
    why: str


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
    def caveats(self) -> list[str]:
        """What could not be observed, a line each."""
        return [f"{gate.name}: {gate.why}" for gate in self.gates if gate.outcome is Outcome.NOT_OBSERVED]
