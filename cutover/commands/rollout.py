"""The commands that take a candidate upward: `cutover canary`, `staged`, `production` and `finish`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cutover.commands.command import Command, Despite, Stack, one_line, verbatim
from cutover.commands.waiting import Wait, ended, follow
from cutover.errors import CutoverError, NoGoError, RefusedError, UnreachableError
from cutover.rollout import machine
from cutover.rollout.record import State

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from cutover.evidence.pack import Pack
    from cutover.rollout.controller import Controller
    from cutover.rollout.proposal import Proposal
    from cutover.rollout.record import Record
    from outputs.smoke import SmokeTarget

By = Annotated[str | None, typer.Option("--by", parser=one_line, metavar="NAME", help="who does it; else user@machine")]
FRESH_HOURS = 24
"""A pack that is older is smoked anew."""


def add_to(app: typer.Typer) -> None:
    """Adds the four to the command line."""
    app.command(cls=Command, epilog=verbatim("Example", "cutover canary -s prod --wait 30m"))(canary)
    app.command(cls=Command, epilog=verbatim("Example", "cutover staged -s prod --wait 1h"))(staged)
    app.command(cls=Command, epilog=verbatim("Example", "cutover production -s prod --wait 24h"))(production)
    app.command(cls=Command, epilog=verbatim("Example", "cutover finish -s prod"))(finish)


def canary(
    stack: Stack,
    wait: Wait = None,
    unsigned: Annotated[
        str | None,
        typer.Option(
            "--unsigned", parser=one_line, metavar="REASON", help="goes on without approvals; the reason is recorded"
        ),
    ] = None,
    despite_freeze: Despite = None,
    by: By = None,
) -> None:
    """Bring the candidate of a base STACK up, prove it at weight 0, and give it its first share of the traffic.

    Without the three approvals of its evidence pack it ends as prepared, exit 13: run it again when they are given.
    """
    from dataclasses import replace

    from cutover.rollout import proposal
    from cutover.rollout.flags import Flags
    from cutover.rollout.opening import opened
    from cutover.rollout.settings import phases_of, settings_of
    from cutover.stacks.bring_up import bring_up
    from cutover.stacks.outputs import deployed, outputs
    from outputs.schema import AppliedSchema

    base = outputs(stack)
    targets = proposal.targets_of(base)
    candidate = proposal.candidate_of(stack)
    proposal.require_alike(stack, candidate)
    control = opened(stack, by=by, targets=targets)
    before = _before(control)
    stable = deployed(stack)
    proposal.require_other_file(candidate, stable)
    flags = Flags.of(targets.places)
    if stable.adapters["queue"] == "mock":  # nobody else delivers what the suite has the candidate accept
        flags.write(targets.flags.candidate, replace(flags.read(targets.flags.candidate), alerts_consume=True))
    print(f"  {candidate}: brought up beside {stack}, at weight 0", flush=True)
    bring_up(candidate)
    made = proposal.Proposal(
        stable=stable,
        candidate=deployed(candidate),
        applied=base.read("schema", AppliedSchema.from_output) or stable.schema,
        targets=targets,
        phases=phases_of(settings_of(stack)),
        stable_flags=flags.read(targets.flags.stable),
    )
    made.require_new()
    _say_rolled_back(before, made)
    pack = proven(made.candidate, control.now)
    _require_there(control, made)
    _require_gates_known(made)
    _sign(control, _begun(control, before, made, pack), made, pack, unsigned)
    ended(control.rise(State.CANARY, "canary", despite=despite_freeze))
    follow(control, wait)


def _before(control: Controller) -> Record | None:
    """The newest rollout, over or prepared. Raises RefusedError where it has begun."""
    before = control.current()
    if before is None or not before.state.running or before.state is State.PREPARED:
        return before
    raise RefusedError(
        f"rollout {before.id} of {before.releases.candidate.version} is {before.state}: {machine.ending(before)}"
    )


def _say_rolled_back(before: Record | None, made: Proposal) -> None:
    """Says of a release that was just rolled back when and why: its pack and signatures may take it out again."""
    if before and before.state is State.ROLLED_BACK and before.releases.candidate.digest == made.candidate.digest:
        print(
            f"  caveat  {made.candidate.version} was rolled back {before.since:%Y-%m-%d %H:%M} UTC: {before.last.said}",
            flush=True,
        )


def _require_there(control: Controller, made: Proposal) -> None:
    """Raises RefusedError where the candidate does not answer now, whatever an earlier pack says of it."""
    from cutover.rollout.effects import Answers

    if not control.world.do(Answers("candidate")):
        raise RefusedError(
            f"{made.candidate.stack} does not answer, whatever its pack says: look why, cutover smoke -s "
            f"{made.candidate.stack}, then cutover canary -s {control.stack} again"
        )


def _begun(control: Controller, before: Record | None, made: Proposal, pack: Pack) -> Record:
    """The rollout, begun unless it is prepared for the same release. Raises RefusedError where for another."""
    from cutover.rollout.record import Last

    if before is None or not before.state.running:
        return control.begin(made.record(pack.id, Last(by=control.by, verb="canary"), control.now())).record
    was, new = before.releases.candidate.digest, made.candidate.digest
    if was != new:
        raise RefusedError(
            f"rollout {before.id} was prepared for {was[:12]}, and {made.candidate.stack} is {new[:12]} by now: "
            f"cutover rollback -s {control.stack}, then cutover canary -s {control.stack}"
        )
    return before


def _sign(control: Controller, record: Record, made: Proposal, pack: Pack, unsigned: str | None) -> None:
    """Writes down who has approved the pack. Raises RefusedError while somebody has not, and nothing says why."""
    from cutover.evidence.approvals import approved
    from cutover.evidence.bucket import RecordsBucket

    given = approved(RecordsBucket.of(made.targets.places), made.candidate.digest, pack.id)
    if not given.complete and not unsigned:
        raise RefusedError(
            f"{made.candidate.version} is prepared and proven, and its pack is not signed by "
            f"{', '.join(given.missing)}: cutover approve {pack.document.key} -s {control.stack} --role ROLE --by "
            f"NAME, then cutover canary -s {control.stack} again"
        )
    for line in given.shared:
        print(f"  caveat  {line}", flush=True)
    signed = [f"{each.role}: {each.by} ({each.signer or 'signer not noted'})" for each in given.given.values()]
    control.sign(record, pack.id, signed, unsigned)


def _require_gates_known(made: Proposal) -> None:
    """Raises CutoverError for a gate whose metric nothing has."""
    from cutover.gates.source import source_of

    gates = [gate for phase in made.phases for gate in phase.gates]
    with source_of(made.targets.traffic, made.targets.places) as source:
        source.require_known(gates, {"stable": made.stable.adapters, "candidate": made.candidate.adapters})


def proven(target: SmokeTarget, now: Callable[[], datetime]) -> Pack:
    """The newest pack of a target, if it is fresh enough and no NO-GO, else that of a run now. Raises NoGoError for a
    NO-GO."""
    from datetime import timedelta

    from cutover.evidence import places
    from cutover.evidence.bucket import RecordsBucket
    from cutover.evidence.keeping import keep_pack
    from cutover.smoke.checks import SUITE
    from cutover.smoke.run import run_and_keep

    bucket, fresh = RecordsBucket.of(target.places), timedelta(hours=FRESH_HOURS)
    pack = places.newest(bucket, target, fresh, now())
    if pack:
        print(f"  pack  {pack.document.key} of {pack.document.at:%H:%M} UTC: {pack.document.decision.verdict}")
        return pack
    report = run_and_keep(SUITE, target, lambda line: print(line, flush=True))
    kept = keep_pack(report)
    print(f"{report.table()}\n  pack  {kept.line}")
    report.require_go()
    made = places.newest(bucket, target, fresh, now())
    if made is None and kept.problem:
        raise UnreachableError(f"the pack of {target.version} is not in the records bucket: {kept.problem}")
    if made is None:
        raise NoGoError(
            f"{target.version} was a GO here, and another run since is a NO-GO: cutover smoke -s {target.stack}"
        )
    return made


def staged(stack: Stack, wait: Wait = None, despite_freeze: Despite = None, by: By = None) -> None:
    """Give the candidate half of the traffic, once the gates of canary have passed."""
    _rise(State.STAGED, stack, wait, despite_freeze, by)


def production(stack: Stack, wait: Wait = None, despite_freeze: Despite = None, by: By = None) -> None:
    """Give the candidate all of the traffic, once the gates of staged have passed. Stable stays warm."""
    _rise(State.PRODUCTION, stack, wait, despite_freeze, by)


def finish(stack: Stack, despite_freeze: Despite = None, by: By = None) -> None:
    """Make the candidate's release stable's own, once production has been watched; from then on nothing leads back.

    Writes image, buildSha, version and adapters into the base's stack file, and shows what is to be committed.
    """
    from cutover.rollout.controller import Ticked
    from cutover.rollout.opening import opened, reported
    from cutover.rollout.proposal import targets_of
    from cutover.rollout.stable_file import adopt
    from cutover.stacks.bring_up import bring_up
    from cutover.stacks.outputs import deployed, outputs

    control = opened(stack, by=by, targets=targets_of(outputs(stack)))
    record = control.finishing(despite=despite_freeze)
    print(adopt(stack, record.releases.candidate) or f"  Pulumi.{stack}.yaml has the release already", flush=True)
    print(f"  {stack}: brought up with {record.releases.candidate.version}, the candidate has all traffic", flush=True)
    bring_up(stack)
    if deployed(stack).digest != record.releases.candidate.digest:
        raise CutoverError(
            f"{stack} has deployed another release than the candidate's, {record.releases.candidate.digest[:12]}: look "
            f"at Pulumi.{stack}.yaml, then cutover finish -s {stack} goes on"
        )
    turn = control.finish()
    reported(control, Ticked(turn.record, left=turn.left))
    ended(turn)


def _rise(to: State, stack: str, wait: float | None, despite: str | None, by: str | None) -> None:
    from cutover.rollout.opening import opened

    control = opened(stack, by=by)
    ended(control.rise(to, str(to), despite=despite))
    follow(control, wait)
