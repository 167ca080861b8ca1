"""A stack's rollout, opened for a verb: where it is, from this machine's copy, its bucket, or the stack's outputs."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from cutover import aws
from cutover.errors import CutoverError, NoRolloutError, NotPreparedError, RefusedError, UnreachableError
from cutover.evidence.bucket import RecordsBucket
from cutover.rollout.controller import Controller, Ticked
from cutover.rollout.effects import Accepted, ReadJournal
from cutover.rollout.record import Record, State, Targets
from cutover.rollout.store import LOCAL, Copy, Store
from cutover.rollout.world import RealWorld
from cutover.smoke.finding import now

if TYPE_CHECKING:
    from cutover.gates.judgement import Judgement
    from cutover.rollout.journal import BucketJournal
    from cutover.rollout.status import Status

REGION = "AWS_REGION"


def opened(
    stack: str,
    *,
    by: str | None = None,
    targets: Targets | None = None,
    folder: Path = LOCAL,
    journal: BucketJournal | None = None,
) -> Controller:
    """The controller of a stack, which keeps what it sees in `folder`, its journal too where no other is given; without
    `targets`, where its newest record there says.

    Only where there is none, Pulumi is asked. Raises what the outputs do.
    """
    copy = Copy(stack, folder)
    if targets is None:
        record = copy.read()
        targets = record.targets if record else _asked(stack)
    return Controller(
        stack=stack,
        by=by or whoever(),
        world=RealWorld(copy, targets, journal),
        judge=lambda record: _judged(copy, record),
        frozen=lambda at: _frozen(stack, at),
        ready=_ready,
        now=now,
    )


def records_in(bucket: str) -> RecordsBucket:
    """A records bucket by its name alone. Raises NotPreparedError where the environment names no region."""
    region = os.environ.get(REGION)
    if not region:
        raise NotPreparedError(f"{REGION} is not set: with --records it must name the region of {bucket}")
    return RecordsBucket(bucket, aws.client("s3", aws.Account(region=region)))


def targets_in(stack: str, bucket: str) -> Targets:
    """What a stack's rollout acts on, as its record in `bucket` says: Pulumi, its state and its key are asked nothing.

    Raises NoRolloutError where the bucket has none, RefusedError where it has another stack's, and what reading does.
    """
    kept = Store(records_in(bucket)).read()
    if kept is None:
        raise NoRolloutError(f"there is no rollout in {bucket}: look at its name, {stack} may have another")
    if kept.record.stack != stack:
        raise RefusedError(f"{bucket} has the rollout of {kept.record.stack}, not of {stack}: name that stack's bucket")
    return kept.record.targets


def shown(control: Controller) -> Status:
    """Where the rollout is, what routes read back; by this machine's copy while the bucket does not answer.

    Raises NoRolloutError without a rollout, UnreachableError where neither bucket nor copy says whether there is one.
    """
    world = control.world
    assert isinstance(world, RealWorld)
    try:
        record = control.current()
    except UnreachableError:
        record = world.copy.read()
        if record is None:
            raise
    if record is None:
        raise NoRolloutError(f"there is no rollout on {control.stack}: begin one, cutover canary -s {control.stack}")
    judgement = control.judge(record) if record.phase and record.way_back else None
    return status_of(control, record, judgement, world.do(ReadJournal()))


def reported(control: Controller, ticked: Ticked) -> Status | None:
    """Where the rollout is after a tick, None without one; brings its page up to date, and once it is over its pack."""
    from cutover.rollout.report import Report

    if ticked.record is None:
        return None
    world = control.world
    assert isinstance(world, RealWorld)
    status = status_of(control, ticked.record, ticked.judgement, world.do(ReadJournal()))
    Report(world.copy, RecordsBucket.of(world.targets.places, aws.HURRIED)).update(ticked.record, status)
    return status


def status_of(control: Controller, record: Record, judgement: Judgement | None, left: Sequence[str]) -> Status:
    """The status of a record, with what routes read back, and what is left of what a candidate that was rolled back has
    accepted."""
    from cutover.rollout.status import Routes, Status

    world, accepted = control.world, None
    assert isinstance(world, RealWorld)
    if record.draining:
        try:
            accepted = world.do(Accepted())
        except CutoverError as error:
            accepted = error
    return Status.of(record, Routes.of(world.split), control.now(), judgement, left, accepted)


def whoever() -> str:
    """Who types: the pipeline's own name for itself, else user and machine."""
    return os.environ.get("GITHUB_ACTOR") or f"{getpass.getuser()}@{socket.gethostname()}"


def _judged(copy: Copy, record: Record) -> Judgement:
    from cutover.gates.source import source_of
    from cutover.rollout.observing import judged

    with source_of(record.targets.traffic, record.targets.places) as source:
        return judged(record, source, copy.folder)


def _asked(stack: str) -> Targets:
    from cutover.rollout.proposal import targets_of
    from cutover.stacks.outputs import outputs

    return targets_of(outputs(stack))


def _ready(record: Record, to: State) -> None:
    from cutover.rollout.tasks import require_ready

    require_ready(record, to)


def _frozen(stack: str, at: datetime) -> str | None:
    from cutover.rollout.freeze import frozen
    from cutover.rollout.settings import settings_of

    found = frozen(settings_of(stack).freeze, at)
    return None if found is None else f"{found.reason}, until {found.until:%Y-%m-%d %H:%M} UTC"
