"""The commands `cutover gates`: plan and replay."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cutover.commands.command import AsJson, Command, Stack, absolute, print_json, verbatim

if TYPE_CHECKING:
    from cutover.gates.plan import Planned


def add_to(app: typer.Typer) -> None:
    """Adds `gates` and its own commands to the command line."""
    group = typer.Typer(help="Plan what a rollout's gates can find, or replay what they saw.")
    for command, options in (
        (plan, "-s local"),
        (replay, ".local/rollout/local/samples.jsonl --limit errors=0.01"),
    ):
        example = f"cutover gates {command.__name__} {options}"
        group.command(cls=Command, epilog=verbatim("Example", example))(command)
    app.add_typer(group, name="gates")


def plan(stack: Stack, as_json: AsJson = False) -> None:
    """Show what each phase can detect at the traffic of the last hour, and how long it must hold.

    Nothing is changed.
    """
    from cutover.gates.plan import must_hold
    from cutover.gates.plan import plan as planned_of
    from cutover.gates.source import source_of
    from cutover.rollout.proposal import targets_of
    from cutover.rollout.settings import phases_of, settings_of
    from cutover.stacks.outputs import outputs

    targets = targets_of(outputs(stack))
    with source_of(targets.traffic, targets.places) as source:
        traffic, late = source.traffic(), source.late.total_seconds()
    phases = phases_of(settings_of(stack))
    planned = planned_of(phases, traffic)
    holds = {phase.name: must_hold(each for each in planned if each.phase == phase.name) for phase in phases}
    if as_json:
        print_json({"traffic": traffic.output(), "must_hold": holds, "gates": [each.output() for each in planned]})
        return
    print(f"  in the last hour {traffic.requests:.2f} requests and {traffic.audit_writes:.2f} audit entries a second")
    for phase in phases:
        own = [each for each in planned if each.phase == phase.name]
        print(f"\n  {phase.name}: {phase.weight} % for {_time(phase.hold)}; {_enough(holds[phase.name], phase.hold)}")
        print("\n".join(_table(own)))
    print("\n  found in: typical time until a gate fails where so many times its limit are bad")
    print(f"  figures come {_time(late)} later at most, a hold ends so much later too")


def replay(
    file: Annotated[Path, typer.Argument(parser=absolute, metavar="FILE", help="samples that tick has written")],
    limit: Annotated[
        list[str] | None, typer.Option(metavar="NAME=SHARE", help="a gate's limit, such as errors=0.01; repeatable")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Say when each gate would have tripped on recorded samples, with other limits where they are given.

    Nothing is changed.
    """
    from cutover.gates.samples import read, replayed

    samples = read(file)
    found = replayed(samples, _limits(limit or []))
    if as_json:
        print_json([each.output() for each in found])
        return
    print(f"  {len(samples)} samples, {samples[0].until:%Y-%m-%d %H:%M:%S} to {samples[-1].until:%H:%M:%S} UTC")
    for each in found:
        print(f"  {each.at:%H:%M:%S}  {each.phase}, after {_time(each.after)}: {each.gate} {each.outcome}: {each.why}")
    if not found:
        print("  no gate would have tripped")


def _limits(given: Sequence[str]) -> dict[str, float]:
    limits = {}
    for each in given:
        name, _, share = each.rpartition("=")
        try:
            limits[name] = float(share)
        except ValueError:
            raise typer.BadParameter(f"{each!r} is no NAME=SHARE, such as errors=0.01", param_hint="--limit") from None
    return limits


def _table(planned: Sequence[Planned]) -> list[str]:
    row = "    {:<21} {:>6} {:>9} {:>7} {:>10}   {:>8} {:>8} {:>8}   {:>8}"
    lines = [row.format("gate", "limit", "comes", "needs", "enough in", "2 ×", "5 ×", "10 ×", "finds")]
    for each in planned:
        limit, least = f"{each.limit:.1%}", "–" if each.least is None else f"{each.least:.1%}"
        times = [_time(time) for time in each.finds]
        lines.append(row.format(each.gate, limit, each.comes, each.needed, _time(each.passes_after), *times, least))
    return lines


def _enough(seconds: float | None, hold: float) -> str:
    if seconds is None:
        return "nothing comes, and it would end inconclusive"
    return f"it must hold {_time(seconds)} to pass{'' if seconds <= hold else ', which is longer'}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "never"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
