"""What the suite found: for a terminal, for machines, and kept until the next run."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cutover.errors import NoGoError
from cutover.smoke.decision import Criterion, Decision, Outcome, Verdict
from outputs.release import SmokeTarget

REPORTS = Path(".local/smoke")


@dataclass(frozen=True, kw_only=True)
class Result:
    """One criterion's outcome; `detail` is what was seen, in a line."""

    criterion: Criterion
    outcome: Outcome
    detail: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Report:
    """The suite's results and the decision that follows from them."""

    target: SmokeTarget
    results: tuple[Result, ...]
    decision: Decision

    def table(self) -> str:
        """The report for a terminal: a line for each criterion, then the verdict."""
        lines = [
            f"  {result.outcome.value.upper():<8} {result.criterion.value:<15} {result.seconds:5.1f} s  {result.detail}"
            for result in self.results
        ]
        track = "" if self.target.track == "stable" else f"{self.target.track} "
        verdict: str = self.decision.verdict.value
        if self.decision.verdict is Verdict.GO_WITH_CAVEATS:
            verdict += f": {', '.join(criterion.value for criterion in self.decision.against)}"
        lines.append(f"  {verdict}  web-next {self.target.version} {track}at {self.target.edge.url}")
        return "\n".join(lines)

    def document(self) -> dict[str, Any]:
        """The report as JSON-ready values."""
        return asdict(self)

    def require_go(self) -> None:
        """Raises NoGoError, naming each mandatory criterion that does not stand, unless the verdict is a GO."""
        if self.decision.verdict is Verdict.NO_GO:
            seen = {result.criterion: result.detail for result in self.results}
            failed = [criterion for criterion in self.decision.against if criterion.mandatory]
            causes = "; ".join(f"{criterion.value}: {seen.get(criterion, 'not run')}" for criterion in failed)
            raise NoGoError(f"NO-GO: {causes}")


@dataclass(frozen=True, kw_only=True)
class SavedReport:
    """The newest report of a stack, as it was printed."""

    table: str
    no_go: bool


def save(report: Report) -> None:
    """Keeps the newest report of its stack, as text for people and JSON for machines."""
    REPORTS.mkdir(parents=True, exist_ok=True)
    stack = report.target.stack
    (REPORTS / f"{stack}.json").write_text(json.dumps(report.document(), indent=2) + "\n")
    (REPORTS / f"{stack}.txt").write_text(report.table() + "\n")


def saved(stack: str, *, since: float) -> SavedReport | None:
    """The stack's report if it was saved after `since` (seconds of the epoch)."""
    document, text = REPORTS / f"{stack}.json", REPORTS / f"{stack}.txt"
    if not text.exists() or text.stat().st_mtime < since:
        return None
    verdict = json.loads(document.read_text())["decision"]["verdict"]
    return SavedReport(table=text.read_text().rstrip(), no_go=verdict == Verdict.NO_GO)
