"""A run that leaves something behind: the newest report of its stack."""

from __future__ import annotations

import time
from collections.abc import Callable

from cutover.schema.access import AuditDatabase
from cutover.smoke import suite
from cutover.smoke.check import Suite
from cutover.smoke.finding import Outcome
from cutover.smoke.kept import Kept
from cutover.smoke.probe import Probe, Samples
from cutover.smoke.report import Report
from outputs.smoke import EdgeSummary, SmokeTarget


def run_and_keep(checks: Suite, target: SmokeTarget, say: Callable[[str], object]) -> Report:
    """The report of a whole run; it is kept after each check, so that whatever ends the run leaves what ran.

    A run that has just ended here had filled the limit of this address: the new one waits until that has drained.
    `say` is given a line for each check that has ended. Raises NotPreparedError without the certificate of the
    target's authority, StackLockedError while another run goes on.
    """
    said: set[str] = set()
    with Kept.begin(target.stack) as kept:
        if (wait := drain_seconds(target.edge) - kept.since) > 0:
            say(f"  smoke    waits {wait:.0f} s: the run before has filled the limit of this address")
            time.sleep(wait)

        def follow(report: Report) -> None:
            kept.report(report)
            ended = [each for each in report.findings if each.outcome is not Outcome.NOT_RUN or each.seconds]
            for finding in ended:
                if finding.check not in said:
                    said.add(finding.check)
                    say(f"  smoke    {len(said)} of {len(report.findings)}  {finding.check}: {finding.outcome}")

        with Probe.of(target, Samples(keep=kept.sample)) as probe:
            probe.database = AuditDatabase.from_output(target.places.database.output()).open
            return suite.run(checks, probe, follow=follow)


def drain_seconds(edge: EdgeSummary) -> float:
    """How long a full bucket of this limit takes to drain."""
    return (edge.burst + 1) * 60 / edge.rate_per_minute
