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
    anyway: Annotated[
        str | None, typer.Option(metavar="REASON", help="raise it though a rollout has set it, or was taken back")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show or set the candidate's share of the traffic.

    Prints it in percent, after setting it where a WEIGHT is given. By hand it may fall at any time. Where a rollout
    has set it, it rises by the rollout's verbs.
    """
    from cutover.stacks.outputs import outputs
    from cutover.traffic import traffic_split
    from outputs.traffic import traffic_from

    where = outputs(stack).read("traffic", traffic_from)
    if where is None:
        raise StackMissingError(f"stack {stack} has no traffic to split: name the base that owns both slots")
    split = traffic_split(where)
    if weight is not None:
        split.set(weight, anyway=anyway is not None)
    share = split.get()
    rollout = share.mark.rollout if share.mark else None
    if as_json:
        print(json.dumps({"candidate": share.weight, "rollout": rollout}))
    else:
        set_by = f", set by rollout {rollout}" if rollout else ""
        print(f"  candidate's share of the traffic{set_by}, percent: {share.weight}")
