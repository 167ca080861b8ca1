"""The verbs of a rollout on one base stack: what must hold before a turn, the turn, and what a tick makes of gates."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from cutover.errors import CutoverError, HeldError, NoRolloutError, RefusedError, RolledBackError, TrafficError
from cutover.rollout import machine, steps, way_back
from cutover.rollout.effects import (
    Answers,
    ConflictError,
    Kept,
    ReadBeside,
    ReadJournal,
    ReadRecord,
    ReadWeight,
    Run,
    Steps,
    World,
)
from cutover.rollout.record import Last, Record, State
from cutover.rollout.steps import Turn
from cutover.traffic.split import Share

if TYPE_CHECKING:
    from cutover.gates.judgement import Judgement

T = TypeVar("T")

ANSWERING_SECONDS = 30.0
"""How long a new stable release may take to answer behind the edge before the traffic is moved onto it."""


@dataclass(frozen=True)
class Ticked:
    """What a tick has come to: the record in force, None without a rollout; what the gates said, None outside of a
    phase; and what could not be reached."""

    record: Record | None
    judgement: Judgement | None = None
    left: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Controller:
    """The verbs on the base `stack`, typed by `by`. `judge` says what the gates see of a record's phase; `frozen`,
    why nothing may rise now, None where it may. `ready` raises RefusedError where what is to get traffic is not what a
    state takes."""

    stack: str
    by: str
    world: World
    judge: Callable[[Record], Judgement]
    frozen: Callable[[datetime], str | None]
    ready: Callable[[Record, State], None]
    now: Callable[[], datetime]

    def current(self) -> Record | None:
        """The record in the bucket."""
        return self._run(_read())

    def begin(self, new: Record) -> Turn:
        """A prepared rollout. Raises RefusedError while another runs."""
        return self._run(steps.begin(new))

    def rise(self, to: State, verb: str, *, despite: str | None = None) -> Turn:
        """The next state upward, where the gates have passed and nothing is frozen, unless `despite` says why.

        Raises RefusedError, HeldError, what the turn cannot reach, and RolledBackError where somebody took the traffic
        back before it ended.
        """
        record = self._required()
        last = Last(by=self.by, verb=verb, why=despite)
        machine.risen(record, to, last, self.now())
        if record.phase:
            self._require_passed(record)
        self._require_may_rise(record, to, despite)
        turn = self._run(steps.change(lambda now: machine.risen(_same(now, record), to, last, self.now())))
        self._require_routed(_come_to(to, turn).record)
        return turn

    def sign(self, record: Record, pack: str, by: list[str], why: str | None) -> Turn:
        """A rollout as it was prepared, on a pack that was approved, or for a reason without. Raises RefusedError for
        another, and where somebody has gone on with it."""
        last = Last(by=self.by, verb="canary", why=why)
        return self._run(steps.change(lambda now: machine.signed(_same(now, record), pack, by, last)))

    def finishing(self, *, despite: str | None = None) -> Record:
        """The rollout finishing, and what routes refusing to take it back; one that is finishing already goes on.

        Raises what `rise` does.
        """
        record, last = self._required(), Last(by=self.by, verb="finish", why=despite)
        if record.state is not State.FINISHING:
            return self.rise(State.FINISHING, "finish", despite=despite).record
        self._require_may_rise_again(record, despite)
        again = steps.change(lambda now: machine.resumed(_same(now, record), last, self.now()), anew=True)
        return _come_to(State.FINISHING, self._run(again)).record

    def finish(self) -> Turn:
        """The end, once stable's stack runs the candidate's release: traffic to it, then its flags. Raises CutoverError
        while stable does not answer, RefusedError while it cannot take all of the traffic."""
        record, last = self._required(), Last(by=self.by, verb="finish")
        machine.finished(record, last, self.now())
        until = time.monotonic() + ANSWERING_SECONDS
        while not self.world.do(Answers("stable")):
            if time.monotonic() > until:
                raise CutoverError(
                    f"stable does not answer after {ANSWERING_SECONDS:g} s, and the candidate keeps all traffic: look "
                    f"at it, then cutover finish -s {self.stack} goes on"
                )
            time.sleep(0.5)
        self.ready(record, State.FINISHED)
        return self._run(steps.change(lambda now: machine.finished(now, last, self.now())))

    def roll_back(self, why: str | None, *, anyway: bool = False) -> Turn:
        """All traffic to stable, at once."""
        return self._run(way_back.roll_back(Last(by=self.by, verb="rollback", why=why), self.now(), anyway=anyway))

    def hold(self, why: str) -> Turn:
        """Nothing goes on until somebody resumes."""
        last = Last(by=self.by, verb="hold", why=why)
        return _running(self._run(steps.change(lambda now: machine.held(now, why, last))))

    def resume(self, *, cleanup: bool = False, despite: str | None = None) -> Turn:
        """Goes on with the phase, begun anew; with `cleanup` only has the clean-up jobs delete again.

        Where the weight has fallen meanwhile it rises, and that raises what `rise` does but for gates.
        """
        last = Last(by=self.by, verb="resume", why="clean-up jobs delete again" if cleanup else despite)
        if cleanup:
            return self._run(steps.change(lambda now: machine.cleaning(now, last)))
        record = self._required()
        self._require_may_rise_again(record, despite)
        again = steps.change(lambda now: machine.resumed(_same(now, record), last, self.now()), anew=True)
        return _running(self._run(again))

    def tick(self) -> Ticked:
        """One step of whoever watches: catches up, looks at the gates, and holds or takes back where they say so."""
        last = Last(by=self.by, verb="tick")
        record = self._run(way_back.catch_up(self.now(), last))
        if record is None or record.phase is None or record.state is State.FINISHING:
            return Ticked(record, left=self.world.do(ReadJournal()))
        judgement = self.judge(record)
        turn = self._react(record, judgement)
        return Ticked(turn.record if turn else record, judgement, self.world.do(ReadJournal()))

    def _react(self, record: Record, judgement: Judgement) -> Turn | None:
        """The turn that the gates ask for, None where they ask for none."""
        action = judgement.action
        last = Last(by=self.by, verb="tick", why=judgement.why, gate=judgement.decided_by)
        if action == "rollback" and not record.one_way:
            return self._run(way_back.roll_back(last, self.now()))
        if record.hold or action in ("wait", "rise"):
            return None
        if action == "extend" and not record.extended:
            return self._unless_moved(record, lambda now: machine.extended(now, last))
        return self._unless_moved(record, lambda now: machine.held(now, judgement.why, last))

    def _unless_moved(self, record: Record, turn: Callable[[Record], Record]) -> Turn | None:
        """The turn, unless somebody has taken another meanwhile."""
        try:
            return self._run(steps.change(lambda now: turn(_same(now, record))))
        except ConflictError:
            return None

    def _require_passed(self, record: Record) -> None:
        """Raises HeldError where a gate stands against going on, RefusedError where it is too early."""
        judgement = self.judge(record)
        if judgement.action == "rise":
            return
        if judgement.action == "wait":
            raise RefusedError(
                f"{record.state} is to be held for another {judgement.remaining / 60:.1f} min ({judgement.why}): "
                f"cutover status -s {self.stack} counts down"
            )
        raise HeldError(f"the gates of {record.state} have not passed: {judgement.why}; see cutover status")

    def _require_may_rise(self, record: Record, to: State, despite: str | None) -> None:
        """Raises HeldError in a freeze, unless `despite` says why; RefusedError where something leads to a track
        whatever the weight is, or the candidate is not ready."""
        frozen = self.frozen(self.now())
        if frozen and not despite:
            raise HeldError(f"no weight may rise now: {frozen}; --despite-freeze REASON goes on, and is recorded")
        beside: tuple[str, ...] = self.world.do(ReadBeside())
        if beside:
            raise RefusedError(f"no weight may rise: {'; '.join(beside)}")
        self.ready(record, to)

    def _require_may_rise_again(self, record: Record, despite: str | None) -> None:
        """The same where what routes has less than the record says, which so would rise."""
        share: Share = self.world.do(ReadWeight())
        if share.weight < record.weight:
            self._require_may_rise(record, record.state, despite)

    def _require_routed(self, record: Record) -> None:
        """Raises TrafficError where what routes, read back, is not what the record says."""
        share: Share = self.world.do(ReadWeight())
        if share.weight != record.weight:
            raise TrafficError(
                f"the candidate was given {record.weight} %, and what routes has {share.weight} %: look at it, cutover "
                f"status -s {self.stack}; cutover resume sets it again"
            )

    def _required(self) -> Record:
        record = self.current()
        if record is None:
            raise NoRolloutError(f"there is no rollout on {self.stack}: begin one, cutover canary -s {self.stack}")
        return record

    def _run(self, ways: Steps[T]) -> T:
        return Run(self.world)(ways)


def _come_to(state: State, turn: Turn) -> Turn:
    """The turn, if the record in force is in the state that was asked for. Raises RolledBackError, RefusedError."""
    record = _running(turn).record
    if record.state is not state:
        raise RefusedError(
            f"rollout {record.id} is {record.state} by now: look who went on, cutover status -s {record.stack}"
        )
    return turn


def _running(turn: Turn) -> Turn:
    """The turn, unless somebody took the traffic back before it ended. Raises RolledBackError."""
    record = turn.record
    if record.state is State.ROLLED_BACK:
        raise RolledBackError(f"rollout {record.id} was rolled back meanwhile: {record.last.said}")
    return turn


def _same(now: Record, known: Record) -> Record:
    """The record, if it is the one that was decided on. Raises ConflictError."""
    if (now.id, now.revision) != (known.id, known.revision):
        raise ConflictError(
            f"somebody went on meanwhile, revision {now.revision} is {now.state}: look at it, cutover status -s "
            f"{now.stack}, and decide again"
        )
    return now


def _read() -> Steps[Record | None]:
    kept: Kept | None = yield ReadRecord()
    return kept.record if kept else None
