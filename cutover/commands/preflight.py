"""The command `cutover preflight`."""

from __future__ import annotations

import typer

from cutover.commands.command import AsJson, Command, Stack, print_json, verbatim
from cutover.errors import NotReadyError


def add_to(app: typer.Typer) -> None:
    """Adds `preflight` to the command line."""
    app.command(cls=Command, epilog=verbatim("Example", "cutover preflight -s prod"))(preflight)


def preflight(stack: Stack, as_json: AsJson = False) -> None:
    """Look at what a stack's first day on AWS needs, and name the next step.

    Changes nothing. What holds is ok, what does not is miss, and what cannot be looked at before something else holds
    is wait. docs/runbook.md has the day, step by step.
    """
    from cutover.prerequisites.facts import Facts
    from cutover.prerequisites.report import look

    report = look(Facts(stack))
    if as_json:
        print_json(report.document())
    else:
        print(report.table())
    if missing := report.next:
        raise NotReadyError(f"{missing.name}: {missing.seen}; next: {missing.do}")
    if not as_json:
        print(
            f"  all of the first day is there; next: cutover smoke -s {stack}, and a candidate, cutover up -s CANDIDATE"
        )
