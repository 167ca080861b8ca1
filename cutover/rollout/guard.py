"""What the guard rails of the program ask: whether a release may be changed or taken away now.

What routes is trusted before what is written. Where neither can be read, the answer is no, and a release may still
be let through by its name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cutover.errors import CutoverError, RefusedError, TrafficError
from cutover.rollout import machine
from cutover.rollout.record import Record, State
from outputs.guard import Guarded
from outputs.rollout import NAMED, by_name


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The candidate's share, and every revision of the base's record, the newest first; None where the newest cannot be
    read, and empty where there was no rollout."""

    weight: int | None
    records: Sequence[Record] | None

    @property
    def now(self) -> Record | None:
        return self.records[0] if self.records else None


def objection(told: Mapping[str, Any], *, new: bool, preview: bool) -> str | None:
    """Why the release that a Guarded describes may not be brought up now; None where it may.

    One that is `new` in its stack replaces nothing. A preview refuses what it knows, and nothing for want of a look.
    """
    guarded = Guarded.from_output(told)
    if _by_name(guarded) or (new and (preview or guarded.track == "stable")):
        return None
    seen = look(guarded)
    if guarded.track == "stable":
        why = against_stable(guarded, seen)
    else:
        why = (None if new else against_candidate(guarded, seen)) or against_superseded(guarded, seen)
    blind = seen.records is None and not seen.weight
    return None if preview and blind else why


def require_removable(told: Mapping[str, Any]) -> None:
    """Raises RefusedError while the candidate that a Guarded describes may not be taken away."""
    guarded = Guarded.from_output(told)
    why = None if _by_name(guarded) else against_candidate(guarded, look(guarded))
    if why:
        raise RefusedError(why)


def look(guarded: Guarded) -> Seen:
    """What routes, asked only for a candidate, and what is written; each as far as it can be read."""
    from cutover import aws
    from cutover.evidence.bucket import RecordsBucket
    from cutover.rollout.store import Store
    from cutover.traffic import traffic_split
    from cutover.traffic.split import NothingRoutesError

    weight: int | None = None
    if guarded.traffic:
        try:
            weight = traffic_split(guarded.traffic).get().weight
        except NothingRoutesError:
            weight = 0
        except TrafficError:
            weight = None
    try:
        store = Store(RecordsBucket(guarded.records_bucket, aws.client("s3", guarded)))
        store.read()  # the newest must be readable: what runs now is not guessed
        read = [record for _, record in store.versions()]
    except CutoverError:
        return Seen(weight=weight, records=None)
    return Seen(weight=weight, records=sorted(read, key=lambda record: record.revision, reverse=True))


def against_candidate(guarded: Guarded, seen: Seen) -> str | None:
    """Why a candidate may not be changed or taken away: it has traffic, or delivers what it has accepted."""
    now, base = seen.now, guarded.base
    if seen.weight:
        return f"the candidate has {seen.weight} % of the traffic: {_first(base, now)}; {_or_by_name(guarded)}"
    if now and now.weight:
        return (
            f"rollout {now.id} is {now.state}, so the candidate has or is about to have {now.weight} % of the traffic: "
            f"{_first(base, now)}; {_or_by_name(guarded)}"
        )
    if now and now.draining:
        return (
            f"rollout {now.id} was rolled back, and the candidate's worker still delivers what it has accepted: wait "
            f"until nothing is left, cutover status -s {base} counts it; {_or_by_name(guarded)}"
        )
    if seen.weight is None and seen.records is None:
        return (
            f"neither what routes nor the record in {guarded.records_bucket} can be read, so nobody knows whether the "
            f"candidate has traffic: look at cutover traffic -s {base}; {_or_by_name(guarded)}"
        )
    return None


def against_stable(guarded: Guarded, seen: Seen) -> str | None:
    """Why a base may not get another release: a rollout runs that would return to the one it has, or it is old."""
    if seen.records is None:
        return (
            f"the record in {guarded.records_bucket} cannot be read, so nobody knows whether a rollout runs that "
            f"returns to the release that is there: look at cutover status -s {guarded.base}; {_or_by_name(guarded)}"
        )
    now = seen.now
    finishing = now and now.state is State.FINISHING and now.releases.candidate.digest == guarded.release
    if now and now.state.running and not finishing:
        aim = f"returns to {now.releases.stable.version}, which this would replace"
        if now.one_way or not now.way_back:
            aim = f"makes {now.releases.candidate.version} the release here"
        return f"rollout {now.id} is {now.state}, and {aim}: {machine.ending(now)}; {_or_by_name(guarded)}"
    return against_superseded(guarded, seen)


def against_superseded(guarded: Guarded, seen: Seen) -> str | None:
    """Why a release may not come back: a rollout that was finished has put another in its place, or came after it."""
    records = list(seen.records or ())
    finished = next((at for at, record in enumerate(records) if record.state is State.FINISHED), None)
    if finished is None or records[finished].releases.candidate.digest == guarded.release:
        return None
    for record in records[finished:]:
        for release in (record.releases.stable, record.releases.candidate):
            if release.digest == guarded.release:
                newer = records[finished]
                return (
                    f"release {release.version} ({guarded.release[:NAMED]}) is superseded: rollout {newer.id} was "
                    f"finished after it with {newer.releases.candidate.version}; bring this checkout up to date, or "
                    f"{_by_name_way(guarded)}"
                )
    return None


def _first(base: str, now: Record | None) -> str:
    if now and now.state is State.FINISHING:
        return f"let it be finished first, cutover finish -s {base}"
    if now and now.one_way:
        return f"it does not go back, let it be finished first, cutover status -s {base}"
    return (
        f"take it back first, cutover {f'rollback -s {base}' if now and now.state.running else f'traffic -s {base} 0'}"
    )


def _by_name(guarded: Guarded) -> bool:
    return bool(guarded.may_replace and guarded.release.startswith(guarded.may_replace))


def _or_by_name(guarded: Guarded) -> str:
    return f"or {_by_name_way(guarded)}"


def _by_name_way(guarded: Guarded) -> str:
    return f"let it through by name, {by_name(guarded.release, guarded.stack)} and up"
