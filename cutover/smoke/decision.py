"""GO or NO-GO: what follows from findings and rules, the same from the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from cutover.smoke.finding import Finding, Outcome
from outputs.shape import Shape
from outputs.smoke import Criterion, Rules


class Verdict(StrEnum):
    """The decision."""

    GO = "GO"
    GO_WITH_CAVEATS = "GO with caveats"
    NO_GO = "NO-GO"


@dataclass(frozen=True, kw_only=True)
class CriterionResult(Shape):
    """What one criterion comes to: the worst of its findings, and what was seen there. `waived` is whether a waiver
    covers it."""

    criterion: Criterion
    outcome: Outcome
    saw: str
    seconds: float
    must_pass: bool
    waived: bool = False

    @property
    def stops(self) -> bool:
        """Whether there can be no GO because of it."""
        return self.must_pass and not self.outcome.stands and not self.waived


@dataclass(frozen=True, kw_only=True)
class Decision(Shape):
    """The verdict with all nine criteria, and the caveats: each is a criterion or a check by its name."""

    verdict: Verdict
    criteria: Sequence[CriterionResult]
    caveats: Sequence[str]

    @property
    def stopped_by(self) -> list[CriterionResult]:
        """The criteria that make it a NO-GO."""
        return [each for each in self.criteria if each.stops]


def decide(findings: Sequence[Finding], rules: Rules, at: datetime) -> Decision:
    """The decision at a moment.

    A criterion is as its worst finding; one without any, or whose findings are older than the rules allow, did not
    run. One that must pass and does not is a NO-GO. Every other that does not pass is a caveat, a waived one too, and
    so is a failed check outside the nine; one of those that did not run is only shown.
    """
    waived = {waiver.criterion for waiver in rules.waivers if at.astimezone(UTC).date() <= waiver.expires}
    criteria = [_result(criterion, findings, rules, waived, at) for criterion in Criterion]
    caveats = [each.criterion.value for each in criteria if not each.outcome.stands and not each.stops]
    caveats += [each.check for each in findings if each.criterion is None and each.outcome is Outcome.FAIL]
    if any(each.stops for each in criteria):
        verdict = Verdict.NO_GO
    else:
        verdict = Verdict.GO_WITH_CAVEATS if caveats else Verdict.GO
    return Decision(verdict=verdict, criteria=criteria, caveats=caveats)


_WORST_FIRST = (Outcome.FAIL, Outcome.NOT_RUN, Outcome.RETRIED, Outcome.PASS)


def _result(
    criterion: Criterion, findings: Sequence[Finding], rules: Rules, waived: set[Criterion], at: datetime
) -> CriterionResult:
    own = [_counted(finding, rules, at) for finding in findings if finding.criterion is criterion]
    outcome, saw = Outcome.NOT_RUN, "nothing looked at it"
    if own:
        worst = min(own, key=lambda each: _WORST_FIRST.index(each.outcome))
        outcome, saw = worst.outcome, worst.saw
        if outcome.stands:
            saw = "; ".join(each.saw for each in own)
    return CriterionResult(
        criterion=criterion,
        outcome=outcome,
        saw=saw,
        seconds=round(sum(each.seconds for each in own), 2),
        must_pass=criterion in rules.must_pass,
        waived=criterion in waived and not outcome.stands,
    )


def _counted(finding: Finding, rules: Rules, at: datetime) -> Finding:
    """The finding, as one that did not run where it was made too long before the verdict, or after it."""
    if timedelta(0) <= at - finding.at <= timedelta(minutes=rules.max_age_minutes):
        return finding
    saw = f"seen more than {rules.max_age_minutes} min before the verdict: too old to count"
    return replace(finding, outcome=Outcome.NOT_RUN, saw=saw)
