"""The state machine: which record follows another, by which verb. Pure; what it refuses, it refuses by name."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from cutover.errors import HeldError, RefusedError
from cutover.rollout.phases import FlagValues
from cutover.rollout.record import Last, Record, State

UPWARD = {
    State.CANARY: State.PREPARED,
    State.STAGED: State.CANARY,
    State.PRODUCTION: State.STAGED,
    State.FINISHING: State.PRODUCTION,
}
"""What a state may be entered from. Each is a rise of the weight, or ends the way back."""
VERBS = {State.CANARY: "canary", State.STAGED: "staged", State.PRODUCTION: "production", State.FINISHING: "finish"}


def begun(before: Record | None, new: Record) -> Record:
    """A new rollout, prepared. Raises RefusedError while another runs."""
    if before and before.state.running:
        raise RefusedError(
            f"rollout {before.id} of {before.releases.candidate.version} is {before.state}: {ending(before)}"
        )
    if before:
        new = replace(
            new, revision=before.revision + 1, cleanup_locked=before.cleanup_locked, stable_flags=_own_flags(before)
        )
    return new


def ending(record: Record) -> str:
    """How a running rollout is ended, for whoever has to wait for that."""
    if record.one_way and record.way_back:
        return f"finish it first, cutover status -s {record.stack}"
    if record.way_back:
        return f"finish it or roll it back first, cutover status -s {record.stack}"
    return f"finish it first, cutover finish -s {record.stack}"


def risen(record: Record, to: State, last: Last, at: datetime) -> Record:
    """The next state upward. Raises RefusedError from any other than the one before it, HeldError while it is held.

    Whether the gates have passed is not asked here.
    """
    if record.state is not UPWARD[to]:
        way = next((verb for state, verb in VERBS.items() if UPWARD[state] is record.state), None)
        raise RefusedError(
            f"rollout {record.id} is {record.state}, and {VERBS[to]} follows {UPWARD[to]}: "
            + (f"cutover {way} -s {record.stack} is next" if way else f"begin with cutover canary -s {record.stack}")
        )
    if record.hold:
        raise HeldError(f"rollout {record.id} is held in {record.state}: {record.hold}; cutover resume goes on")
    return _next(record, last, state=to, since=at, extended=False)


def finished(record: Record, last: Last, at: datetime) -> Record:
    """The end: what was the candidate is stable, and the clean-up jobs delete again. Only out of finishing."""
    if record.state is not State.FINISHING:
        raise RefusedError(f"rollout {record.id} is {record.state}: only one that is finishing can be finished")
    return _next(record, last, state=State.FINISHED, since=at, hold=None, cleanup_locked=False)


def rolled_back(record: Record, last: Last, at: datetime, *, taken: bool = False) -> Record:
    """All traffic to stable, flags 0, clean-up jobs locked; from any state before finishing.

    Out of finishing, and over a migration that stable does not survive, only where the candidate has no traffic,
    `taken`: it got none yet, what routes has latched it, or a person has lowered the weight to 0. The candidate's
    worker goes on where it has accepted alerts that stable's queue, a mock, does not have. A record that says so
    already stays as it is, but for who says why where nobody has. Raises RefusedError when there is no way back.
    """
    if record.state is State.ROLLED_BACK:
        return claimed(record, last)
    if record.state is State.FINISHING and not taken:
        raise RefusedError(
            f"rollout {record.id} is finishing: {record.releases.candidate.version} is being made stable's own "
            f"release; cutover finish -s {record.stack} goes on. While stable runs {record.releases.stable.version} "
            f"still, cutover traffic -s {record.stack} 0 gives it all of the traffic, and then cutover rollback -s "
            f"{record.stack} writes that down"
        )
    if record.state is State.FINISHED:
        raise RefusedError(
            f"rollout {record.id} is {record.state}: {record.releases.candidate.version} is stable's own release now, "
            "and there is no way back; begin a rollout of the release that you want"
        )
    if record.releases.one_way and not taken:
        raise RefusedError(
            f"rollout {record.id} has no way back: {record.releases.stable.version} does not survive "
            f"{record.releases.one_way}; the rollout is to be held, and mended forward. cutover traffic -s "
            f"{record.stack} 0 gives stable all of the traffic even so, and then cutover rollback -s {record.stack} "
            "writes that down"
        )
    return _next(
        record,
        last,
        state=State.ROLLED_BACK,
        since=at,
        hold=None,
        cleanup_locked=True,
        draining=record.mock_queue and record.flags("candidate").alerts_consume,
    )


def claimed(record: Record, last: Last) -> Record:
    """The same, taken back by `last`, where a tick has seen it first and wrote down nobody's reason."""
    seen_first = record.last.verb == "tick" and not record.last.why
    if record.state is not State.ROLLED_BACK or not seen_first or last.verb == record.last.verb:
        return record
    return _next(record, last)


def held(record: Record, why: str, last: Last) -> Record:
    """The same state, held. The first reason stays; a person's is added to it. Raises RefusedError outside of a running
    rollout."""
    _require_running(record, "hold")
    if not record.hold:
        return _next(record, last, hold=why)
    if last.verb == "tick" or why in record.hold:
        return record
    return _next(record, last, hold=f"{record.hold}; {last.by}: {why}")


def resumed(record: Record, last: Last, at: datetime) -> Record:
    """The same state, not held, its phase begun anew: what was counted before the resumption counts no more."""
    _require_running(record, "resume")
    return _next(record, last, hold=None, since=at, extended=False)


def cleaning(record: Record, last: Last) -> Record:
    """The same state, the clean-up jobs free to delete again."""
    return _next(record, _after_rollback(record, last), cleanup_locked=False)


def flagged(
    record: Record, last: Last, *, auto_pause: float | None = None, batch_promote: float | None = None
) -> Record:
    """The same state, these of stable's own flags changed. Raises RefusedError while a rollout runs."""
    if record.state.running:
        raise RefusedError(
            f"rollout {record.id} is {record.state}, and stable's flags are changed once it is over: {ending(record)}"
        )
    own = record.own_flags
    own = replace(
        own,
        auto_pause=own.auto_pause if auto_pause is None else auto_pause,
        batch_promote=own.batch_promote if batch_promote is None else batch_promote,
    )
    last = _after_rollback(record, last)
    if record.state is State.ROLLED_BACK:
        return _next(record, last, stable_flags=own)
    return _next(record, last, phases=[*record.phases[:-1], replace(record.phases[-1], flags=own)])


def extended(record: Record, last: Last) -> Record:
    """The same phase for a second hold, because the first has seen too little; once."""
    if record.extended:
        raise RefusedError(f"rollout {record.id}: {record.state} was extended already, and is held")
    return _next(record, last, extended=True)


def draining(record: Record, more: bool, last: Last) -> Record:
    """After a rollback: the candidate's worker delivers while there is `more` that was accepted, and then rests."""
    if record.state is not State.ROLLED_BACK or record.draining is more:
        return record
    return _next(record, last, draining=more)


def signed(record: Record, pack: str, by: list[str], last: Last) -> Record:
    """A prepared rollout on a pack that was approved, or that goes on without for a reason. Raises RefusedError for any
    other."""
    if record.state is not State.PREPARED:
        raise RefusedError(
            f"rollout {record.id} is {record.state}, and only one that is prepared is signed: look at it, cutover "
            f"status -s {record.stack}"
        )
    return _next(record, last, pack=pack, signed=by)


def _after_rollback(record: Record, last: Last) -> Last:
    """Who writes this revision; why it was rolled back stays, with their own reason beside it."""
    said = record.last.said
    if record.state is not State.ROLLED_BACK:
        return last
    return replace(last, why=said if last.said in said else f"{said}; {last.said}")


def _next(record: Record, last: Last, **changes: object) -> Record:
    return replace(record, revision=record.revision + 1, last=last, **changes)  # type: ignore[arg-type]


def _own_flags(before: Record) -> FlagValues:
    """Stable's own flags after a rollout: without the lock, which the record keeps by itself."""
    return replace(before.own_flags, cleanup_dry_run=False)


def _require_running(record: Record, verb: str) -> None:
    if not record.state.running:
        raise RefusedError(f"rollout {record.id} is {record.state}: there is nothing to {verb}")
