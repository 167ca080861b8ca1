"""Rollouts in each state, with the samples and changes that led there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from cutover.gates.counts import Counts, TrackCounts
from cutover.gates.judgement import Judgement
from cutover.gates.probe import Probed, Probes
from cutover.gates.samples import Sample
from cutover.rollout.history import Change
from cutover.rollout.record import Last, Record, State
from cutover.rollout.status import Routes, Status
from tests.support.rollouts import RECORD

BEGUN = datetime(2026, 11, 29, 5, 0, tzinfo=UTC)
OPERATOR = Last(by="grace@desk", verb="canary")


PREPARED = replace(
    RECORD, revision=7, id="20261129T050000Z", state=State.PREPARED, since=BEGUN, last=OPERATOR, pack="5d3f0a" * 10
)


def counted(
    since: datetime, seconds: float, weight: int, *, slow: float = 0.002, bad: float = 0.001, spooled: float = 0.0
) -> Counts:
    """Ten requests a second for so long, of which the candidate got its share, and some that were slow or bad; of the
    audit writes of both tracks some were spooled."""

    def track(requests: float, slow: float, bad: float) -> TrackCounts:
        return TrackCounts(
            asked=round(requests),
            requests=round(requests),
            errors=round(requests * bad),
            slower_than_1500ms=round(requests * slow),
            slower_than_1200ms=round(requests * slow * 1.2),
            slower_than_stable=round(requests * slow),
            audit_writes=round(requests / 10),
            audit_elsewhere=round(requests / 10 * spooled),
            audit_timed=round(requests / 10),
        )

    candidate = 10 * seconds * weight / 100
    return Counts(
        since=since,
        until=since + timedelta(seconds=seconds),
        observed=seconds,
        stable=track(10 * seconds - candidate, 0.002, 0.001),
        candidate=track(candidate, slow, bad),
        slow_bound=0.25,
        audit_per_minute=30.0,
    )


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """A rollout as of its status."""

    status: Status
    record: Record
    changes: Sequence[Change]
    samples: Sequence[Sample] = ()


def _turn(record: Record, state: State, minutes: float, last: Last, **other: object) -> Record:
    return replace(
        record,
        revision=record.revision + 1,
        state=state,
        since=BEGUN + timedelta(minutes=minutes),
        last=last,
        signed=["devops", "backend", "frontend"],
        **other,  # type: ignore[arg-type]
    )


def _changes(*records: Record) -> list[Change]:
    return [Change.of(record, record.since) for record in records]


def sampled(record: Record, counts: Counts) -> Sample:
    """What a look at a record's phase saw, both tracks answering."""
    phase = record.phase
    assert phase
    both = Probed(answered=True, away=[])
    return Sample(
        **vars(counts),
        rollout=record.id,
        phase=phase.name,
        hold=phase.hold,
        gates=phase.gates,
        adapters={"stable": record.releases.stable.adapters, "candidate": record.releases.candidate.adapters},
        probes=Probes(stable=both, candidate=both),
    )


def _samples(record: Record, minutes: float, *, slow: float = 0.002, spooled: float = 0.0) -> list[Sample]:
    return [
        sampled(record, counted(record.since, seconds, record.weight, slow=slow, spooled=spooled))
        for seconds in range(10, round(minutes * 60) + 1, 10)
    ]


def _of(
    records: Sequence[Record],
    samples: Sequence[Sample],
    at: datetime | None = None,
    *,
    judgement: Judgement | None = None,
    routes: Routes | None = None,
    left: Sequence[str] = (),
) -> Rollout:
    record = records[-1]
    status = Status.of(
        record,
        routes or Routes(weight=record.weight, rollout=record.id, revision=record.revision),
        at or (samples[-1].until if samples else record.since + timedelta(minutes=4)),
        judgement,
        left,
    )
    return Rollout(status=status, record=record, changes=_changes(*records), samples=samples)


def named(name: str) -> Rollout:
    """The rollout of a name."""
    return ROLLOUTS[name]


CANARY = _turn(PREPARED, State.CANARY, 5, OPERATOR)
STAGED = _turn(CANARY, State.STAGED, 36, Last(by="grace@desk", verb="staged"))
_SPOOLED = _samples(STAGED, 5, spooled=0.2)
HELD_WHY = _SPOOLED[-1].judged().why
HELD = replace(
    STAGED,
    revision=STAGED.revision + 1,
    hold=HELD_WHY,
    last=Last(by="watch", verb="tick", why=HELD_WHY, gate="audit elsewhere"),
)
BACK_WHY = "slow: 31 of 240 requests took more than 1.5 s, and the limit is 5 %"
BACK = _turn(
    CANARY,
    State.ROLLED_BACK,
    9,
    Last(by="watch", verb="tick", why=BACK_WHY, gate="slow"),
    cleanup_locked=True,
)
PRODUCTION = _turn(STAGED, State.PRODUCTION, 97, Last(by="ci", verb="production"))
FINISHED = _turn(
    _turn(PRODUCTION, State.FINISHING, 97 + 24 * 60, Last(by="grace@desk", verb="finish")),
    State.FINISHED,
    102 + 24 * 60,
    Last(by="grace@desk", verb="finish"),
)

_CANARY = _samples(CANARY, 12)
_WHOLE = _samples(CANARY, 30.5)
_HELD = [*_WHOLE, *_SPOOLED]
_STAGED = [*_WHOLE, *_samples(STAGED, 20)]
_DAY = [*_WHOLE, *_samples(STAGED, 61), *_samples(PRODUCTION, 24 * 60)]

ROLLOUTS = {
    "prepared": _of([PREPARED], []),
    "inconclusive": _of([PREPARED, CANARY], _CANARY, judgement=_CANARY[-1].judged()),
    "passed": _of([PREPARED, CANARY], _WHOLE, judgement=_WHOLE[-1].judged()),
    "held": _of([PREPARED, CANARY, STAGED, HELD], _HELD, judgement=_HELD[-1].judged()),
    "other weight": _of(
        [PREPARED, CANARY, STAGED],
        _STAGED,
        judgement=_STAGED[-1].judged(),
        routes=Routes(weight=10, rollout=CANARY.id, revision=CANARY.revision),
        left=["flags candidate"],
    ),
    "rolled back": _of([PREPARED, CANARY, BACK], _samples(CANARY, 4, slow=0.13), BACK.since + timedelta(minutes=2)),
    "finished": _of([PREPARED, CANARY, STAGED, PRODUCTION, FINISHED], _DAY),
}
