"""A model of what a rollout touches, for the explorer: each effect of the steps has every outcome that it may have.

A world is a tuple of small values, so that worlds are compared and counted; records are numbers into a table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from cutover.errors import CutoverError, RefusedError, TrafficError, UnreachableError
from cutover.rollout import effects, machine, steps, way_back
from cutover.rollout.effects import ConflictError, Effect, Kept, Steps
from cutover.rollout.phases import FlagValues
from cutover.rollout.record import Last, Record, State
from cutover.rollout.store import older
from cutover.rollout.world import mark_of
from cutover.traffic.split import Mark, Share
from tests.support.rollouts import RECORD

NONE = -1
"""Where a record's number would be: there is none."""
LAST = Last(by="model", verb="verb")
TICKED = Last(by="model", verb="tick")
REFUSED, CONFLICT, AWAY, TRAFFIC, UNREADABLE = "refused", "conflict", "away", "traffic", "unreadable"
ERRORS: dict[str, type[CutoverError]] = {
    REFUSED: RefusedError,
    CONFLICT: ConflictError,
    AWAY: UnreachableError,
    TRAFFIC: TrafficError,
    UNREADABLE: CutoverError,
}


class World(NamedTuple):
    """What is outside of the controllers.

    `late` are writes that have failed to who wrote and may still land, with the record that they are conditional on.
    `accepted` says that the candidate has alerts which nobody has delivered; while it has traffic it always has.
    `faults`, `deaths` and `outages` of the bucket may still happen, `away` is one that is on; `disturbed` says that any
    did. `failing` are kinds of effects that fail, as on a full disk.
    """

    bucket: int = NONE
    late: frozenset[tuple[int, int]] = frozenset()
    copies: tuple[int, ...] = (NONE, NONE)
    journals: tuple[tuple[str, ...], ...] = ((), ())
    weight: int = 0
    mark: Mark | None = None
    latched: frozenset[str] = frozenset()
    flags: tuple[int, int] = (0, 0)
    kept: bool = False
    accepted: bool = False
    real: bool = False
    faults: int = 0
    deaths: int = 0
    outages: int = 0
    away: bool = False
    disturbed: bool = False
    failing: tuple[type[Effect], ...] = ()


class Went(NamedTuple):
    """One outcome of an effect: what the step is told, and the world after it. `half` is how far an effect has got
    that is several calls: then the step is told nothing yet."""

    answer: tuple[Any, ...]
    world: World
    half: int = 0


@dataclass(frozen=True)
class BaseUp:
    """Not cutover's: stable's stack is brought up with the candidate's release, whose queue is real."""


@dataclass
class Model:
    """The table of records, and what each effect may come to. `latch` is the edge's of docker; without, a weight is set
    as at a load balancer: a look at the tags, the weight, and a look again."""

    latch: bool = True
    records: list[Record] = field(default_factory=list)
    flags: list[FlagValues] = field(default_factory=lambda: [FlagValues(alerts_consume=False), FlagValues()])
    _numbers: dict[Any, int] = field(default_factory=dict)

    def fresh(self, *, real: bool) -> World:
        """Nothing was ever rolled out. Stable's queue adapter is real, or a mock."""
        return World(real=real, flags=(0, 1))

    def number(self, record: Record) -> int:
        """The record's number: the same for the same content, as an ETag is."""
        key = (record.id, record.revision, record.state, record.since, record.hold, record.extended, record.draining)
        key += (record.cleanup_locked, record.stable_flags, record.pack, record.mock_queue, record.last)  # type: ignore[assignment]
        if key not in self._numbers:
            self._numbers[key] = len(self.records)
            self.records.append(record)
        return self._numbers[key]

    def flag(self, flags: FlagValues) -> int:
        """The number of a track's flags."""
        if flags not in self.flags:
            self.flags.append(flags)
        return self.flags.index(flags)

    def record(self, number: int) -> Record | None:
        return None if number == NONE else self.records[number]

    def told(self, answer: tuple[Any, ...]) -> Any:
        """What the step gets for an answer. Raises what the effect failed with."""
        match answer:
            case ("error", kind):
                raise ERRORS[kind]("of the model")
            case ("kept", number):
                record = self.record(number)
                return Kept(record, str(number)) if record else None
            case ("record", number):
                return self.record(number)
            case ("share", share):
                return share
            case ("value", value):
                return value
        raise AssertionError(answer)

    def do(self, effect: Effect | BaseUp, world: World, at: int, half: int) -> Iterator[Went]:
        """Every outcome of the effect, done by machine `at`; the one without a fault is the first."""
        may_fail = world.faults > 0
        failed = world._replace(faults=world.faults - 1, disturbed=True) if may_fail else world
        if world.failing and isinstance(effect, world.failing):
            unread = {effects.ReadRecord: UNREADABLE, effects.ReadWeight: TRAFFIC}
            yield Went(("error", unread.get(type(effect), AWAY)), world)
            return
        match effect:
            case effects.ReadRecord() | effects.WriteRecord() if world.away:
                yield Went(("error", AWAY), world)
            case effects.ReadRecord():
                yield Went(("kept", world.bucket), world)
                if may_fail:
                    yield Went(("error", UNREADABLE), failed)
            case effects.WriteRecord(record, after):
                number, wanted = self.number(record), NONE if after is None else int(after)
                yield self._written(world, number, wanted)
                if may_fail:
                    yield Went(("error", AWAY), failed)
                    yield Went(("error", AWAY), failed._replace(late=failed.late | {(number, wanted)}))
                    yield Went(("error", AWAY), self._written(failed, number, wanted).world)
            case effects.ReadCopy():
                yield Went(("record", world.copies[at]), world)
            case effects.KeepCopy(record):
                yield Went(("value", None), self._kept(world, at, record))
                if may_fail:
                    yield Went(("error", AWAY), failed)
            case effects.ReadWeight():
                yield Went(("share", self.share(world)), world)
                if may_fail:
                    yield Went(("error", TRAFFIC), failed)
            case effects.SetWeight(record) | effects.TakeBack(record):
                assert record, "a controller takes back what it knows"
                takes = isinstance(effect, effects.TakeBack)
                routes = (
                    (self._taken if takes else self._set)
                    if self.latch
                    else (self._taken_slowly if takes else self._set_slowly)
                )
                went = routes(world, record, half)
                yield went
                if may_fail and not half:
                    yield Went(("error", TRAFFIC), failed)
                    yield Went(("error", TRAFFIC), routes(failed, record, half).world)
                    if takes:  # and no latch
                        yield Went(("error", TRAFFIC), failed._replace(weight=0))
                    if takes and not self.latch:  # its tags cannot be read
                        yield Went((), failed._replace(weight=0), 1)
            case effects.Answers():
                yield Went(("value", True), world)
            case effects.WriteFlags(track, flags):
                written = self._flagged(world, track, flags)
                yield Went(("value", None), written)
                if may_fail:
                    yield Went(("error", AWAY), failed)
                    yield Went(("error", AWAY), self._flagged(failed, track, flags))
            case effects.KeepTasks(record):
                yield Went(("value", None), world._replace(kept=record.keeps_tasks))
                if may_fail:
                    yield Went(("error", AWAY), failed)
                    yield Went(("error", AWAY), failed._replace(kept=record.keeps_tasks))
            case effects.Tell():
                yield Went(("value", None), world)
                if may_fail:
                    yield Went(("error", AWAY), failed)
            case effects.WriteDown(_, left):
                yield Went(("value", None), world._replace(journals=_put(world.journals, at, left)))
                if may_fail:
                    yield Went(("error", AWAY), failed)
            case effects.ReadJournal():
                yield Went(("value", world.journals[at]), world)
            case effects.Accepted():
                yield Went(("value", int(world.accepted)), world)
                if may_fail:
                    yield Went(("error", AWAY), failed)
            case BaseUp():
                yield Went(("value", None), world._replace(real=True))

    @staticmethod
    def share(world: World) -> Share:
        """What is read of the split."""
        return Share(weight=world.weight, mark=world.mark, taken_back=world.latched)

    def landed(self, world: World) -> Iterator[World]:
        """The worlds in which one of the late writes has landed, or was refused by its condition."""
        for number, after in world.late:
            rest = world._replace(late=world.late - {(number, after)})
            yield self._written(rest, number, after).world

    @staticmethod
    def outages(world: World) -> Iterator[World]:
        """The worlds in which the bucket goes away, or comes back."""
        if world.away:
            yield world._replace(away=False)
        elif world.outages:
            yield world._replace(away=True, outages=world.outages - 1, disturbed=True)

    def delivers(self, world: World) -> bool:
        """Whether somebody delivers what the candidate accepts: its worker, or stable's where both have one queue."""
        candidate, stable = (self.flags[each].alerts_consume for each in world.flags)
        return candidate or (stable and world.real)

    def _written(self, world: World, number: int, after: int) -> Went:
        if world.bucket != after:
            return Went(("error", CONFLICT), world)
        return Went(("value", None), world._replace(bucket=number))

    def _kept(self, world: World, at: int, record: Record) -> World:
        there = self.record(world.copies[at])
        if there and older(record, there):
            return world
        return world._replace(copies=_put(world.copies, at, self.number(record)))

    def _flagged(self, world: World, track: str, flags: FlagValues) -> World:
        return world._replace(flags=_put(world.flags, ("candidate", "stable").index(track), self.flag(flags)))

    def _set(self, world: World, record: Record, _half: int) -> Went:
        if self._refuses(world, record):
            return Went(("error", REFUSED), world)
        return Went(("value", None), self._marked(world, record)._replace(weight=record.weight))

    def _taken(self, world: World, record: Record, _half: int) -> Went:
        if self._final(world):
            return Went(("error", REFUSED), world)
        return Went(("value", None), self._latched(world, record)._replace(weight=0))

    def _set_slowly(self, world: World, record: Record, half: int) -> Went:
        if half == 0:
            if self._refuses(world, record):
                return Went(("error", REFUSED), world)
            return Went((), self._marked(world, record), 1)
        if half == 1:
            return Went((), world._replace(weight=record.weight), 2)
        if record.weight and record.id in world.latched:
            return Went(("error", REFUSED), world._replace(weight=0))
        return Went(("value", None), world)

    def _taken_slowly(self, world: World, record: Record, half: int) -> Went:
        if half == 0:
            if self._final(world):
                return Went(("error", REFUSED), world)
            return Went((), world._replace(weight=0), 1)
        if half == 1:
            return Went((), self._latched(world, record), 2)
        return Went(("value", None), world._replace(weight=0))

    @staticmethod
    def _refuses(world: World, record: Record) -> bool:
        older = world.mark is not None and record.revision < world.mark.revision
        return older or bool(record.weight and record.id in world.latched)

    @staticmethod
    def _final(world: World) -> bool:
        return bool(world.mark and world.mark.final and world.weight)

    @staticmethod
    def _marked(world: World, record: Record) -> World:
        return world._replace(mark=mark_of(record))

    @staticmethod
    def _latched(world: World, record: Record) -> World:
        return world._replace(latched=world.latched | {record.id} | ({world.mark.rollout} if world.mark else set()))


def _put(values: tuple[Any, ...], at: int, value: Any) -> tuple[Any, ...]:
    return (*values[:at], value, *values[at + 1 :])


def clock(turn: int) -> datetime:
    """When the verb ran that was started as number `turn`."""
    return datetime(2026, 11, 29, tzinfo=UTC) + timedelta(minutes=turn)


def verbs(one_way: str | None = None) -> dict[str, Callable[[int, bool], Steps[Any]]]:
    """The verbs, by name: as cutover runs them, number `turn` at that time, `real` saying what stable's queue is, over
    a migration that stable does not survive where one is named."""

    def begin(turn: int, real: bool) -> Steps[Any]:
        stable = replace(RECORD.releases.stable, adapters={"queue": "production" if real else "mock"})
        releases, began = replace(RECORD.releases, stable=stable, one_way=one_way), clock(turn)
        new = replace(
            RECORD, id=f"r{turn}", revision=1, state=State.PREPARED, since=began, releases=releases, last=LAST
        )
        return steps.begin(new)

    def rise(to: State) -> Callable[[int, bool], Steps[Any]]:
        return lambda turn, _: steps.change(lambda now: machine.risen(now, to, LAST, clock(turn)))

    def finish(turn: int, _real: bool) -> Steps[Any]:
        def finishing(now: Record) -> Record:
            if now.state is State.FINISHING:
                return machine.resumed(now, LAST, clock(turn))
            return machine.risen(now, State.FINISHING, LAST, clock(turn))

        turned = yield from steps.change(finishing, anew=True)
        if turned.record.state is not State.FINISHING:
            raise RefusedError("somebody went on meanwhile")
        yield BaseUp()  # type: ignore[misc]
        return (yield from steps.change(lambda now: machine.finished(now, LAST, clock(turn))))

    return {
        "begin": begin,
        **{name: rise(to) for to, name in machine.VERBS.items() if to is not State.FINISHING},
        "finish": finish,
        "rollback": lambda turn, _: way_back.roll_back(LAST, clock(turn)),
        "hold": lambda turn, _: steps.change(lambda now: machine.held(now, "asked", LAST)),
        "resume": lambda turn, _: steps.change(lambda now: machine.resumed(now, LAST, clock(turn)), anew=True),
        "flags": lambda _turn, _: steps.change(lambda now: machine.flagged(now, LAST, auto_pause=0.25)),
        "tick": lambda turn, _: way_back.catch_up(clock(turn), TICKED),
    }
