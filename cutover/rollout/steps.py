"""The verbs, step by step: what is read and changed, in which order, and what is done where something is away.

The steps run for real in `world`, and in a model that tries every order of two controllers that die between any two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from cutover.errors import NoRolloutError, RefusedError, TrafficError, UnreachableError
from cutover.rollout import machine
from cutover.rollout.effects import (
    Accepted,
    Answers,
    ConflictError,
    KeepCopy,
    KeepTasks,
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
from cutover.traffic.split import Share
from outputs.release import Track

TRACKS: tuple[Track, ...] = ("candidate", "stable")
RECORD, FLAGS, TASKS, NOTICE = "record", "flags", "tasks", "notice"
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
    return (yield from put_in_force(record, anew=True))


def change(turn: Callable[[Record], Record], *, anew: bool = False) -> Steps[Turn]:
    """The record that follows from the one in the bucket, written on its condition and put in force.

    A turn into another state sets the weight, and one that begins its state `anew`; every other may only lower it.
    Raises what `turn` refuses, ConflictError when another was quicker, UnreachableError when the record or the flags of
    a rise cannot be read or written, TrafficError when the weight cannot be set.
    """
    kept = yield from _current()
    record = turn(kept.record)
    if record.revision != kept.record.revision:
        yield from _write(record, kept)
    turned = record.state is not kept.record.state
    return (yield from put_in_force(record, anew=anew or turned, tell=turned))


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
            now = yield from _current()
        except UnreachableError:
            left[RECORD] = None
            break
        yield KeepCopy(now.record)
        if now.record.revision == record.revision:
            break
        record, refused = now.record, None
        yield from _lower(record, left)
    if refused:
        raise refused
    return (yield from _ended(record, left, tell=tell))


def roll_back(last: Last, at: datetime, *, anyway: bool = False) -> Steps[Turn]:
    """All traffic to stable at once; then record, flags and notice, as far as they can be reached.

    Raises RefusedError, with the traffic as it was, where there is no way back: past production, without a stable
    release that answers (unless `anyway`), or over a migration that stable does not survive.
    """
    try:
        routed: Share | None = yield ReadWeight()
    except TrafficError:
        routed = None
    known = yield from _known(routed)
    back = machine.rolled_back(known, last, at)
    if not anyway and (routed is None or routed.weight):
        yield from _require_stable(known)
    yield TakeBack(known)
    yield KeepCopy(back)
    left: dict[str, None] = {}
    written = yield from _write_back(back, last, at, left)
    tell = known.state is not State.ROLLED_BACK
    if not left:
        return (yield from put_in_force(written, tell=tell))
    yield from _flags(written, left)
    return (yield from _ended(written, left, tell=tell))


def catch_up(at: datetime, last: Last) -> Steps[Record | None]:
    """What every tick does first: what a turn could not reach, and what does not follow from the record any more.

    A rollout that what routes has as taken back is written down as that, as this machine's copy knows it, else as
    this tick's. The weight is lowered to the record's and never raised: that is a verb's. Returns the record; while
    the bucket does not answer the copy of this machine, and nothing is changed; None where there was no rollout.
    """
    copy: Record | None = None
    try:
        kept: Kept | None = yield ReadRecord()
    except UnreachableError:
        copy = yield ReadCopy()
        return copy
    if kept is None:
        return None
    record, left = kept.record, dict[str, None]()
    routed: Share = yield ReadWeight()
    taken = record.state.running and record.id in routed.taken_back
    if taken:
        copy = yield ReadCopy()
        whose = copy.last if copy and copy.id == record.id and copy.state is State.ROLLED_BACK else last
        record = yield from _write_back(record, whose, at, left)
        if left:
            return record
    turn = yield from put_in_force(record, tell=taken)
    if turn.record.state is State.ROLLED_BACK and turn.record.mock_queue and not turn.left:
        turn = yield from _drain(turn)
    return turn.record


def _drain(turn: Turn) -> Steps[Turn]:
    """After a rollback: the candidate's worker delivers while something is left that the candidate has accepted."""
    try:
        accepted: int = yield Accepted()
    except UnreachableError:
        return turn
    more = accepted > 0
    if more is turn.record.draining:
        return turn
    return (yield from change(lambda now: machine.draining(now, more, now.last)))


def _current() -> Steps[Kept]:
    """The record in the bucket. Raises NoRolloutError where there is none."""
    kept: Kept | None = yield ReadRecord()
    if kept is None:
        raise NoRolloutError("there is no rollout: begin one, cutover canary")
    return kept


def _known(routed: Share | None) -> Steps[Record]:
    """The running rollout as this machine knows it; the bucket's where it knows none, or what routes knows a newer."""
    copy: Record | None = yield ReadCopy()
    mark = routed.mark if routed else None
    newer = mark and copy and mark.rollout != copy.id and mark.revision > copy.revision
    if copy and copy.state.running and copy.way_back and not newer:
        return copy
    try:
        kept = yield from _current()
    except UnreachableError:
        if copy is None:
            raise
        return copy
    return kept.record


def _require_stable(record: Record) -> Steps[None]:
    """Raises RefusedError where stable does not answer and the candidate does: traffic would go nowhere."""
    stable: bool | None = yield Answers("stable")
    if stable is False and (yield Answers("candidate")):
        raise RefusedError(
            f"stable ({record.releases.stable.version}) does not answer and the candidate does: start it, or take the "
            "traffic back all the same with --anyway"
        )


def _write(record: Record, kept: Kept | None) -> Steps[None]:
    yield WriteRecord(record, kept.etag if kept else None)
    yield KeepCopy(record)


def _write_back(back: Record, last: Last, at: datetime, left: dict[str, None]) -> Steps[Record]:
    """Writes that what runs is rolled back, whatever the bucket has of it; else notes it as left.

    What has taken the traffic back is what routes: a record that says `finishing` came too late. A rollout that this
    machine did not know of is taken back there first.
    """
    for _ in range(TRIES):
        try:
            kept = yield from _current()
            if kept.record.id != back.id and kept.record.state.running:
                yield TakeBack(kept.record)
            if kept.record.state.running:
                back = machine.rolled_back(kept.record, last, at, taken=True)
            else:
                back = machine.claimed(kept.record, back.last) if kept.record.id == back.id else kept.record
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
        yield from _flags(record, left)
    return None


def _lower(record: Record, left: dict[str, None]) -> Steps[None]:
    """The weight where it is above the record's, then flags and tasks. Who has put a newer one in force lowers it."""
    routed: Share = yield ReadWeight()
    if routed.weight > record.weight:
        try:
            yield SetWeight(record)
        except RefusedError:
            return
    yield from _flags(record, left)


def _flags(record: Record, left: dict[str, None]) -> Steps[None]:
    for track in TRACKS:
        try:
            yield WriteFlags(track, record.flags(track))
        except UnreachableError:
            left[f"{FLAGS} {track}"] = None
    try:
        yield KeepTasks(record)
    except UnreachableError:
        left[TASKS] = None


def _ended(record: Record, left: dict[str, None], *, tell: bool) -> Steps[Turn]:
    """Tells people of a turn, this one or one that they were not told of, and writes down what was left."""
    journal: tuple[str, ...] = yield ReadJournal()
    if tell or NOTICE in journal:
        try:
            yield Tell(record)
        except UnreachableError:
            left[NOTICE] = None
    if journal or left:
        yield WriteDown(record, tuple(left))
    return Turn(record, tuple(left))
