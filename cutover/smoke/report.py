"""What a run of the suite found, and the decision: for a terminal, for machines, and kept until the next run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from cutover.errors import NoGoError
from cutover.smoke.decision import CriterionResult, Decision, Verdict, decide
from cutover.smoke.finding import Finding, Outcome, now
from cutover.smoke.probe import Sample
from outputs.shape import Shape
from outputs.smoke import SmokeTarget


@dataclass(frozen=True, kw_only=True)
class Report(Shape):
    """The findings of one run against a target, and the decision that followed from them `at` a time (UTC)."""

    target: SmokeTarget
    at: datetime
    findings: Sequence[Finding]
    decision: Decision
    samples: Sequence[Sample] = field(default=(), repr=False)

    @classmethod
    def of(cls, target: SmokeTarget, findings: Sequence[Finding], samples: Sequence[Sample] = ()) -> Self:
        """The report as of now."""
        at = now()
        decision = decide(findings, target.rules, at)
        return cls(target=target, at=at, findings=findings, decision=decision, samples=tuple(samples))

    @property
    def no_go(self) -> bool:
        """Whether the verdict is NO-GO."""
        return self.decision.verdict is Verdict.NO_GO

    @property
    def seconds(self) -> float:
        """How long the run took: from its first check to the decision."""
        begun = [finding.at for finding in self.findings]
        return round((self.at - min(begun)).total_seconds(), 1) if begun else 0.0

    def table(self) -> str:
        """The report for a terminal: a line for each of the nine criteria, what failed beside them, the verdict."""
        lines = [
            row(each.outcome, each.criterion.value, each.seconds, each.saw + self._waiver(each))
            for each in self.decision.criteria
        ]
        lines += [
            row(each.outcome, each.check, each.seconds, each.saw)
            for each in self.findings
            if each.criterion is None and not each.outcome.stands
        ]
        track = "" if self.target.track == "stable" else f"{self.target.track} "
        verdict: str = self.decision.verdict.value
        if self.decision.verdict is Verdict.GO_WITH_CAVEATS:
            verdict += f": {', '.join(self.decision.caveats)}"
        lines.append(f"  {verdict}  web-next {self.target.version} {track}at {self.target.edge.url}")
        return "\n".join(lines)

    def _waiver(self, result: CriterionResult) -> str:
        """What became of the waivers of a criterion that does not pass."""
        if result.outcome.stands:
            return ""
        own = [each for each in self.target.rules.waivers if each.criterion is result.criterion]
        word = "waived until" if result.waived else "its waiver ended"
        return "".join(f" ({word} {each.expires}, {each.owner})" for each in own[-1:])

    def document(self) -> dict[str, Any]:
        """The report as JSON-ready values, the samples left out."""
        return {name: value for name, value in self.output().items() if name != "samples"}

    def text(self) -> str:
        """The document as JSON, the same for the same report."""
        return json.dumps(self.document(), indent=2, sort_keys=True, ensure_ascii=False) + "\n"

    def require_go(self) -> None:
        """Raises NoGoError with a line for each criterion that stands against a GO."""
        if self.no_go:
            raise NoGoError("NO-GO" + "".join(f"\n  {each.criterion}: {each.saw}" for each in self.decision.stopped_by))


def row(outcome: Outcome, name: str, seconds: float, saw: str) -> str:
    """One line of the table."""
    word = {Outcome.RETRIED: "RETRIED"}.get(outcome, outcome.value.upper())
    return f"  {word:<8} {name:<16} {seconds:5.1f} s  {saw}"
