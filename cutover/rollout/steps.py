"""The verbs, step by step: what is read and changed, in which order, and what is done where something is away.

The steps run for real in `world`, and in a model that tries every order of two controllers that die between any two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cutover.errors import CutoverError, NoRolloutError, RefusedError, TrafficError, UnreachableError
from cutover.rollout import machine
from cutover.rollout.effects import (
    KeepCopy,
    KeepTasks,
    Kept,
    ReadJournal,
    ReadRecord,
    ReadWeight,
    SetWeight,
    Steps,
    Tell,
    WriteDown,
    WriteFlags,
    WriteRecord,
)
from cutover.rollout.record import Record
from cutover.traffic.split import Share
from outputs.release import Track

TRACKS: tuple[Track, ...] = ("candidate", "stable")
RECORD, COPY, WEIGHT, FLAGS, TASKS, NOTICE, JOURNAL = "record", "copy", "weight", "flags", "tasks", "notice", "journal"
"""What a turn may leave, and the journal names unless it is itself left; flags with their track after a space."""


@dataclass(frozen=True)
class Turn:
    """What a verb has come to: the record in force, and what could not be reached and is in the journal."""

    record: Record
    left: tuple[str, ...] = ()


def begin(new: Record) -> Steps[Turn]:
    """A prepared rollout: its record, weight 0, and the flags of both tracks. Raises RefusedError while one runs."""
    kept: Kept | None = yield ReadRecord()
    record = machine.begun(kept.record if kept else None, new)
    yield from _write(record, kept)
    return (yield from put_in_force(record, anew=True))


def change(turn: Callable[[Record], Record], *, anew: bool = False) -> Steps[Turn]:
    """The record that follows from the one in the bucket, written on its condition and put in force.

    A turn into another state sets the weight, and one that begins its state `anew`; every other may only lower it.
    People are told of another state, and of a hold, a reason more of it, and its end.
    Raises what `turn` refuses, ConflictError when another was quicker, UnreachableError when the record or the flags of
    a rise cannot be read or written, TrafficError when a weight that may rise cannot be set.
    """
    kept = yield from current()
    record = turn(kept.record)
    if record.revision != kept.record.revision:
        yield from _write(record, kept)
    turned = record.state is not kept.record.state
    return (yield from put_in_force(record, anew=anew or turned, tell=turned or record.hold != kept.record.hold))


def put_in_force(record: Record, *, anew: bool = False, tell: bool = False) -> Steps[Turn]:
    """Traffic and flags as the record says; ends with the record that was in force when it had ended.

    Only `anew` sets the weight, which may rise; else it is lowered where it is above. Whoever wrote a newer record
    meanwhile is followed, downward: the record is read again until it is the one that was applied. Raises RefusedError
    where what routes does not take the weight, although nobody wrote a newer one.
    """
    left: dict[str, None] = {}
    refused: RefusedError | None = None
    if anew:
        refused = yield from _set(record, left)
    else:
        yield from _lower(record, left)
    while True:
        try:
            now = yield from current()
        except CutoverError:
            left[RECORD] = None
            break
        yield from keep(now.record, left)
        if now.record.revision == record.revision:
            break
        record, refused = now.record, None
        yield from _lower(record, left)
    if refused:
        raise refused
    return (yield from ended(record, left, tell=tell))


def current() -> Steps[Kept]:
    """The record in the bucket. Raises NoRolloutError where there is none."""
    kept: Kept | None = yield ReadRecord()
    if kept is None:
        raise NoRolloutError("there is no rollout: begin one, cutover canary -s STACK")
    return kept


def _write(record: Record, kept: Kept | None) -> Steps[None]:
    yield WriteRecord(record, kept.etag if kept else None)
    yield from keep(record, {})


def keep(record: Record, left: dict[str, None]) -> Steps[None]:
    """The copy on this machine; where it cannot be kept it is noted as left."""
    try:
        yield KeepCopy(record)
    except CutoverError:
        left[COPY] = None


def _set(record: Record, left: dict[str, None]) -> Steps[RefusedError | None]:
    """The weight, the flags, and that tasks are kept; the weight last, and not without them, where the candidate gets
    traffic.

    Returns the refusal where what routes does not take it.
    """
    if record.weight:
        try:
            for track in TRACKS:
                yield WriteFlags(track, record.flags(track))
            yield KeepTasks(record)
        except UnreachableError as error:
            raise UnreachableError(
                f"{error}; the record says {record.state}, and the weight is as it was: cutover resume -s "
                f"{record.stack} puts it in force"
            ) from None
    try:
        yield SetWeight(record)
    except RefusedError as refused:
        return refused
    if not record.weight:
        yield from write_flags(record, left)
    return None


def _lower(record: Record, left: dict[str, None]) -> Steps[None]:
    """The weight where it is above the record's, then flags and tasks. Who has put a newer one in force lowers it.

    A weight that cannot be read or lowered is noted as left; then a record that gives the candidate a share writes no
    flags: it may have been taken back.
    """
    try:
        routed: Share = yield ReadWeight()
        if routed.weight > record.weight:
            yield SetWeight(record)
    except RefusedError:
        return
    except TrafficError:
        left[WEIGHT] = None
        if record.weight:
            return
    yield from write_flags(record, left)


def write_flags(record: Record, left: dict[str, None]) -> Steps[None]:
    """The flags of both tracks, and that tasks are kept; what cannot be reached is noted as left."""
    for track in TRACKS:
        try:
            yield WriteFlags(track, record.flags(track))
        except CutoverError:
            left[f"{FLAGS} {track}"] = None
    try:
        yield KeepTasks(record)
    except CutoverError:
        left[TASKS] = None


def ended(record: Record, left: dict[str, None], *, tell: bool) -> Steps[Turn]:
    """Tells people of a turn, this one or one that they were not told of, and writes down what was left."""
    journal: tuple[str, ...] = yield ReadJournal()
    if tell or NOTICE in journal:
        try:
            yield Tell(record)
        except CutoverError:
            left[NOTICE] = None
    if journal or left:
        try:
            yield WriteDown(record, tuple(left))
        except CutoverError:
            left[JOURNAL] = None
    return Turn(record, tuple(left))
