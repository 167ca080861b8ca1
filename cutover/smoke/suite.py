"""The suite: its checks side by side, the rate check when they are done, and a report of whatever ran."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence

from cutover.smoke.check import Check, Suite
from cutover.smoke.finding import Finding
from cutover.smoke.probe import Probe
from cutover.smoke.provable import HARD_STOP_SECONDS
from cutover.smoke.report import Report

TOGETHER = 4
"""How many checks run side by side: most of them wait."""


def run(
    suite: Suite,
    probe: Probe,
    *,
    follow: Callable[[Report], object] = lambda _report: None,
    stop_after: float = HARD_STOP_SECONDS,
) -> Report:
    """Runs the checks of the target's profile and decides.

    A check that fails does not stop the others; one that has not ended after `stop_after` seconds did not run, and is
    left behind in its thread. `follow` is given the report as it is after each check, so that whatever ends the run
    leaves a report of what ran. KeyboardInterrupt ends the run after such a report.
    """
    parts = (suite.together, suite.last, suite.judges)
    chosen = [[check for check in part if probe.target.profile in check.profiles] for part in parts]
    findings: dict[str, Finding] = {}

    def report(unfinished: str) -> Report:
        made = [findings.get(each.name) or each.unfinished(unfinished) for part in chosen for each in part]
        return Report.of(probe.target, made, probe.samples.taken)

    try:
        for part in chosen:
            for finding in _side_by_side(part, probe, stop_after):
                findings[finding.check] = finding
                follow(report("the run has not come to it"))
    except KeyboardInterrupt:
        follow(report("the run was interrupted"))
        raise
    finally:
        probe.shared.over = True
    done = report(f"stopped: it had not ended after {stop_after:g} s")
    follow(done)
    return done


def _side_by_side(checks: Sequence[Check], probe: Probe, stop_after: float) -> Iterator[Finding]:
    """The findings as they come, until the run is `stop_after` seconds old."""
    waiting, done = queue.SimpleQueue[Check](), queue.SimpleQueue[Finding]()
    for check in checks:
        waiting.put(check)

    def work() -> None:
        while True:
            try:
                check = waiting.get_nowait()
            except queue.Empty:
                return
            done.put(check.run(probe))

    if probe.clock() >= stop_after:
        return
    for _ in range(min(TOGETHER, len(checks))):
        threading.Thread(target=work, daemon=True).start()
    for _ in checks:
        try:
            yield done.get(timeout=max(0.0, stop_after - probe.clock()))
        except queue.Empty:
            return
