"""Every interleaving of controllers that die, freeze and are not answered, to a bound; and broken steps are caught."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from cutover.errors import CutoverError
from cutover.rollout import machine, steps, way_back
from cutover.rollout.effects import (
    ConflictError,
    KeepCopy,
    ReadRecord,
    SetWeight,
    Steps,
    TakeBack,
    WriteFlags,
    WriteRecord,
)
from cutover.rollout.phases import FlagValues
from cutover.rollout.record import Record, State
from outputs.release import Track
from tests.support.rollout_explorer import STARTS, Explorer, started
from tests.support.rollout_invariants import BrokenError
from tests.support.rollout_model import LAST, Model, clock, verbs

ALL = tuple(STARTS)


@dataclass(frozen=True)
class Bound:
    """What is explored: from which states, by which controllers, with how many verbs each and how much trouble."""

    starts: tuple[str, ...] = ALL
    machines: tuple[int, ...] = (0, 1)
    each: int = 1
    verbs: tuple[str, ...] = ()
    latch: bool = True
    real: bool = False
    one_way: str | None = None
    faults: int = 0
    deaths: int = 0
    outages: int = 0

    def explored(self, explorer: Explorer) -> Explorer:
        """Explores it. Raises BrokenError."""
        for start in self.starts:
            world = started(explorer, start, real=self.real)
            world = world._replace(faults=self.faults, deaths=self.deaths, outages=self.outages)
            explorer.explore(world, self.machines, self.each, self.verbs)
        return explorer


ALONE = Bound(("nothing", "prepared", "canary", "production"), machines=(0,), each=2, faults=1, deaths=1)
RACE = Bound(starts=("canary",), verbs=("staged", "rollback", "resume", "hold", "tick"))
BOUNDS: Mapping[str, Bound] = {
    "one that dies and is not answered": ALONE,
    "one, at a load balancer": replace(ALONE, latch=False, starts=("canary",)),
    "one, where stable's queue is real": replace(ALONE, real=True, starts=("canary",)),
    "one, while the bucket is away": replace(ALONE, faults=0, outages=1, starts=("canary",)),
    "one, over a migration that stable does not survive": replace(ALONE, one_way="007_drop.sql", starts=("prepared",)),
    "two who freeze": Bound(starts=("canary",)),
    "two at the end": Bound(starts=("production",), verbs=("finish", "rollback")),
    "two at a beginning": Bound(starts=("rolled_back",), verbs=("begin", "canary", "rollback", "tick")),
    "two, one of whom dies": replace(RACE, deaths=1, verbs=("staged", "rollback", "tick")),
    "two on one machine": replace(RACE, machines=(0, 0)),
    "two at a load balancer": replace(RACE, latch=False, verbs=("staged", "rollback", "tick")),
}
SOAK: Mapping[str, Bound] = {
    f"{name}, {'docker' if latch else 'load balancer'}, {'real' if real else 'mock'} queue": replace(
        bound, latch=latch, real=real
    )
    for name, bound in {
        "one": replace(ALONE, starts=ALL),
        "one, three verbs": replace(ALONE, each=3),
        "one, two faults": replace(ALONE, faults=2, outages=1),
        "two": Bound(),
        "two, a fault": replace(RACE, faults=1),
        "two at the end, a fault": Bound(("production",), verbs=("finish", "rollback"), faults=1),
        "two, a death": Bound(deaths=1),
        "two, an outage": replace(RACE, outages=1),
        "three": replace(RACE, machines=(0, 1, 1), verbs=("staged", "rollback", "tick")),
    }.items()
    for latch in (True, False)
    for real in (True, False)
}
MUST_MEET = {
    "a late write landed",
    "a late write was refused",
    "a rise was refused after a rollback",
    "a rollback was possible",
    "a rollback was possible while all else fails",
    "a rollback was possible while what routes cannot be read",
    "a rollback was refused by name",
    "a tick ended the draining",
    "a tick lowered the weight",
    "a tick mended flags",
    "a tick mended who keeps tasks",
    "a tick wrote a rollback down",
    "a verb was told that another was quicker",
    "resume put the weight in force again",
    "status told another weight than the record's",
    "the base was brought up",
    "the record says another weight than what routes",
    "the weight rose",
    "the weight rose in the window",
}
"""What the invariants are about: each happens, or they would hold of nothing."""


def test_in_every_interleaving_the_invariants_hold_and_each_is_met() -> None:
    met, seen = set[str](), 0
    for bound in BOUNDS.values():
        explorer = bound.explored(Explorer(Model(latch=bound.latch), verbs(bound.one_way)))
        met |= {what for what, times in explorer.met.items() if times}
        assert bound.latch is False or not explorer.met["the weight rose in the window"]
        seen += explorer.seen

    assert met == MUST_MEET
    assert seen > 150_000, seen
    print(f"{seen} states")


@pytest.mark.soak
@pytest.mark.parametrize("name", SOAK)
def test_in_a_larger_bound_the_invariants_hold(name: str) -> None:
    explorer = SOAK[name].explored(Explorer(Model(latch=SOAK[name].latch)))

    print(f"{name}: {explorer.seen} states, {dict(explorer.met)}")


def alone_from_everywhere() -> None:
    """Each verb alone, in each state; canary also where the flags of its beginning were not written."""
    explorer = Explorer(Model())
    for start in STARTS:
        world = started(explorer, start, real=False)
        for verb in explorer.verbs:
            explorer.alone(world, verb, 0, 50, strict=True)
    unwritten = started(explorer, "prepared", real=False)._replace(flags=explorer.model.fresh(real=False).flags)
    world, place = explorer.alone(unwritten, "canary", 0, 50, strict=True)
    assert (world.weight, place.error) == (10, None)


def test_a_verb_alone_leaves_nobodys_alerts_at_any_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    alone_from_everywhere()
    monkeypatch.setattr(steps, "_set", traffic_before_flags)

    with pytest.raises(BrokenError, match="canary leaves accepted alerts to nobody at SetWeight"):
        alone_from_everywhere()


def test_a_rollback_without_the_bucket_is_written_down_by_a_tick_anywhere() -> None:
    explorer = Explorer(Model())
    world = started(explorer, "staged", real=False)
    world, _ = explorer.alone(world._replace(away=True), "rollback", 0, 50)
    written = explorer.model.record(world.bucket)
    assert (world.weight, written and written.state) == (0, State.STAGED)

    world, _ = explorer.alone(world._replace(away=False), "tick", 1, 51)

    written = explorer.model.record(world.bucket)
    assert (world.weight, written and written.state) == (0, State.ROLLED_BACK)


# Broken steps: each is caught, and by the invariant that it breaks.


def record_before_traffic(turn: int, _real: bool) -> Steps[Any]:
    """A rollback that writes the record, and then takes the traffic back."""
    known = yield from way_back._known(None)
    left: dict[str, None] = {}
    back = yield from way_back._write_back(machine.rolled_back(known, LAST, clock(turn)), LAST, clock(turn), left)
    yield TakeBack(known)
    return back if left else (yield from steps.put_in_force(back))


def raising_tick(turn: int, _real: bool) -> Steps[Any]:
    """A tick that sets the weight as the record says."""
    kept = yield ReadRecord()
    yield SetWeight(kept.record)
    return (yield from way_back.catch_up(clock(turn), LAST))


def impatient_change(turn: int, _real: bool) -> Steps[Any]:
    """A rise that does not care who was quicker."""
    kept = yield ReadRecord()
    record = machine.risen(kept.record, State.STAGED, LAST, clock(turn))
    try:
        yield WriteRecord(record, kept.etag)
    except ConflictError:
        return (yield from steps.put_in_force(record))
    return (yield from steps.put_in_force(record, anew=True))


def deaf_put(record: Record, *, anew: bool = False, tell: bool = False) -> Steps[Any]:
    """Traffic and flags, without a look at who went on meanwhile."""
    left: dict[str, None] = {}
    if anew:
        yield from steps._set(record, left)
    else:
        yield from steps._lower(record, left)
    return steps.Turn(record)


def traffic_before_flags(record: Record, left: dict[str, None]) -> Steps[None]:
    """A rise whose flags come after the traffic."""
    yield SetWeight(record)
    yield from steps.write_flags(record, left)


def flags_alone(record: Record, left: dict[str, None]) -> Steps[None]:
    """The flags, and nobody who lets tasks go."""
    for track in steps.TRACKS:
        try:
            yield WriteFlags(track, record.flags(track))
        except CutoverError:
            left[track] = None


def copy_or_nothing(record: Record, left: dict[str, None]) -> Steps[None]:
    """A copy, and nothing goes on where it cannot be kept."""
    yield KeepCopy(record)


def deaf_to_the_edge(turn: int, _real: bool) -> Steps[Any]:
    """A tick that believes the record alone."""
    kept = yield ReadRecord()
    return (yield from steps.put_in_force(kept.record))


def resting(record: Record, track: Track) -> FlagValues:
    """The flags, with which the candidate's worker rests once the rollout is rolled back."""
    own = FLAGS(record, track)
    return replace(own, alerts_consume=False) if record.state is State.ROLLED_BACK and track == "candidate" else own


def flagless_rollback(turn: int, _real: bool) -> Steps[Any]:
    """A rollback that gives up where flags cannot be written, before the traffic."""
    kept = yield ReadRecord()
    yield WriteFlags("candidate", machine.rolled_back(kept.record, LAST, clock(turn)).flags("candidate"))
    return (yield from way_back.roll_back(LAST, clock(turn)))


def always_anew(turn: Callable[[Record], Record], *, anew: bool = False) -> Steps[Any]:
    """A change that sets the weight, whatever the turn was."""
    kept = yield ReadRecord()
    record = turn(kept.record)
    if record.revision != kept.record.revision:
        yield WriteRecord(record, kept.etag)
    return (yield from steps.put_in_force(record, anew=True))


FLAGS = Record.flags
VERBS = verbs()
WITH_VERB: Mapping[str, tuple[str, Any, str]] = {
    "a rollback that writes the record first": ("rollback", record_before_traffic, "says what is not so at the edge"),
    "a rollback that needs the bucket first": (
        "rollback",
        flagless_rollback,
        r"a rollback on \d while all else fails fails|leaves accepted",
    ),
    "a tick that raises the weight": ("tick", raising_tick, r"tick raises the weight|raises the weight to \d+ unasked"),
    "a rise that swallows a conflict": ("staged", impatient_change, "was too late and ended as if it was not"),
    "a tick that does not look at the edge": ("tick", deaf_to_the_edge, "resume ends with|status says"),
}
WITH_STEP: Mapping[str, tuple[Any, str, Any, str]] = {
    "no second look at the record": (steps, "put_in_force", deaf_put, "the flags are not the record's"),
    "nobody who lets tasks go": (steps, "write_flags", flags_alone, "tasks are kept or let go otherwise"),
    "nothing on a full disk": (steps, "keep", copy_or_nothing, "while all else fails fails with Unreachable"),
    "no name on what a tick has seen first": (machine, "claimed", lambda record, _: record, "as nobody's"),
    "no delivery after a rollback": (Record, "flags", resting, "nobody delivers|to nobody"),
    "a hold that sets the weight": (steps, "change", always_anew, r"raises the weight to \d+ unasked"),
}


@pytest.mark.parametrize("name", WITH_VERB)
def test_a_broken_verb_is_caught(name: str) -> None:
    verb, broken, why = WITH_VERB[name]
    bound = replace(RACE, deaths=1, verbs=tuple({"staged", "rollback", "tick"} | {verb}))

    with pytest.raises(BrokenError, match=why):
        bound.explored(Explorer(Model(), {**VERBS, verb: broken}))


@pytest.mark.parametrize("name", WITH_STEP)
def test_a_broken_step_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    where, step, broken, why = WITH_STEP[name]
    monkeypatch.setattr(where, step, broken)

    with pytest.raises(BrokenError, match=why):
        replace(RACE, deaths=1).explored(Explorer(Model()))


def test_an_edge_without_its_latch_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Model, "_refuses", staticmethod(lambda _world, _record: False))

    with pytest.raises(BrokenError, match="raises the weight of a rollout that was taken back"):
        RACE.explored(Explorer(Model()))


def test_a_bucket_without_conditions_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    written = Model._written
    monkeypatch.setattr(
        Model, "_written", lambda self, world, number, _after: written(self, world, number, world.bucket)
    )

    with pytest.raises(BrokenError, match=r"revision \d is written over"):
        RACE.explored(Explorer(Model()))
