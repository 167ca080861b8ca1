"""A run that leaves something behind: the newest report of its stack."""

from __future__ import annotations

from collections.abc import Callable

from cutover.schema.access import AuditDatabase
from cutover.smoke import suite
from cutover.smoke.check import Suite
from cutover.smoke.finding import Outcome
from cutover.smoke.kept import Kept
from cutover.smoke.probe import Probe, Samples
from cutover.smoke.report import Report
from outputs.smoke import SmokeTarget


def run_and_keep(checks: Suite, target: SmokeTarget, say: Callable[[str], object]) -> Report:
    """The report of a whole run; it is kept after each check, so that whatever ends the run leaves what ran.

    `say` is given a line for each check that has ended. Raises NotPreparedError without the certificate of the
    target's authority.
    """
    said: set[str] = set()
    with Kept.begin(target.stack) as kept, Probe.of(target, Samples(keep=kept.sample)) as probe:
        probe.database = AuditDatabase.from_output(target.places.database.output()).open

        def follow(report: Report) -> None:
            kept.report(report)
            ended = [each for each in report.findings if each.outcome is not Outcome.NOT_RUN or each.seconds]
            for finding in ended:
                if finding.check not in said:
                    said.add(finding.check)
                    say(f"  smoke    {len(said)} of {len(report.findings)}  {finding.check}: {finding.outcome}")

        return suite.run(checks, probe, follow=follow)
