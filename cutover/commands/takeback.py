"""The commands that take back, hold and look: `cutover rollback`, `hold`, `resume`, `flags`, `tick` and `status`.

Little is imported before it is needed: of a rollback the seconds count.
"""

from __future__ import annotations

from typing import Annotated

import typer

from cutover.commands.command import AsJson, Command, Despite, Stack, one_line, verbatim
from cutover.commands.waiting import Wait

Share = Annotated[float | None, typer.Option(min=0.0, max=1.0, metavar="SHARE", help="0 to 1; else it stays")]
By = Annotated[str | None, typer.Option("--by", parser=one_line, metavar="NAME", help="who does it; else user@machine")]
Records = Annotated[
    str | None,
    typer.Option(
        "--records", metavar="BUCKET", help="finds the rollout in this bucket of AWS', without Pulumi's state"
    ),
]


def add_to(app: typer.Typer) -> None:
    """Adds the six to the command line."""
    app.command(cls=Command, epilog=verbatim("Example", "cutover rollback -s prod --why 'orders are late'"))(rollback)
    app.command(cls=Command, epilog=verbatim("Example", "cutover hold -s prod 'the desk asks to wait'"))(hold)
    app.command(cls=Command, epilog=verbatim("Examples", "cutover resume -s prod", "cutover resume -s prod --cleanup"))(
        resume
    )
    app.command(cls=Command, epilog=verbatim("Example", "cutover flags -s prod --auto-pause 0 --why 'false breaches'"))(
        flags
    )
    app.command(cls=Command, epilog=verbatim("Example", "cutover tick -s prod"))(tick)
    app.command(cls=Command, epilog=verbatim("Examples", "cutover status -s prod", "cutover status -s prod --json"))(
        status
    )


def rollback(
    stack: Stack,
    why: Annotated[
        str | None,
        typer.Option("--why", parser=one_line, metavar="REASON", help="recorded, and told in the channel"),
    ] = None,
    anyway: Annotated[bool, typer.Option("--anyway", help="also onto a stable release that does not answer")] = False,
    records: Records = None,
    by: By = None,
) -> None:
    """Take all traffic from the candidate at once, then its flags; the clean-up jobs stop deleting. Data stays.

    It needs no metrics, no database, and Pulumi only where this machine has not seen the rollout: --records spares
    that. What cannot be reached is written down and finished by tick, exit 14.
    """
    from cutover.commands.waiting import ended
    from cutover.errors import NoRolloutError, UnreachableError
    from cutover.rollout.opening import opened, targets_in

    control = opened(stack, by=by, targets=targets_in(stack, records) if records else None)
    try:
        turn = control.roll_back(why, anyway=anyway)
    except (NoRolloutError, UnreachableError) as none:
        from cutover.rollout import unrecorded

        print(f"  {unrecorded.taken_back(control.world, stack, none, anyway=anyway)}")
        return
    ended(turn)
    if turn.record.last.verb != "rollback" or (why and turn.record.last.why != why):
        print(f"  it was taken back before: {turn.record.last.said}; that stays, and yours is not written down")


def hold(stack: Stack, why: Annotated[str, typer.Argument(parser=one_line, metavar="REASON")], by: By = None) -> None:
    """Hold the rollout where it is: no weight rises until somebody resumes."""
    from cutover.commands.waiting import ended
    from cutover.rollout.opening import opened

    ended(opened(stack, by=by).hold(why))


def resume(
    stack: Stack,
    cleanup: Annotated[
        bool, typer.Option("--cleanup", help="only have the clean-up jobs delete again, after a rollback too")
    ] = False,
    despite_freeze: Despite = None,
    by: By = None,
) -> None:
    """Go on with a phase that was held: it begins anew, and counts what comes from now on.

    A weight that was lowered by hand rises again, unless a freeze or the candidate stands against it.
    """
    from cutover.commands.waiting import ended
    from cutover.rollout.opening import opened

    ended(opened(stack, by=by).resume(cleanup=cleanup, despite=despite_freeze))


def flags(
    stack: Stack,
    why: Annotated[str, typer.Option("--why", parser=one_line, metavar="REASON", help="recorded")],
    auto_pause: Share = None,
    batch_promote: Share = None,
    by: By = None,
) -> None:
    """Change stable's own flags once a rollout is over: by hand they are what the record says again within a minute.

    The next rollout begins with them, and its finish gives stable those of its last phase again.
    """
    from cutover.commands.waiting import ended
    from cutover.rollout import machine, steps
    from cutover.rollout.effects import Run
    from cutover.rollout.opening import opened
    from cutover.rollout.record import Last

    control = opened(stack, by=by)
    last = Last(by=control.by, verb="flags", why=why)
    flagged = steps.change(lambda now: machine.flagged(now, last, auto_pause=auto_pause, batch_promote=batch_promote))
    ended(Run(control.world)(flagged))


def tick(
    stack: Stack,
    as_json: AsJson = False,
    records: Annotated[
        str | None,
        typer.Option(
            "--records",
            metavar="BUCKET",
            help="the rollout as this bucket has it; nothing is kept here: for a schedule",
        ),
    ] = None,
    by: By = None,
) -> None:
    """Do one step of watching: finish what was left, look at the gates, hold or roll back where they say so.

    It ends with 12 when it has taken the candidate back itself, with 11 while the rollout is held. With --records it
    prints a line of JSON for whoever counts ticks, and ends with 0 in both cases.
    """
    if records:
        from cutover.rollout import scheduled

        print(scheduled.tick(stack, records))
        return
    from cutover.commands.command import print_json
    from cutover.commands.waiting import progress, require_reached, settled
    from cutover.rollout.opening import opened, reported

    control = opened(stack, by=by)
    ticked = control.tick()
    reported(control, ticked)
    if as_json:
        print_json(
            {
                "record": ticked.record.output() if ticked.record else None,
                "judgement": ticked.judgement.output() if ticked.judgement else None,
                "left": list(ticked.left),
            }
        )
    else:
        print(progress(ticked))
    if ticked.record:
        require_reached(ticked.record, ticked.left)
    if ticked.judgement:
        settled(ticked)


def status(stack: Stack, as_json: AsJson = False, wait: Wait = None, records: Records = None) -> None:
    """Show where the rollout is: what routes, what each gate has seen, why it does not go on, what to type next."""
    from cutover.commands.command import print_json
    from cutover.commands.waiting import follow
    from cutover.errors import CutoverError
    from cutover.rollout.opening import opened, shown, targets_in
    from cutover.rollout.table import table

    control = opened(stack, targets=targets_in(stack, records) if records else None)
    try:
        found = shown(control)
    except CutoverError as none:
        from cutover.rollout import unrecorded

        if as_json:
            print_json({"stack": stack, "state": None, "routes": unrecorded.routes(control.world).output()})
        raise unrecorded.said(control.world, stack, none) from None
    if as_json:
        print_json(found.output())
    else:
        print(table(found))
    follow(control, wait)
