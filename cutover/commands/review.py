"""The commands `cutover review` and `cutover preview`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cutover.commands.command import Command, Stack, absolute, verbatim
from cutover.errors import ReviewError

OFFLINE = """\
OFFLINE SHAPE of {stack}: what the program declares, previewed through stand-in providers on a scratch copy.
It is not a diff: no account, no credentials and no state of {stack} were looked at.
"""
FILE = typer.Option(parser=absolute, metavar="FILE")


def add_to(app: typer.Typer) -> None:
    """Adds `review` and `preview` to the command line."""
    example = verbatim("Examples", "cutover review -s prod --drift", "cutover review -s prod --against origin/main")
    app.command(cls=Command, epilog=example)(review)
    app.command(cls=Command, epilog=verbatim("Example", "cutover preview -s prod"))(preview)


def review(
    stack: Stack,
    acknowledge: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="a danger that may happen, as the review names it")
    ] = None,
    against: Annotated[
        str | None, typer.Option(metavar="COMMIT", help="without a state: compare with what this commit declares")
    ] = None,
    drift: Annotated[bool, typer.Option("--drift", help="look at what really runs too; drift makes it red")] = False,
    comment: Annotated[
        Path | None, typer.Option(parser=absolute, metavar="FILE", help="write the comment there, too")
    ] = None,
    json: Annotated[Path | None, typer.Option(parser=absolute, metavar="FILE", help="write the JSON there")] = None,
    expect: Annotated[
        str | None, typer.Option(metavar="DIGEST", help="what was approved: another review than that is red")
    ] = None,
) -> None:
    """Say what a change does to a stack, so that a person can judge it in a pull request.

    Writes nothing to the stack. Without the stack's state it says what the program declares, and that it does so.
    """
    from cutover.review.review import look

    found = look(stack, acknowledge or [], against=against, drift=drift, whole=expect is not None)
    for path, text in ((comment, found.comment), (json, found.json)):
        if path is not None:
            path.write_text(text)
    visible, fold, _ = found.comment.partition("\n<details>")
    print(f"{visible}\nevery property: --comment FILE" if fold and sys.stdout.isatty() else found.comment.rstrip("\n"))
    if expect is not None and expect != found.digest:
        raise ReviewError(f"this is {found.digest}, and {expect} was approved: have it reviewed again")
    if found.red:
        raise ReviewError(f"{found.red[0]}" + (f", and {len(found.red) - 1} more" if len(found.red) > 1 else ""))


def preview(stack: Stack) -> None:
    """Preview a stack in Pulumi's own words; a stack on AWS without its state as an offline shape.

    Ends with Pulumi's exit code.
    """
    from cutover.review import engine
    from cutover.review.shape import Place, offline
    from cutover.stacks.causes import cause
    from cutover.stacks.engine import looked

    def run(place: Place) -> None:
        command = place.command("--suppress-progress")
        done = looked(command, place.environment, shown=True)
        if "no stack named" in done.stderr:
            raise cause(stack, done.stderr)
        print(done.stderr, end="")
        if done.returncode:
            raise typer.Exit(done.returncode)

    if engine.has_state(stack):
        run(engine.here(stack))
        return
    print(OFFLINE.format(stack=stack), flush=True)
    with offline(stack) as place:
        run(place)
