"""What a rollout is at: what routes, what each gate has seen, why it does not go on, and what to type next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Self

from cutover.errors import CutoverError, TrafficError
from cutover.gates.judgement import Judgement
from cutover.rollout.machine import UPWARD, VERBS
from cutover.rollout.record import Last, Record, State
from cutover.traffic.split import Share, TrafficSplit
from outputs.rollout import by_name
from outputs.shape import Shape


@dataclass(frozen=True, kw_only=True)
class Routes(Shape):
    """What routes, read back: the candidate's share in percent, by which revision of which rollout it was set, and
    which were taken back last, what else leads to a track; or `unread`, why it cannot be read."""

    weight: int | None = None
    rollout: str | None = None
    revision: int | None = None
    taken_back: Sequence[str] = field(default_factory=list)
    beside: Sequence[str] = field(default_factory=list)
    unread: str | None = None

    @classmethod
    def of(cls, split: TrafficSplit) -> Self:
        """What a split says."""
        try:
            return cls.of_share(split.get(), split.beside())
        except TrafficError as error:
            return cls(unread=str(error))

    @classmethod
    def of_share(cls, share: Share, beside: tuple[str, ...]) -> Self:
        """The same of a share that was read, and what is beside it."""
        mark = share.mark
        return cls(
            weight=share.weight,
            rollout=mark.rollout if mark else None,
            revision=mark.revision if mark else None,
            taken_back=sorted(share.taken_back),
            beside=list(beside),
        )


@dataclass(frozen=True, kw_only=True)
class Hint(Shape):
    """A command to type, and what it is for."""

    command: str
    what: str


@dataclass(frozen=True, kw_only=True)
class Status(Shape):
    """A rollout `at` a time. `weight` is the record's, and where `routes` differs that counts. `until` is when the
    phase has been held; `why` says in a line why it does not go on, `left` what could not be reached, `draining` that
    the worker of a candidate that was rolled back still delivers, None where it does not."""

    schema: Literal[1] = 1
    at: datetime
    stack: str
    id: str
    revision: int
    state: State
    since: datetime
    stable: str
    candidate: str
    weight: int
    routes: Routes
    hold: str | None
    extended: bool
    judgement: Judgement | None
    until: datetime | None
    why: str
    hints: Sequence[Hint]
    left: Sequence[str]
    draining: str | None = None
    last: Last

    @classmethod
    def of(
        cls,
        record: Record,
        routes: Routes,
        at: datetime,
        judgement: Judgement | None = None,
        left: Sequence[str] = (),
        accepted: int | CutoverError | None = None,
    ) -> Self:
        """The status that follows from the record, what routes, and the newest judgement of its phase. `accepted` is
        how many alerts wait that the candidate has accepted, or why nobody can say, where the record is draining."""
        on = record.state in (State.CANARY, State.STAGED, State.PRODUCTION)
        return cls(
            at=at,
            stack=record.stack,
            id=record.id,
            revision=record.revision,
            state=record.state,
            since=record.since,
            stable=record.releases.stable.version,
            candidate=record.releases.candidate.version,
            weight=record.weight,
            routes=routes,
            hold=record.hold,
            extended=record.extended,
            judgement=judgement if on else None,
            until=at + timedelta(seconds=judgement.remaining) if on and judgement else None,
            why=_why(record, routes, judgement if on else None),
            hints=list(_hints(record, routes, judgement if on else None, accepted)),
            left=list(left),
            draining=_draining(record, accepted),
            last=record.last,
        )

    @property
    def phase_on(self) -> bool:
        """Whether somebody must watch: the candidate has traffic that gates judge, and nobody holds it."""
        return self.state in (State.CANARY, State.STAGED, State.PRODUCTION) and not self.hold

    @property
    def held(self) -> bool:
        """Whether a hold keeps users at the candidate: then somebody must decide."""
        weight = self.weight if self.routes.weight is None else self.routes.weight
        return self.hold is not None and weight > 0

    @property
    def late(self) -> float:
        """How many seconds old the figures are that the gates were judged by, 0 without any."""
        return (self.at - self.judgement.at).total_seconds() if self.judgement else 0.0

    @property
    def lasted(self) -> float:
        """The seconds since the state began."""
        return (self.at - self.since).total_seconds()


def _why(record: Record, routes: Routes, judgement: Judgement | None) -> str:
    """The most urgent reason for where it is."""
    if routes.unread:
        return f"what routes cannot be read: {routes.unread}"
    if record.id in routes.taken_back and record.state.running:
        return f"it was taken back, and the record says {record.state} still: cutover tick -s {record.stack} mends that"
    if routes.weight is not None and routes.weight != record.weight:
        way = "tick lowers it" if routes.weight > record.weight else f"cutover resume -s {record.stack} sets it again"
        return f"{routes.weight} % is routed where the record says {record.weight} %: {way}"
    if routes.beside:
        return routes.beside[0]
    if record.hold:
        over = judgement is not None and judgement.action in ("wait", "rise")
        return f"by now no gate stands against it, it was held for: {record.hold}" if over else record.hold
    if judgement:
        return judgement.why
    return {
        State.PREPARED: f"{record.releases.candidate.version} is proven at weight 0, and "
        + ("signed" if record.signed else "canary goes on once its pack has three approvals"),
        State.FINISHING: f"{record.releases.candidate.version} is being made stable's own release",
        State.FINISHED: f"{record.releases.candidate.version} is stable's own release",
        State.ROLLED_BACK: record.last.why or "somebody took it back",
    }.get(record.state, "no gate has been judged yet")


def _draining(record: Record, accepted: int | CutoverError | None) -> str | None:
    """That the candidate's worker still delivers, as far as somebody can count it."""
    if not record.draining:
        return None
    if isinstance(accepted, CutoverError):
        return f"nobody can count what the candidate still delivers: {accepted}"
    left = "" if accepted is None else f", {accepted} left"
    return f"the candidate's worker still delivers what it has accepted{left}"


def _hints(
    record: Record, routes: Routes, judgement: Judgement | None, accepted: int | CutoverError | None
) -> Iterator[Hint]:
    """What may be typed next, the likeliest first."""

    def typed(verb: str, what: str) -> Hint:
        return Hint(command=f"cutover {verb} -s {record.stack}", what=what)

    def by_hand(of_stable: str) -> Hint:
        what = f"all traffic to stable {of_stable}; then rollback writes it down"
        return Hint(command=f"cutover traffic -s {record.stack} 0", what=what)

    one_way = record.one_way if routes.weight != 0 else None
    upward = next((verb for state, verb in VERBS.items() if UPWARD[state] is record.state), None)
    version = record.releases.candidate.version
    match record.state:
        case State.PREPARED:
            signed = "" if record.signed else ", once all have approved"
            yield typed("canary", f"{record.phases[0].weight} % to {version}{signed}")
        case State.FINISHING:
            yield typed("finish", "goes on with it")
            yield by_hand(f"while that runs {record.releases.stable.version} still")
        case State.FINISHED:
            yield typed("smoke", f"proves {version} as stable; commit Pulumi.{record.stack}.yaml")
        case State.ROLLED_BACK:
            if record.cleanup_locked:
                yield typed("resume --cleanup", "lets the clean-up jobs delete again")
            yield typed("canary", f"begins a new rollout, of {version} if that is still up")
            if record.draining and isinstance(accepted, CutoverError):
                gone = record.releases.candidate
                yield Hint(command=by_name(gone.digest, gone.stack), what="then up and destroy, where it stays away")
        case _ if record.hold and one_way:
            yield typed("resume", "goes on, once the reason is gone")
            yield by_hand(f"although it does not survive {one_way}")
        case _ if record.hold:
            yield typed("rollback", "all traffic to stable, in seconds")
            yield typed("resume", "goes on, once the reason is gone")
        case _ if judgement and judgement.action == "rise" and upward:
            yield typed(upward, _upward(record, upward))
        case _:
            yield typed("status", "looks again; nothing is to be done")
            if not one_way:
                yield typed("rollback", "all traffic to stable, in seconds")


def _upward(record: Record, verb: str) -> str:
    if verb == "finish":
        return f"makes {record.releases.candidate.version} stable's own release; then there is no way back"
    weight = next(phase.weight for phase in record.phases if phase.name == verb)
    return f"{weight} % of the traffic to {record.releases.candidate.version}"
