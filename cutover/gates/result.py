"""What one gate comes to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

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
