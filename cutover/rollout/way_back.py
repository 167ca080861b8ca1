"""The way back, step by step: a rollback, and what every tick makes up for.

The traffic comes first. What cannot be reached after it is left to the next tick.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime

from cutover.errors import CutoverError, RefusedError, TrafficError, UnreachableError
from cutover.rollout import machine, steps
from cutover.rollout.effects import (
    Accepted,
    Answers,
    ConflictError,
    Kept,
    ReadCopy,
    ReadJournal,
    ReadRecord,
    ReadWeight,
    Steps,
    TakeBack,
    WriteDown,
    WriteRecord,
)
from cutover.rollout.record import Last, Record, State
from cutover.rollout.steps import RECORD, WEIGHT, Turn
from cutover.traffic.split import Mark, Share

TRIES = 5
"""How often a rollback writes its record again that somebody else's was written before."""


def roll_back(last: Last, at: datetime, *, anyway: bool = False) -> Steps[Turn]:
    """All traffic to stable at once; then record, flags and notice, as far as they can be reached.

    Raises RefusedError, with the traffic as it was, where there is no way back: past production, but for a candidate
    that a person has taken the traffic from; without a stable
    release that answers (unless `anyway`), or over a migration that stable does not survive.
    """
    try:
        routed: Share | None = yield ReadWeight()
    except TrafficError:
        routed = None
    known = yield from _known(routed)
    back = machine.rolled_back(known, last, at, taken=routed is not None and not routed.weight)
    if not anyway and (routed is None or routed.weight):
        yield from _require_stable(known)
    yield TakeBack(known)
    left: dict[str, None] = {}
    yield from steps.keep(back, left)
    written = yield from _write_back(back, last, at, left)
    tell = known.state is not State.ROLLED_BACK
    if RECORD not in left:
        return (yield from steps.put_in_force(written, tell=tell))
    yield from steps.write_flags(written, left)
    return (yield from steps.ended(written, left, tell=tell))


def catch_up(at: datetime, last: Last) -> Steps[Record | None]:
    """What every tick does first: what a turn could not reach, and what does not follow from the record any more.

    A rollout that what routes has as taken back is written down as that, as this machine's copy knows it, else as
    this tick's. The weight is lowered to the record's and never raised: that is a verb's. Returns the record; while
    it cannot be read the copy of this machine; None where there was no rollout. While either it or what routes cannot
    be read nothing is changed. Raises why it cannot be read where there is no copy: then nobody watches.
    """
    copy: Record | None = None
    try:
        kept: Kept | None = yield ReadRecord()
    except CutoverError:
        copy = yield ReadCopy()
        if copy is None:
            raise
        return copy
    if kept is None:
        return None
    record, left = kept.record, dict[str, None]()
    try:
        routed: Share = yield ReadWeight()
    except TrafficError:
        yield from _weight_left(record)
        return record
    taken = record.state.running and record.id in routed.taken_back
    if taken:
        copy = yield ReadCopy()
        whose = copy.last if copy and copy.id == record.id and copy.state is State.ROLLED_BACK else last
        record = yield from _write_back(record, whose, at, left)
        if RECORD in left:
            return record
    turn = yield from steps.put_in_force(record, tell=taken)
    if turn.record.state is State.ROLLED_BACK and turn.record.mock_queue and not turn.left:
        turn = yield from _drain(turn)
    return turn.record


def _weight_left(record: Record) -> Steps[None]:
    """Has the journal say that the weight could not be read, beside what it says already."""
    journal: tuple[str, ...] = yield ReadJournal()
    if WEIGHT not in journal:
        with suppress(CutoverError):
            yield WriteDown(record, (*journal, WEIGHT))


def _drain(turn: Turn) -> Steps[Turn]:
    """After a rollback: the candidate's worker delivers while something is left that the candidate has accepted."""
    try:
        accepted: int = yield Accepted()
    except CutoverError:
        return turn
    more = accepted > 0
    if more is turn.record.draining:
        return turn
    return (yield from steps.change(lambda now: machine.draining(now, more, now.last)))


def _known(routed: Share | None) -> Steps[Record]:
    """The running rollout as this machine knows it; the bucket's where it knows none, or what routes knows a newer.

    Raises UnreachableError where neither can be read, or the copy is past the way back and what routes knows a newer.
    """
    copy: Record | None = yield ReadCopy()
    mark = routed.mark if routed else None
    newer: Mark | None = None
    if mark and copy and mark.revision > copy.revision and (mark.final or mark.rollout != copy.id):
        newer = mark
    if copy and copy.state.running and copy.way_back and not newer:
        return copy
    try:
        kept = yield from steps.current()
    except RefusedError:
        raise
    except CutoverError as error:
        if copy is None or (newer and (newer.final or not copy.way_back)):
            raise UnreachableError(str(error)) from None
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


def _write_back(back: Record, last: Last, at: datetime, left: dict[str, None]) -> Steps[Record]:
    """Writes that what runs is rolled back, whatever the bucket has of it; else notes it as left.

    What has taken the traffic back is what routes: a record that says `finishing` came too late. A rollout that this
    machine did not know of is taken back there first.
    """
    for _ in range(TRIES):
        try:
            kept = yield from steps.current()
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
        except TrafficError:
            raise
        except CutoverError:
            break
        yield from steps.keep(back, left)
        return back
    left[RECORD] = None
    yield from steps.keep(back, left)
    return back
