"""Tries every interleaving of controllers over a model world, to a bound, and holds what must be true in each state."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar

from cutover.errors import CutoverError, RefusedError, UnreachableError
from cutover.rollout import effects
from cutover.rollout.effects import ConflictError, Effect, Steps
from cutover.rollout.record import Record, State
from cutover.rollout.status import Routes, Status
from tests.support.rollout_model import CONFLICT, NONE, BaseUp, Model, Went, World, verbs

T = TypeVar("T")
Verb = Callable[[int, bool], Steps[Any]]
RAISING = ("canary", "staged", "production", "finish", "resume")
QUIET = (effects.ReadCopy, effects.KeepCopy, effects.ReadJournal, effects.WriteDown, effects.Answers)
"""What nobody else sees, where each controller has a machine of its own: it is done at once, and not interleaved."""


class Controller(NamedTuple):
    """A controller on a machine that may begin `left` verbs more. While one is on, the answers that its steps were
    given say where it is; `half` is how far an effect has got that is several calls."""

    machine: int
    left: int
    verb: str = ""
    turn: int = 0
    real: bool = False
    answers: tuple[tuple[Any, ...], ...] = ()
    half: int = 0


class Place(NamedTuple):
    """Where steps are: the effect that is next, or how they have ended; which records they wrote, and where they were
    too late."""

    effect: Effect | BaseUp | None
    result: Any
    error: CutoverError | None
    wrote: frozenset[int]
    late: bool


class System(NamedTuple):
    """One state: the world and the controllers, by their numbers, and how many verbs were begun."""

    world: int
    controllers: tuple[int, ...]
    turns: int = 1


@dataclass
class Numbered(Generic[T]):
    """Values, each known by one number: few worlds make many states, and numbers are compared at no cost."""

    values: list[T] = field(default_factory=list)
    _numbers: dict[T, int] = field(default_factory=dict)

    def number(self, value: T) -> int:
        """The value's number: the next, if it is new."""
        number = self._numbers.setdefault(value, len(self.values))
        if number == len(self.values):
            self.values.append(value)
        return number


class BrokenError(AssertionError):
    """An invariant does not hold; the message has the way there."""


@dataclass
class Explorer:
    """Explores. `seen` counts the states, `met` in how many ways each thing happened that an invariant is about: what
    one controller does in a world is the same whatever the others are about, and is looked at once."""

    model: Model
    verbs: Mapping[str, Verb] = field(default_factory=verbs)
    seen: int = 0
    met: Counter[str] = field(default_factory=Counter)
    _worlds: Numbered[World] = field(default_factory=Numbered)
    _controllers: Numbered[Controller] = field(default_factory=Numbered)
    _places: dict[Any, Place] = field(default_factory=dict)
    _quiet: dict[int, bool] = field(default_factory=dict)
    _outcomes: dict[tuple[int, int], list[tuple[str, int, int]]] = field(default_factory=dict)
    _events: dict[int, list[tuple[str, int]]] = field(default_factory=dict)
    _held: set[tuple[int, frozenset[int], bool]] = field(default_factory=set)
    _settled: set[tuple[World, int]] = field(default_factory=set)
    _taken_back: set[tuple[World, int]] = field(default_factory=set)

    def alone(
        self, world: World, verb: str, at: int = 0, turn: int = 0, *, until: type | None = None, strict: bool = False
    ) -> tuple[World, Place]:
        """The world after one controller has run a verb alone and without a fault, to its end or `until` an effect.
        When `strict`, somebody delivers in every moment of it."""
        controller = Controller(at, 0, verb, turn, world.real)
        world = world._replace(faults=0)
        while True:
            place = self._place(controller)
            if place.effect is None or (until and isinstance(place.effect, until)):
                return world, place
            went = next(self.model.do(place.effect, world, at, controller.half))
            world, controller = _accepting(went.world), _answered(controller, went)
            if strict and world.accepted and not self.model.delivers(world):
                raise BrokenError(f"{verb} leaves accepted alerts to nobody at {place.effect}: {self._said(world)}")

    def explore(self, start: World, machines: tuple[int, ...], each: int = 1, allowed: tuple[str, ...] = ()) -> None:
        """Every state that controllers on these machines, each with `each` verbs, can come to. Raises BrokenError."""
        collects = gc.isenabled()
        gc.disable()  # a hundred thousand small tuples, of which none is garbage before the end
        try:
            self._explore(start, machines, each, allowed)
        finally:
            if collects:
                gc.enable()

    def _explore(self, start: World, machines: tuple[int, ...], each: int, allowed: tuple[str, ...]) -> None:
        number = self._controllers.number
        first = System(self._worlds.number(start), tuple(number(Controller(machine, each)) for machine in machines))
        before: dict[System, tuple[System, str, str] | None] = {first: None}
        queue = [first]
        apart = len(set(machines)) == len(machines)
        for system in queue:
            try:
                self._hold(system)
                for who, what, after in self._successors(system, apart, allowed or tuple(self.verbs)):
                    if not apart:
                        after = after._replace(controllers=tuple(sorted(after.controllers)))
                    if after not in before:
                        before[after] = (system, who, what)
                        queue.append(after)
            except BrokenError as broken:
                raise BrokenError("\n".join([*_way(system, before), str(broken)])) from None
        self.seen += len(queue)

    def _successors(self, system: System, apart: bool, allowed: tuple[str, ...]) -> Iterator[tuple[str, str, System]]:
        """Who does what, and the state after it."""
        world, controllers, turns = system
        quiet = [at for at, each in enumerate(controllers) if self._is_quiet(each)] if apart else []
        for at in quiet[:1] or range(len(controllers)):
            controller = self._controllers.values[controllers[at]]
            if controller.verb:
                for what, after, onward in self._outcomes_of(world, controllers[at]):
                    yield f"{at} ", what, System(after, _put(controllers, at, onward), turns)
            elif controller.left:
                real = self._worlds.values[world].real
                for verb in allowed:
                    begun = Controller(controller.machine, controller.left - 1, verb, turns, real)
                    onward = self._controllers.number(begun)
                    yield f"{at} begins ", verb, System(world, _put(controllers, at, onward), turns + 1)
        if quiet:
            return
        for what, after in self._events_of(world):
            yield "", what, System(after, controllers, turns)

    def _is_quiet(self, number: int) -> bool:
        """Whether what a controller does next is seen by nobody else."""
        if number not in self._quiet:
            controller = self._controllers.values[number]
            self._quiet[number] = bool(controller.verb) and isinstance(self._place(controller).effect, QUIET)
        return self._quiet[number]

    def _outcomes_of(self, in_world: int, number: int) -> list[tuple[str, int, int]]:
        """What a controller that runs a verb may do next in a world: the world and the controller after each."""
        if (in_world, number) in self._outcomes:
            return self._outcomes[in_world, number]
        world, controller, outcomes = self._worlds.values[in_world], self._controllers.values[number], []
        place = self._place(controller)
        assert place.effect is not None
        for went in self.model.do(place.effect, world, controller.machine, controller.half):
            after = _accepting(went.world)
            self._check(controller, place, went, world)
            onward = self._rested(_answered(controller, went), after)
            what = f"{controller.verb}: {type(place.effect).__name__} {went.answer}"
            outcomes.append((what, self._worlds.number(after), self._controllers.number(onward)))
        if world.deaths:
            died = self._worlds.number(world._replace(deaths=world.deaths - 1, disturbed=True))
            outcomes.append(("dies", died, self._controllers.number(Controller(controller.machine, controller.left))))
        self._outcomes[in_world, number] = outcomes
        return outcomes

    def _events_of(self, number: int) -> list[tuple[str, int]]:
        """What may happen in a world without a controller, and the world after each."""
        if number in self._events:
            return self._events[number]
        world, events = self._worlds.values[number], []
        for landed in self.model.landed(world):
            self.met["a late write landed" if landed.bucket != world.bucket else "a late write was refused"] += 1
            events.append(("a late write lands", landed))
        for other in self.model.outages(world):
            events.append((f"the bucket {'goes away' if other.away else 'is back'}", other))
        if world.accepted and not world.weight and self.model.delivers(world):
            events.append(("all is delivered", world._replace(accepted=False)))
        self._events[number] = numbered = [(what, self._worlds.number(after)) for what, after in events]
        return numbered

    def _place(self, controller: Controller) -> Place:
        """Where its steps are: they are run again with the answers that they were given."""
        key = (controller.verb, controller.turn, controller.real, controller.answers)
        if key in self._places:
            return self._places[key]
        ways, wrote, late = self.verbs[controller.verb](controller.turn, controller.real), set(), False
        effect: Any = None
        result, failed = None, None
        try:
            effect = next(ways)
            for answer in controller.answers:
                if isinstance(effect, effects.WriteRecord):
                    late = late or answer == ("error", CONFLICT)
                    if answer == ("value", None):
                        wrote.add(self.model.number(effect.record))
                try:
                    told, error = self.model.told(answer), None
                except CutoverError as failure:
                    told, error = None, failure
                effect = ways.throw(error) if error else ways.send(told)
        except StopIteration as ended:
            effect, result = None, ended.value
        except CutoverError as error:
            effect, failed = None, error
        self._places[key] = place = Place(effect, result, failed, frozenset(wrote), late)
        return place

    def _rested(self, controller: Controller, world: World) -> Controller:
        """The controller, without its verb where that has ended. Checks what it ends with."""
        place = self._place(controller)
        if place.effect is not None:
            return controller
        if place.late and controller.verb not in ("rollback", "tick"):
            self.met["a verb was told that another was quicker"] += 1
            if not isinstance(place.error, ConflictError):
                raise BrokenError(f"{controller.verb} was too late and ended as if it was not: {place}")
        if (
            controller.verb == "tick"
            and place.error
            and not world.disturbed
            and not isinstance(place.error, ConflictError)
        ):
            raise BrokenError(f"tick fails although everything answers: {place.error!r}")
        return Controller(controller.machine, controller.left)

    def _check(self, controller: Controller, place: Place, went: Went, world: World) -> None:
        """What may be done: who raises the weight, writes the record, or brings the base up."""
        effect, after = place.effect, went.world
        if after.weight > world.weight:
            self.met["the weight rose"] += 1
            assert isinstance(effect, effects.SetWeight)
            if controller.verb not in RAISING or self.model.number(effect.record) not in place.wrote:
                raise BrokenError(f"{controller.verb} raises the weight to {after.weight} unasked")
            if effect.record.id in world.latched:
                self.met["the weight rose in the window"] += 1
                if self.model.latch:
                    raise BrokenError(f"{controller.verb} raises the weight of a rollout that was taken back")
        if (
            isinstance(effect, effects.SetWeight)
            and went.answer[:1] == ("error",)
            and effect.record.id in world.latched
        ):
            self.met["a rise was refused after a rollback"] += bool(effect.record.weight)
        if after.bucket != world.bucket:
            old, new = self.model.record(world.bucket), self.model.record(after.bucket)
            if old and new and new.revision != old.revision + 1:
                raise BrokenError(f"revision {new.revision} is written over {old.revision}")
        if isinstance(effect, BaseUp):
            self.met["the base was brought up"] += 1
            record = self.model.record(world.bucket)
            again = record is not None and record.state is State.FINISHED
            if self.model.latch and not again and (world.weight != 100 or not (world.mark and world.mark.final)):
                raise BrokenError("stable is replaced while it has traffic, or may be given it back")

    def _hold(self, system: System) -> None:
        """The invariants of a state."""
        controllers = [self._controllers.values[each] for each in system.controllers]
        machines, idle = frozenset(each.machine for each in controllers), not any(each.verb for each in controllers)
        if (system.world, machines, idle) in self._held:
            return
        self._held.add((system.world, machines, idle))
        world = self._worlds.values[system.world]
        record = self.model.record(world.bucket)
        if record and record.weight != world.weight:
            self.met["the record says another weight than what routes"] += 1
        if record and record.state is State.ROLLED_BACK and record.id not in world.latched:
            raise BrokenError(f"the record says what is not so at the edge: {self._said(world)}")
        if idle and not world.disturbed:
            self._hold_agreeing(world, "without any fault")
            if record and record.state is State.ROLLED_BACK and record.last.verb == "tick":
                raise BrokenError(f"a rollback is written down as nobody's: {self._said(world)}")
        for machine in machines:
            alone = _at_rest(world, machine)
            if (alone, machine) not in self._taken_back:
                self._taken_back.add((alone, machine))
                self._hold_way_back(alone, machine)
                if record:
                    self._hold_status(alone, record, machine)
            if idle and not world.late and (alone, machine) not in self._settled:
                self._settled.add((alone, machine))
                self._hold_settling(alone, machine)

    def _hold_way_back(self, world: World, machine: int) -> None:
        """Rollback is possible, or refused for what the record or what routes says."""
        record, copy = self.model.record(world.bucket), self.model.record(world.copies[machine])
        for away in (False, True):
            after, place = self.alone(world._replace(away=away), "rollback", machine, 90)
            if place.error is None:
                self.met[f"a rollback was possible{' without the bucket' if away else ''}"] += 1
                if after.weight or (self._running(after) and not away):
                    raise BrokenError(f"a rollback on {machine} leaves {self._said(after)}")
                continue
            known = copy if away else record or copy
            final = known is None or not known.way_back or (world.mark is not None and world.mark.final)
            named = (RefusedError, UnreachableError) if away and known is None else RefusedError
            self.met["a rollback was refused by name"] += 1
            if not (final and isinstance(place.error, named)):
                raise BrokenError(f"a rollback on {machine} fails with {place.error!r}: {self._said(world)}")

    def _hold_settling(self, world: World, machine: int) -> None:
        """After two ticks with everything reachable, record, weight and flags agree, and somebody delivers."""
        for turn in (91, 92):
            before = world
            world, place = self.alone(world, "tick", machine, turn)
            if place.error:
                raise BrokenError(f"tick on {machine} fails with {place.error!r}: {self._said(world)}")
            if world.weight > before.weight:
                raise BrokenError(f"tick raises the weight from {before.weight}: {self._said(world)}")
            record = self.model.record(world.bucket)
            if record and world.weight > record.weight:
                raise BrokenError(f"after one tick the weight is above the record's: {self._said(world)}")
            self.met["a tick lowered the weight"] += world.weight < before.weight
            self.met["a tick wrote a rollback down"] += self._running(before) and not self._running(world)
            self.met["a tick ended the draining"] += self._draining(before) and not self._draining(world)
            self.met["a tick mended flags"] += world.flags != before.flags
            self.met["a tick mended who keeps tasks"] += world.kept != before.kept
        self._hold_agreeing(world, "after two ticks")
        record = self.model.record(world.bucket)
        if record and record.state.running:
            self._hold_resuming(world, record, machine)

    def _hold_agreeing(self, world: World, when: str) -> None:
        """Record, weight, flags and tasks agree, and somebody delivers. The weight may be lower: who was to raise it
        died."""
        record = self.model.record(world.bucket)
        if record and world.weight > record.weight:
            raise BrokenError(f"{when} the weight is above the record's: {self._said(world)}")
        if record and world.flags != tuple(self.model.flag(record.flags(track)) for track in ("candidate", "stable")):
            raise BrokenError(f"{when} the flags are not the record's: {self._said(world)}")
        if record and world.kept is not record.keeps_tasks:
            raise BrokenError(f"{when} tasks are kept or let go otherwise than the record says: {self._said(world)}")
        if world.accepted and not self.model.delivers(world):
            raise BrokenError(f"{when} nobody delivers what was accepted: {self._said(world)}")

    def _hold_status(self, world: World, record: Record, machine: int) -> None:
        """Status tells what routes, and what it says to type does what it says."""
        routes = Routes.of(self.model.split(world))  # type: ignore[arg-type]
        status = Status.of(record, routes, record.since)
        if status.routes.weight != world.weight:
            raise BrokenError(f"status says {status.routes}: {self._said(world)}")
        if world.weight == record.weight:
            return
        self.met["status told another weight than the record's"] += 1
        verb = next((each for each in ("resume", "tick") if f"cutover {each}" in status.why), "tick")
        after, place = self.alone(world, verb, machine, 94)
        now = self.model.record(after.bucket)
        if place.error or now is None or after.weight != now.weight:
            raise BrokenError(f"status says {status.why!r}, and {verb} leaves {self._said(after)}")

    def _hold_resuming(self, world: World, record: Record, machine: int) -> None:
        """A running rollout goes on: resume gives it the weight that its record says."""
        after, place = self.alone(world, "resume", machine, 93)
        self.met["resume put the weight in force again"] += after.weight > world.weight
        if place.error or after.weight != record.weight:
            raise BrokenError(f"resume ends with {place.error!r} and {self._said(after)}")

    def _running(self, world: World) -> bool:
        record = self.model.record(world.bucket)
        return record is not None and record.state.running

    def _draining(self, world: World) -> bool:
        record = self.model.record(world.bucket)
        return record is not None and record.draining

    def _said(self, world: World) -> str:
        record = self.model.record(world.bucket)
        flags = [self.model.flags[each].parameter() for each in world.flags]
        return f"{record.state if record else 'no record'} at {world.weight} %, flags {flags}, {world}"


def _accepting(world: World) -> World:
    """While it has traffic the candidate accepts."""
    return world if world.accepted or not world.weight else world._replace(accepted=True)


def _at_rest(world: World, machine: int) -> World:
    """What a verb that runs alone on a machine can tell of a world, without trouble: not what lies on others, nor what
    may land."""
    return world._replace(
        copies=tuple(each if at == machine else NONE for at, each in enumerate(world.copies)),
        journals=tuple(each if at == machine else () for at, each in enumerate(world.journals)),
        late=frozenset(),
        faults=0,
        deaths=0,
        outages=0,
        away=False,
        disturbed=False,
    )


def _answered(controller: Controller, went: Went) -> Controller:
    if went.half:
        return controller._replace(half=went.half)
    return controller._replace(answers=(*controller.answers, went.answer), half=0)


def _put(controllers: tuple[int, ...], at: int, controller: int) -> tuple[int, ...]:
    return (*controllers[:at], controller, *controllers[at + 1 :])


def _way(system: System, before: Mapping[System, tuple[System, str, str] | None]) -> list[str]:
    """What was done, step by step, to come to a state."""
    way: list[str] = []
    while step := before[system]:
        system, who, what = step
        way.insert(0, who + what)
    return way


STARTS: Mapping[str, tuple[str, ...]] = {
    "nothing": (),
    State.PREPARED: ("begin",),
    State.CANARY: ("begin", "canary"),
    State.STAGED: ("begin", "canary", "staged"),
    State.PRODUCTION: ("begin", "canary", "staged", "production"),
    State.FINISHED: ("begin", "canary", "staged", "production", "finish"),
    State.ROLLED_BACK: ("begin", "canary", "rollback"),
}
"""The verbs that come to a state."""


def started(explorer: Explorer, state: str, *, real: bool) -> World:
    """The world of a rollout that came to a state on machine 0 without a fault; machine 1 has seen its beginning."""
    world = explorer.model.fresh(real=real)
    for turn, verb in enumerate(STARTS[state], -9):
        world, place = explorer.alone(world, verb, 0, turn, strict=True)
        assert place.error is None, (verb, place.error)
        if verb == "begin":
            world = world._replace(copies=(world.copies[0], world.copies[0]))
    return world
