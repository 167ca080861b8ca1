"""The commands `cutover up` and `cutover outputs`."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from cutover.commands.command import Command, Stack, print_json, verbatim
from cutover.errors import NoGoError


def add_to(app: typer.Typer) -> None:
    """Adds `up` and `outputs` to the command line."""
    app.command(cls=Command, epilog=verbatim("Example", "cutover up -s local --refresh"))(up)
    app.command("outputs", cls=Command, epilog=verbatim("Example", "cutover outputs -s local | jq -r .edge_url"))(
        print_outputs
    )


def up(
    stack: Stack, refresh: Annotated[bool, typer.Option("--refresh", help="look at what really runs first")] = False
) -> None:
    """Bring a stack up and end with the verdict.

    The verdict is the smoke hook's if it ran, else that of a fresh run of the suite.
    """
    from cutover.evidence.keeping import keep_pack
    from cutover.smoke.checks import SUITE
    from cutover.smoke.kept import saved
    from cutover.smoke.run import run_and_keep
    from cutover.stacks.bring_up import bring_up
    from cutover.stacks.outputs import outputs
    from outputs.smoke import SmokeTarget

    started = time.time()
    try:
        bring_up(stack, refresh=refresh)
    except NoGoError:
        kept = saved(stack, since=started)
        if kept and kept.no_go:
            _print_end(kept.table, kept.url, kept.pack)
        raise
    found = outputs(stack)
    target = found.read("smoke_target", SmokeTarget.from_output)
    kept = saved(stack, since=started)
    # Else the hook did not run, and this is another run's: a NO-GO of the hook ends the update.
    if target and kept and not kept.no_go and kept.target == target.output():
        _print_end(kept.table, kept.url, kept.pack)
        return
    if target is None and "release" not in found.values:
        print(f"  {stack} has no verdict: it has no release yet; push its images, set image and edge.image, run up")
        return
    if target is None:
        print(f"  {stack} has no verdict: its database has no schema yet; set database.access, run up")
        return
    report = run_and_keep(SUITE, target, lambda line: print(line, flush=True))
    _print_end(report.table(), target.edge.url, keep_pack(report).line)
    report.require_go()


def _print_end(table: str, url: str, pack: str | None) -> None:
    print(f"\n{table}\n  dashboard  {url}/dashboard")
    if pack:
        print(f"  pack       {pack}")


def print_outputs(
    stack: Stack,
    show_secrets: Annotated[bool, typer.Option("--show-secrets", help="print secrets instead of masking them")] = False,
) -> None:
    """Print a stack's outputs as JSON, secrets masked."""
    from cutover.stacks.outputs import outputs

    print_json(dict(sorted(outputs(stack, show_secrets=show_secrets).values.items())))
