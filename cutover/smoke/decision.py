"""GO or NO-GO, from the outcomes of the criteria."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Criterion(StrEnum):
    """The Go/No-Go criteria by the playbook's names."""

    HEALTH = "Health"
    AUDIT = "Audit Postgres"
    RATE_LIMIT = "Rate limit"

    @property
    def mandatory(self) -> bool:
        """Whether a failure means NO-GO (playbook: Audit, S3, Rate, Guardrails, Queue, Health)."""
        return self in {Criterion.HEALTH, Criterion.AUDIT, Criterion.RATE_LIMIT}


class Outcome(StrEnum):
    """What became of a check."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    NOT_RUN = "not run"


class Verdict(StrEnum):
    """The decision."""

    GO = "GO"
    GO_WITH_CAVEATS = "GO with caveats"
    NO_GO = "NO-GO"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The verdict and the criteria that stood against it."""

    verdict: Verdict
    against: tuple[Criterion, ...]


def decide(outcomes: Mapping[Criterion, Outcome]) -> Decision:
    """NO-GO when a mandatory criterion failed, did not run or is missing; caveats name the others."""
    against = tuple(c for c in Criterion if outcomes.get(c, Outcome.NOT_RUN) is not Outcome.PASS)
    if any(criterion.mandatory for criterion in against):
        verdict = Verdict.NO_GO
    else:
        verdict = Verdict.GO_WITH_CAVEATS if against else Verdict.GO
    return Decision(verdict=verdict, against=against)
