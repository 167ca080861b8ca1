"""What the verbs of a rollout share: how a turn ends, and waiting until its phase has passed."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Annotated

import typer

from cutover.errors import HeldError, RolledBackError, UnfinishedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cutover.rollout.controller import Controller, Ticked
    from cutover.rollout.record import Record
    from cutover.rollout.steps import Turn

TICK_SECONDS = 10.0
"""Between two looks at the gates."""
SETTLED_SECONDS = 1.0
"""A look comes so long after the end of the hold, and not a moment before it."""
_UNITS = {"s": 1, "m": 60, "h": 3600}


def seconds(text: str) -> float:
    """A duration such as 90s, 30m or 24h in seconds."""
    found = re.fullmatch(r"(\d+)([smh])", text)
    if not found:
        raise typer.BadParameter(f"{text!r} is no duration: a whole number and s, m or h, such as 90s, 30m or 24h")
    return float(found[1]) * _UNITS[found[2]]


Wait = Annotated[
    float | None,
    typer.Option("--wait", parser=seconds, metavar="DURATION", help="look on until the phase has passed, such as 30m"),
]


def ended(turn: Turn) -> None:
    """Prints what a turn has come to. Raises UnfinishedError when something could not be reached."""
    record = turn.record
    held = f", held: {record.hold}" if record.hold else ""
    version = record.releases.candidate.version
    print(f"  {record.state}: {version} has {record.weight} % of {record.stack}{held}", flush=True)
    require_reached(record, turn.left)


def require_reached(record: Record, left: Sequence[str]) -> None:
    """Raises UnfinishedError when a turn could not reach something."""
    if left:
        raise UnfinishedError(
            f"{record.stack} is {record.state} with weight {record.weight}; not reached: {', '.join(left)}; "
            f"cutover tick -s {record.stack} goes on with it"
        )


def follow(control: Controller, wait: float | None) -> None:
    """Ticks for `wait` seconds at most, and ends when the phase has passed.

    Raises HeldError when it is held or has not passed in time, RolledBackError when a gate took it back.
    """
    if wait is None:
        return
    from cutover.rollout.opening import reported

    until, said = time.monotonic() + wait, ""
    while True:
        ticked = control.tick()
        reported(control, ticked)
        line = progress(ticked)
        if line != said:
            print(line, flush=True)
            said = line
        if settled(ticked):
            return
        if time.monotonic() >= until:
            raise HeldError(f"not passed after {wait:g} s: {ticked.judgement.why if ticked.judgement else line}")
        time.sleep(min(pause(ticked), max(0.0, until - time.monotonic())))


def pause(ticked: Ticked) -> float:
    """Seconds until the next look: TICK_SECONDS, or less where the hold ends before."""
    remaining = ticked.judgement.remaining if ticked.judgement else 0.0
    return min(TICK_SECONDS, remaining + SETTLED_SECONDS) if remaining > 0 else TICK_SECONDS


def progress(ticked: Ticked) -> str:
    """A tick in a line."""
    record, judgement = ticked.record, ticked.judgement
    if record is None:
        return "  there is no rollout"
    said = f"  {record.state:<11} {record.weight:>3} %"
    if record.hold:
        said += f"  held: {record.hold}"
    if judgement:
        said += f"  {judgement.outcome}: {judgement.why}"
    return said


def settled(ticked: Ticked) -> bool:
    """Whether the phase has passed. Raises HeldError and RolledBackError where it has ended otherwise."""
    record, judgement = ticked.record, ticked.judgement
    if record is None or record.phase is None:
        if record and record.state == "rolled_back":
            raise RolledBackError(f"rollout {record.id} was rolled back: {record.last.said}")
        return True
    if record.hold:
        raise HeldError(f"rollout {record.id} is held in {record.state}: {record.hold}")
    return judgement is not None and judgement.action == "rise"
