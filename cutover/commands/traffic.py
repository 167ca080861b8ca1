"""The command `cutover traffic`."""

from __future__ import annotations

import getpass
import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from cutover.commands.command import AsJson, Command, Stack, one_line, verbatim
from cutover.errors import RefusedError, StackMissingError, TrafficError, UnreachableError

if TYPE_CHECKING:
    from cutover.stacks.outputs import Outputs
    from cutover.traffic.split import TrafficSplit


def add_to(app: typer.Typer) -> None:
    """Adds `traffic` to the command line."""
    app.command(cls=Command, epilog=verbatim("Examples", "cutover traffic -s local", "cutover traffic -s local 10"))(
        traffic
    )


def traffic(
    stack: Stack,
    weight: Annotated[
        int | None, typer.Argument(min=0, max=100, metavar="WEIGHT", help="percent for the candidate, 0 to 100")
    ] = None,
    anyway: Annotated[
        str | None,
        typer.Option(parser=one_line, metavar="REASON", help="raise it all the same; the channel is told why"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show or set the candidate's share of the traffic.

    Prints it in percent, after setting it where a WEIGHT is given. By hand it may fall at any time. Once a rollout has
    set it, or was taken back, it rises by the rollout's verbs; tick lowers what was raised beyond them.
    """
    from cutover.stacks.outputs import outputs
    from cutover.traffic import traffic_split
    from outputs.traffic import traffic_from

    found = outputs(stack)
    where = found.read("traffic", traffic_from)
    if where is None:
        raise StackMissingError(f"stack {stack} has no traffic to split: name the base that owns both slots")
    split = traffic_split(where, stack)
    if weight is not None:
        if weight and anyway is None and weight > _share(split):
            _require_candidate(found, weight)
        split.set(weight, anyway=anyway is not None)
        if anyway is not None:
            _tell(found, f"traffic set by hand to {weight} % by {getpass.getuser()}: {anyway}")
    share = split.get()
    rollout = share.mark.rollout if share.mark else None
    if as_json:
        print(json.dumps({"candidate": share.weight, "rollout": rollout}))
    else:
        set_by = f", set by rollout {rollout}" if rollout else ""
        print(f"  candidate's share of the traffic{set_by}, percent: {share.weight}")


def _share(split: TrafficSplit) -> int:
    """The candidate's share; 0 where it cannot be read, as it can be set all the same."""
    try:
        return split.get().weight
    except TrafficError:
        return 0


def _require_candidate(found: Outputs, weight: int) -> None:
    """Raises RefusedError where nobody answers in the candidate's slot within a second: users would get a 504."""
    from cutover.rollout.pinned import Pinned
    from outputs.smoke import SmokeTarget

    target = found.read("smoke_target", SmokeTarget.from_output)
    if target and Pinned(target.edge, "candidate").answers() is not True:
        raise RefusedError(
            f"nobody answers in a second as the candidate of {found.stack}: bring it up first, or send it {weight} % "
            f"all the same, cutover traffic -s {found.stack} {weight} --anyway REASON"
        )


def _tell(found: Outputs, said: str) -> None:
    """Tells the channel; that nobody could be told is said and changes nothing."""
    from cutover.rollout import channel
    from outputs.smoke import SmokeTarget

    target = found.read("smoke_target", SmokeTarget.from_output)
    secret = found.values.get("vault", {}).get("SLACK_WEBHOOK_URL")
    if target is None or secret is None:
        return
    try:
        channel.post(secret, target.places, f"*web-next {found.stack}* {said}")
    except UnreachableError as error:
        print(f"  {error}", file=sys.stderr)
