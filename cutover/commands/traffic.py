"""The command `cutover traffic`."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from cutover.commands.command import AsJson, Command, Stack, verbatim
from cutover.errors import StackMissingError


def add_to(app: typer.Typer) -> None:
    """Adds `traffic` to the command line."""
    app.command(cls=Command, epilog=verbatim("Examples", "cutover traffic -s local", "cutover traffic -s local 10"))(
        traffic
    )


def traffic(
    stack: Stack,
    weight: Annotated[int | None, typer.Argument(metavar="WEIGHT", help="percent for the candidate, 0 to 100")] = None,
    as_json: AsJson = False,
) -> None:
    """Show or set the candidate's share of the traffic.

    Prints it in percent, after setting it where a WEIGHT is given.
    """
    from cutover.stacks.outputs import outputs
    from cutover.traffic import traffic_split
    from outputs.traffic import traffic_from

    where = outputs(stack).read("traffic", traffic_from)
    if where is None:
        raise StackMissingError(f"stack {stack} has no traffic to split: name the base that owns both slots")
    split = traffic_split(where)
    if weight is not None:
        split.set(weight)
    share = split.get()
    print(json.dumps({"candidate": share}) if as_json else f"  candidate's share of the traffic, percent: {share}")
