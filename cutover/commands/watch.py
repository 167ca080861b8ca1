"""The command `cutover watch`."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer

from cutover.commands.command import Command, Stack, verbatim
from cutover.errors import NotPreparedError

if TYPE_CHECKING:
    from cutover.rollout.controller import Controller
    from cutover.rollout.status import Status


def add_to(app: typer.Typer) -> None:
    """Adds `watch` to the command line."""
    app.command(cls=Command, epilog=verbatim("Example", "cutover watch -s local"))(watch)


def watch(
    stack: Stack,
    interval: Annotated[float, typer.Option(min=1.0, help="seconds from one tick to the next")] = 10.0,
    listen: Annotated[str, typer.Option(help="address and port of the heartbeat's metrics")] = "127.0.0.1:9466",
    asker: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="the only address that they are told; whoever gets there")
    ] = None,
) -> None:
    """Watch the rollout of a stack: tick, again and again, until it is ended.

    Prints a line whenever something has changed. A tick that fails is said and tried again. After each tick the page
    .local/rollout/STACK/index.html is written anew. Without Pulumi's environment it watches what this machine has seen.
    """
    from cutover.rollout.heartbeat import Heartbeat
    from cutover.rollout.watch import Watch

    address, _, port = listen.rpartition(":")
    heartbeat = Heartbeat()
    watching = Watch(tick=ticks(stack), heartbeat=heartbeat, say=print, seconds=interval)
    signal.signal(signal.SIGTERM, lambda *_: watching.end())
    try:
        heartbeat.serve(address, int(port), asker)
    except (OSError, ValueError) as error:
        raise NotPreparedError(
            f"the heartbeat cannot be shown at {listen} ({error}): name another address with --listen HOST:PORT"
        ) from None
    watching.run()


def ticks(stack: str) -> Callable[[], Status | None]:
    """What ticks, brings the report up to date, and returns what the rollout is at. Without Pulumi nobody else says
    where it is: a copy that cannot be read is no rollout that is not there."""
    from cutover.rollout.opening import opened, reported
    from cutover.rollout.store import Copy

    kept: dict[str, Controller] = {}

    def tick() -> Status | None:
        asks = bool(os.environ.get("PULUMI_BACKEND_URL"))
        record = Copy(stack).read() if asks else Copy(stack).found()
        if record is None and not asks:
            return None
        places = repr(record and record.targets)
        if places not in kept:  # its clients are costly: they are made once for the places that they ask
            kept.clear()
            kept[places] = opened(stack, by="watch")
        return reported(kept[places], kept[places].tick())

    return tick
