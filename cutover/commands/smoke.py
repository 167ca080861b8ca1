"""The command `cutover smoke`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cutover.commands.command import AsJson, Command, absolute, print_json, verbatim
from cutover.errors import CutoverError, StackMissingError

if TYPE_CHECKING:
    from outputs.smoke import SmokeTarget


def add_to(app: typer.Typer) -> None:
    """Adds `smoke` to the command line."""
    examples = verbatim(
        "Examples",
        "cutover smoke -s local",
        "cutover smoke -s prod --profile prod --json",
        "aws s3 cp s3://RECORDS/deployments/stable.json - | cutover smoke --target -",
    )
    app.command(cls=Command, epilog=examples)(smoke)


def smoke(
    stack: Annotated[
        str | None, typer.Option("--stack", "-s", help="the stack whose newest deployment is smoked")
    ] = None,
    target: Annotated[
        str | None, typer.Option("--target", help="a deployment record instead, a file or - for standard input")
    ] = None,
    profile: Annotated[
        Literal["full", "prod"] | None, typer.Option(help="what the suite may do; else what the stack's file says")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the smoke suite against what a stack deployed last.

    What it says as it goes is on standard error, the report on standard output.
    """
    import dataclasses

    from cutover.smoke.checks import SUITE
    from cutover.smoke.run import run_and_keep

    if (stack is None) == (target is None):
        raise typer.BadParameter("name the stack, -s STACK, or a deployment record, --target FILE")
    what = target_of(stack) if stack else given(target or "-")
    if profile:
        what = dataclasses.replace(what, profile=profile)
    report = run_and_keep(SUITE, what, lambda line: print(line, file=sys.stderr, flush=True))
    if as_json:
        print_json(report.document())
    else:
        print(report.table())
    report.require_go()


def target_of(stack: str) -> SmokeTarget:
    """What the stack deployed last. Raises StackMissingError when it has deployed nothing."""
    from cutover.stacks.outputs import outputs
    from outputs.smoke import SmokeTarget

    target = outputs(stack).read("smoke_target", SmokeTarget.from_output)
    if target is None:
        raise StackMissingError(f"stack {stack} has deployed nothing yet: bring it up first, cutover up -s {stack}")
    return target


def given(path: str) -> SmokeTarget:
    """The deployment record in a file, or on standard input. Raises CutoverError when it is none."""
    import json

    from outputs.shape import OutputError
    from outputs.smoke import SmokeTarget

    try:
        text = sys.stdin.read() if path == "-" else absolute(path).read_text()
        return SmokeTarget.from_output(json.loads(text))
    except (OSError, ValueError, OutputError) as error:
        raise CutoverError(
            f"target {path}: {error}; a deployment record is needed, as cutover outputs has it in smoke_target"
        ) from None
