"""The smoke suite: what a deployment must show through its edge before it counts. The program uses these names."""

from cutover.smoke.probe import USER_AGENT
from cutover.smoke.report import REPORTS, Report, save, saved
from cutover.smoke.suite import run

__all__ = ["REPORTS", "USER_AGENT", "Report", "run", "save", "saved"]
