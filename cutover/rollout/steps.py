"""The verbs, step by step: what is read and changed, in which order, and what is done where something is away.

The steps run for real in `world`, and in a model that tries every order of two controllers that die between any two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cutover.errors import RefusedError, UnreachableError
from cutover.rollout import machine
from cutover.rollout.effects import (
    Accepted,
    Answers,
    ConflictError,
    KeepCopy,
    Kept,
    ReadCopy,
    ReadJournal,
    ReadRecord,
    ReadWeight,
    SetWeight,
    Steps,
    TakeBack,
    Tell,
    WriteDown,
    WriteFlags,
    WriteRecord,
)
from cutover.rollout.record import Last, Record, State
from outputs.release import Track

TRACKS: tuple[Track, ...] = ("candidate", "stable")
RECORD, FLAGS, NOTICE = "record", "flags", "notice"
"""What the journal may name; flags with their track after a space."""
TRIES = 5
"""How often a rollback writes its record again that somebody else's was written before."""


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
    return (yield from put_in_force(record))


def change(turn: Callable[[Record], Record]) -> Steps[Turn]:
    """The record that follows from the one in the bucket, written on its condition and put in force.

    Raises what `turn` refuses, ConflictError when another was quicker, UnreachableError when the record cannot be
    read or written, TrafficError when the weight cannot be set.
    """
    kept = yield from _current()
    record = turn(kept.record)
    if record.revision != kept.record.revision:
        yield from _write(record, kept)
    return (yield from put_in_force(record, tell=record.state is not kept.record.state))


def put_in_force(record: Record, *, tell: bool = False) -> Steps[Turn]:
    """Traffic, then flags, as the record says; ends with the record that was in force when it had ended.

    Whoever wrote a newer one meanwhile is followed: the record is read again until it is the one that was applied.
    """
    left: dict[str, None] = {}
    while True:
        yield SetWeight(record)
        yield from _flags(record, left)
        try:
            now = yield from _current()
        except UnreachableError:
            left[RECORD] = None
            break
        yield KeepCopy(now.record)
        if now.record.revision == record.revision:
            break
        record = now.record
    return (yield from _ended(record, left, tell=tell))


def roll_back(last: Last, at: datetime, *, anyway: bool = False) -> Steps[Turn]:
    """All traffic to stable at once; then record, flags and notice, as far as they can be reached.

    Raises RefusedError, with the traffic as it was, where there is no way back: past production, without a stable
    release that answers (unless `anyway`), or over a migration that stable does not survive.
    """
    known = yield from _known()
    back = machine.rolled_back(known, last, at)
    if not anyway:
        yield from _require_stable(known)
    yield TakeBack(known)
    left: dict[str, None] = {}
    written = yield from _write_back(back, last, at, left)
    yield from _flags(written, left)
    return (yield from _ended(written, left, tell=known.state is not State.ROLLED_BACK))


def catch_up(at: datetime, last: Last) -> Steps[Record | None]:
    """What every tick does first: what a turn could not reach, and what does not follow from the record any more.

    The weight is lowered to the record's and never raised: that is a verb's. Returns the record, or the copy of this
    machine while the bucket does not answer; None where there was no rollout.
    """
    journal: tuple[str, ...] = yield ReadJournal()
    copy: Record | None = yield ReadCopy()
    left: dict[str, None] = {}
    try:
        kept: Kept | None = yield ReadRecord()
        record = kept.record if kept else None
    except UnreachableError:
        record = copy
        left[RECORD] = None
    if record is None:
        return None
    if not left and RECORD in journal and copy and copy.id == record.id and copy.state is State.ROLLED_BACK:
        record = yield from _write_back(copy, copy.last, at, left)
    yield KeepCopy(record)
    if (yield ReadWeight()) > record.weight:
        yield TakeBack(record) if record.state is State.ROLLED_BACK else SetWeight(record)
    yield from _flags(record, left)
    if journal or left:
        yield from _ended(record, left, tell=NOTICE in journal)
    if record.draining and not left and (yield from _delivered()):
        drained = yield from change(lambda now: machine.drained(now, last) if now.draining else now)
        record = drained.record
    return record


def _current() -> Steps[Kept]:
    """The record in the bucket. Raises RefusedError where there is none."""
    kept: Kept | None = yield ReadRecord()
    if kept is None:
        raise RefusedError("there is no rollout: begin one, cutover canary -s STACK")
    return kept


def _known() -> Steps[Record]:
    """The running rollout as this machine knows it, and only where it knows none the bucket's."""
    copy: Record | None = yield ReadCopy()
    if copy and copy.state.running and copy.state is not State.FINISHING:
        return copy
    kept = yield from _current()
    return kept.record


def _require_stable(record: Record) -> Steps[None]:
    """Raises RefusedError where stable does not answer and the candidate does: traffic would go nowhere."""
    if not record.weight:
        return
    stable = yield Answers("stable")
    if not stable and (yield Answers("candidate")):
        raise RefusedError(
            f"stable ({record.releases.stable.version}) does not answer and the candidate does: start it, or take the "
            "traffic back all the same with --anyway"
        )


def _write(record: Record, kept: Kept | None) -> Steps[None]:
    yield WriteRecord(record, kept.etag if kept else None)
    yield KeepCopy(record)


def _write_back(back: Record, last: Last, at: datetime, left: dict[str, None]) -> Steps[Record]:
    """Writes that the rollout is rolled back over whatever the bucket has of it; else notes it as left.

    A rollout that is another one by now is left alone.
    """
    for _ in range(TRIES):
        try:
            kept = yield from _current()
            if kept.record.id != back.id:
                return back
            back = machine.rolled_back(kept.record, last, at)
            if back.revision != kept.record.revision:
                yield WriteRecord(back, kept.etag)
        except ConflictError:
            continue
        except (UnreachableError, RefusedError):
            break
        yield KeepCopy(back)
        return back
    left[RECORD] = None
    yield KeepCopy(back)
    return back


def _flags(record: Record, left: dict[str, None]) -> Steps[None]:
    for track in TRACKS:
        try:
            yield WriteFlags(track, record.flags(track))
        except UnreachableError:
            left[f"{FLAGS} {track}"] = None


def _delivered() -> Steps[bool]:
    """Whether the candidate has nothing left that it accepted; what cannot be asked may have."""
    try:
        accepted: int = yield Accepted()
    except UnreachableError:
        return False
    return accepted == 0


def _ended(record: Record, left: dict[str, None], *, tell: bool) -> Steps[Turn]:
    """Tells people of a turn, and writes down what was left."""
    if tell:
        try:
            yield Tell(record)
        except UnreachableError:
            left[NOTICE] = None
    yield WriteDown(record, tuple(left))
    return Turn(record, tuple(left))
