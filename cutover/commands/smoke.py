"""The command `cutover smoke`."""

from __future__ import annotations

import typer

from cutover.commands.command import AsJson, Command, Stack, print_json, verbatim
from cutover.errors import StackMissingError


def add_to(app: typer.Typer) -> None:
    """Adds `smoke` to the command line."""
    app.command(cls=Command, epilog=verbatim("Example", "cutover smoke -s local --json"))(smoke)


def smoke(stack: Stack, as_json: AsJson = False) -> None:
    """Run the smoke suite against what a stack deployed last."""
    from cutover.smoke import report, suite
    from cutover.stacks.outputs import outputs
    from outputs.release import SmokeTarget

    target = outputs(stack).read("smoke_target", SmokeTarget.from_output)
    if target is None:
        raise StackMissingError(f"stack {stack} has deployed nothing yet: bring it up first, cutover up -s {stack}")
    found = suite.run(target)
    report.save(found)
    if as_json:
        print_json(found.document())
    else:
        print(found.table())
    found.require_go()
