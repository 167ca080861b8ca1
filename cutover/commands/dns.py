"""The commands `cutover dns status|move|back`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from cutover.commands.command import AsJson, Command, Stack, print_json, verbatim
from cutover.errors import StackMissingError

if TYPE_CHECKING:
    from cutover.dns.name import ConsoleName
    from cutover.dns.zone import RecordSet


def add_to(app: typer.Typer) -> None:
    """Adds the group `dns` to the command line."""
    group = typer.Typer(help="Move the console's name to a stack's balancer, and back.")
    for verb in (status, move, back):
        group.command(cls=Command, epilog=verbatim("Example", f"cutover dns {verb.__name__} -s prod"))(verb)
    app.add_typer(group, name="dns")


def status(stack: Stack, as_json: AsJson = False) -> None:
    """Show what the console's name leads to, and what it led to before."""
    from cutover.dns.name import console_name, leads_to

    name = console_name(stack)
    now, kept = name.now(), name.kept()
    try:
        ours = [name.ours()]
    except StackMissingError:  # the name is there without it too
        ours = []
    before = kept.before if kept else None
    if as_json:
        print_json({"domain": name.zone.domain, "here": leads_to(now, ours), "now": now, "before": before})
        return
    print(f"  {name.zone.domain} leads to {_said(now, ours)}")
    if before is not None:
        print(f"  before the move it led to {_said(before, ours)}")


def move(stack: Stack) -> None:
    """Have the console's name lead to the balancer.

    The last step of a first day: refused while the release has no GO. What the name led to is kept in the records
    bucket first, and goes in the same change. Certificates and the rollout need no name: both go on without it.
    """
    from cutover.dns.name import console_name

    name = console_name(stack)
    before, ours = name.now(), name.ours()
    _change(name, name.move(ours), before, [ours], f"cutover dns back -s {stack} takes it back")


def back(stack: Stack) -> None:
    """Have the console's name lead to what it led to before the move.

    Slow by nature: resolvers keep the balancer's addresses for a minute. It needs no balancer. cutover rollback is the
    way back of a release.
    """
    from cutover.dns.name import console_name

    name = console_name(stack)
    before, kept = name.now(), name.kept()
    change = name.back(kept)
    _change(name, change, before, kept.ours if kept else (), f"cutover dns move -s {stack} moves it again")


def _change(
    name: ConsoleName, change: str | None, before: Sequence[RecordSet], ours: Sequence[RecordSet], undo: str
) -> None:
    from cutover.dns.name import lasts

    if change is None:
        print(f"  {name.zone.domain} leads to {_said(before, ours)} already")
        return
    print(f"  {name.zone.domain} led to {_said(before, ours)}; Route 53 has taken the change {change}", flush=True)
    if name.zone.settle(change):
        print("  every server of Route 53 answers it", flush=True)
    else:
        print("  not every server of Route 53 answers it yet; it goes on by itself", flush=True)
    print(f"  {name.zone.domain} leads to {_said(name.now(), ours)}")
    print(f"  resolvers may keep the old answer for {lasts(before)} s; {undo}")


def _said(records: Sequence[RecordSet], ours: Sequence[RecordSet]) -> str:
    from cutover.dns.name import leads_to, led_to

    return f"the balancer, {led_to(records)}" if leads_to(records, ours) else led_to(records)
