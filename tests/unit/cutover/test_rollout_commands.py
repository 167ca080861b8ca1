"""The commands that raise a candidate: in which order they ask, what stops them, and what they leave then."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from cutover.commands import rollout, waiting
from cutover.commands.app import main
from cutover.errors import CutoverError, NoGoError, RefusedError
from cutover.evidence import keeping
from cutover.evidence.approvals import approve
from cutover.evidence.bucket import RecordsBucket
from cutover.evidence.form import Role
from cutover.evidence.keeping import KeptPack
from cutover.evidence.pack import Pack
from cutover.evidence.places import upload
from cutover.gates import source
from cutover.gates.judgement import Judgement
from cutover.gates.result import GateResult, Outcome
from cutover.rollout import opening, proposal, settings, stable_file
from cutover.rollout.controller import Controller, Ticked
from cutover.rollout.effects import Effect, ReadWeight, SetWeight, TakeBack, WriteFlags, WriteRecord
from cutover.rollout.flags import Flags
from cutover.rollout.phases import PHASES, FlagValues
from cutover.rollout.record import Record, State
from cutover.rollout.world import mark_of
from cutover.smoke import run
from cutover.smoke.report import Report
from cutover.stacks import bring_up, outputs
from cutover.stacks.outputs import Outputs
from cutover.traffic.docker import MountedTraffic
from outputs.release import Adapter
from outputs.smoke import SmokeTarget
from outputs.traffic import DockerTraffic
from tests.support.memory_bucket import Memory
from tests.support.packs import AT, SUPPLIED, TARGET, findings, report_of
from tests.support.rollout_world import MemoryWorld
from tests.support.rollouts import TARGETS

NEW = replace(TARGET, track="candidate", stack="local-canary")
STABLE = replace(TARGET, version="1.5.0", digest="0a" * 32)


def judgement(outcome: Outcome, *, on: str = "hold", remaining: float = 0.0) -> Judgement:
    gate = GateResult(name="errors", outcome=outcome, on=on, limit=0.02, why=f"it is {outcome}")  # type: ignore[arg-type]
    return Judgement(at=AT, outcome=outcome, why=gate.why, gates=[gate], elapsed=9, remaining=remaining)


@dataclass
class Stacks:
    """Two stacks in memory: what was brought up, at which weight, and what fails then."""

    world: MemoryWorld = field(default_factory=MemoryWorld)
    memory: Memory = field(default_factory=Memory)
    deployed: dict[str, SmokeTarget] = field(default_factory=lambda: {"local": STABLE, "local-canary": NEW})
    up: list[tuple[str, int]] = field(default_factory=list)
    smoked: list[SmokeTarget] = field(default_factory=list)
    hours: float = 0.0
    says: Judgement = field(default_factory=lambda: judgement(Outcome.PASSED))
    reported: list[Ticked] = field(default_factory=list)
    failure: CutoverError | None = None
    unknown: CutoverError | None = None

    def bring_up(self, stack: str, *, refresh: bool = False) -> None:
        self.up.append((stack, self.world.weight))
        if self.failure:
            raise self.failure

    def opened(self, stack: str, *, by: str | None = None, targets: object = None) -> Controller:
        return Controller(
            stack=stack,
            by=by or "ada",
            world=self.world,
            judge=lambda _record: self.says,
            frozen=lambda _at: None,
            ready=lambda _record, _to: None,
            now=lambda: AT + timedelta(hours=self.hours, minutes=1 + len(self.up)),
        )

    def run_and_keep(self, _suite: object, target: SmokeTarget, _say: object) -> Report:
        self.smoked.append(target)
        at = AT + timedelta(hours=self.hours)
        found = [replace(each, at=at) for each in findings()]
        return replace(report_of(found, target), at=at)

    def keep_pack(self, report: Report) -> KeptPack:
        made = Pack.of(report, SUPPLIED)
        upload(self.memory.bucket, made)
        return KeptPack(folder=made.document.key, id=made.id)

    def sign(self, *roles: Role) -> None:
        for role in roles:
            approve(self.memory.bucket, NEW.digest, PACK.id, role, "Ada")

    def require_known(self, *_: Any) -> None:
        if self.unknown:
            raise self.unknown

    @property
    def record(self) -> Record:
        assert self.world.written
        return self.world.written


PACK = Pack.of(report_of(findings(), NEW), SUPPLIED)


@pytest.fixture
def stacks(monkeypatch: pytest.MonkeyPatch) -> Stacks:
    made = Stacks()
    upload(made.memory.bucket, PACK)

    @contextmanager
    def source_of(*_: object) -> Iterator[Stacks]:
        yield made

    monkeypatch.setattr(RecordsBucket, "of", classmethod(lambda _cls, _places, _patience=None: made.memory.bucket))
    monkeypatch.setattr(outputs, "outputs", lambda stack: Outputs(stack, {}))
    monkeypatch.setattr(outputs, "deployed", lambda stack: made.deployed[stack])
    monkeypatch.setattr(bring_up, "bring_up", made.bring_up)
    monkeypatch.setattr(proposal, "targets_of", lambda _base: TARGETS)
    monkeypatch.setattr(proposal, "candidate_of", lambda _base: "local-canary")
    monkeypatch.setattr(proposal, "require_other_file", lambda _candidate, _stable: None)
    monkeypatch.setattr(proposal, "require_alike", lambda _base, _candidate: None)
    monkeypatch.setattr(settings, "settings_of", lambda _base: None)
    monkeypatch.setattr(settings, "phases_of", lambda _settings: PHASES)
    monkeypatch.setattr(opening, "opened", made.opened)
    monkeypatch.setattr(opening, "reported", lambda _control, ticked: made.reported.append(ticked))
    monkeypatch.setattr(run, "run_and_keep", made.run_and_keep)
    monkeypatch.setattr(keeping, "keep_pack", made.keep_pack)
    monkeypatch.setattr(source, "source_of", source_of)
    monkeypatch.setattr(Flags, "of", classmethod(lambda _cls, _places: _Flags()))
    monkeypatch.setattr(stable_file, "adopt", lambda _base, release: f"  +version: {release.version}")
    monkeypatch.setattr(waiting, "TICK_SECONDS", 0.0)
    return made


class _Flags:
    """What each parameter says, whoever asks."""

    said: ClassVar[dict[str, FlagValues]] = {}

    def read(self, parameter: str) -> FlagValues:
        return self.said.get(parameter, FlagValues(alerts_consume=False))

    def write(self, parameter: str, flags: FlagValues) -> None:
        self.said[parameter] = flags


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().err.strip().splitlines()[-1]


def test_a_candidate_without_its_signatures_is_prepared_and_gets_nothing(
    stacks: Stacks, capsys: pytest.CaptureFixture[str]
) -> None:
    stacks.sign(Role.DEVOPS)

    assert main(["canary", "-s", "local"]) == 13
    assert stacks.up == [("local-canary", 0)]
    assert (stacks.record.state, stacks.record.pack, stacks.world.weight) == (State.PREPARED, PACK.id, 0)
    line = said(capsys)
    assert "its pack is not signed by backend, frontend" in line
    assert f"cutover approve {PACK.document.key} -s local --role ROLE" in line


def test_once_it_is_signed_the_same_pack_takes_it_to_canary(stacks: Stacks, capsys: pytest.CaptureFixture[str]) -> None:
    main(["canary", "-s", "local"])
    prepared = stacks.record
    stacks.sign(*Role)

    assert main(["canary", "-s", "local"]) == 0
    assert (stacks.record.id, stacks.record.state, stacks.world.weight) == (prepared.id, State.CANARY, 10)
    assert list(stacks.record.signed) == ["devops: Ada", "backend: Ada", "frontend: Ada"]
    assert f"canary: {NEW.version} has 10 % of local" in capsys.readouterr().out


def test_without_signatures_it_goes_on_for_a_reason_that_is_recorded(stacks: Stacks) -> None:
    reasons: set[str | None] = set()

    def note(effect: Effect) -> None:
        if isinstance(effect, WriteRecord):
            reasons.add(effect.record.last.why)

    stacks.world.meanwhile = note
    assert main(["canary", "-s", "local", "--unsigned", "a rehearsal"]) == 0
    assert stacks.world.weight == 10
    assert "a rehearsal" in reasons


def test_a_pack_older_than_a_day_is_made_anew(stacks: Stacks) -> None:
    stacks.hours = 23.9
    main(["canary", "-s", "local"])
    assert stacks.smoked == []

    stacks.hours = 24.1
    main(["canary", "-s", "local"])
    assert stacks.smoked == [NEW]


@pytest.mark.parametrize("queue", ["mock", "production"])
def test_a_candidate_is_proven_with_somebody_who_delivers(stacks: Stacks, queue: Adapter) -> None:
    stacks.deployed["local"] = replace(STABLE, adapters={**STABLE.adapters, "queue": queue})
    _Flags.said.clear()

    main(["canary", "-s", "local"])
    assert _Flags().read(TARGETS.flags.candidate).alerts_consume is (queue == "mock")


def test_a_no_go_leaves_no_rollout(stacks: Stacks) -> None:
    stacks.failure = NoGoError("NO-GO")

    assert main(["canary", "-s", "local"]) == 3
    assert stacks.world.written is None


def test_a_rollout_that_runs_is_left_alone_before_anything_is_brought_up(
    stacks: Stacks, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["canary", "-s", "local", "--unsigned", "a test"])
    stacks.up.clear()

    assert main(["canary", "-s", "local"]) == 13
    assert stacks.up == []
    assert "is canary: finish it or roll it back first" in said(capsys)


def test_a_candidate_that_changed_since_it_was_prepared_is_another_rollout(
    stacks: Stacks, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["canary", "-s", "local"])
    stacks.deployed["local-canary"] = replace(NEW, digest="ee" * 32)
    monkeypatch.setattr(rollout, "proven", lambda _target, since: PACK)

    assert main(["canary", "-s", "local", "--unsigned", "a test"]) == 13
    assert "was prepared for 9c9c9c9c9c9c, and local-canary is eeeeeeeeeeee by now" in said(capsys)
    assert stacks.world.weight == 0


def test_what_stable_runs_already_is_no_candidate(stacks: Stacks) -> None:
    stacks.deployed["local"] = TARGET

    assert main(["canary", "-s", "local", "--unsigned", "a test"]) == 13
    assert stacks.world.written is None


def test_a_gate_whose_metric_nobody_has_stops_it_before_the_start(stacks: Stacks) -> None:
    stacks.unknown = CutoverError("gate 'errors' needs nothing_total, which Prometheus does not have")

    assert main(["canary", "-s", "local", "--unsigned", "a test"]) == 1
    assert (stacks.world.written, stacks.world.weight) == (None, 0)


def test_a_pack_of_yesterday_begins_nothing_while_the_candidate_does_not_answer(
    stacks: Stacks, capsys: pytest.CaptureFixture[str]
) -> None:
    stacks.world.answering = {"stable"}

    assert main(["canary", "-s", "local", "--unsigned", "a test"]) == 13
    assert "local-canary does not answer, whatever its pack says" in said(capsys)
    assert (stacks.world.written, stacks.world.weight) == (None, 0)


def test_what_is_no_other_release_by_its_file_is_not_even_brought_up(
    stacks: Stacks, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_candidate: str, _stable: SmokeTarget) -> None:
        raise RefusedError("local-canary has the release of local")

    monkeypatch.setattr(proposal, "require_other_file", refuse)

    assert main(["canary", "-s", "local", "--unsigned", "a test"]) == 13
    assert stacks.up == []
    assert "local-canary has the release of local" in said(capsys)


@pytest.mark.parametrize(
    ("says", "code", "weight"),
    [
        (judgement(Outcome.PASSED), 0, 10),
        (judgement(Outcome.SHARED), 11, 10),
        (judgement(Outcome.FAILED, on="rollback"), 12, 0),
        (judgement(Outcome.INCONCLUSIVE, remaining=1800), 11, 10),
    ],
)
def test_waiting_ends_as_the_gates_say(stacks: Stacks, says: Judgement, code: int, weight: int) -> None:
    stacks.says = says

    assert main(["canary", "-s", "local", "--unsigned", "a test", "--wait", "1s"]) == code
    assert stacks.world.weight == weight
    assert [tick.record and tick.record.weight for tick in stacks.reported][-1] == weight, "each tick is told of"


def test_only_the_tick_that_takes_it_back_ends_so(stacks: Stacks) -> None:
    main(["canary", "-s", "local", "--unsigned", "a test"])
    stacks.says = judgement(Outcome.FAILED, on="rollback")

    assert main(["tick", "-s", "local"]) == 12
    assert stacks.world.weight == 0
    assert main(["tick", "-s", "local"]) == 0


def test_a_tick_that_leaves_something_says_so_until_it_is_done(stacks: Stacks) -> None:
    main(["canary", "-s", "local", "--unsigned", "a test"])
    stacks.world.away = (WriteFlags,)
    assert main(["tick", "-s", "local"]) == 14

    stacks.world.away = ()
    assert main(["tick", "-s", "local"]) == 0


@pytest.mark.parametrize("text", ["30", "m", "1d", "-5m", "1.5h"])
def test_what_is_no_duration_is_wrong_usage(stacks: Stacks, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["staged", "-s", "local", "--wait", text]) == 2
    assert stacks.world.weight == 0


def finishing(stacks: Stacks) -> None:
    main(["canary", "-s", "local", "--unsigned", "a test"])
    for verb in ("staged", "production"):
        assert main([verb, "-s", "local"]) == 0
    stacks.up.clear()


def test_finishing_brings_the_base_up_while_the_candidate_has_all_traffic(
    stacks: Stacks, capsys: pytest.CaptureFixture[str]
) -> None:
    finishing(stacks)
    stacks.deployed["local"] = replace(TARGET, track="stable")

    assert main(["finish", "-s", "local"]) == 0
    assert stacks.up == [("local", 100)]
    assert (stacks.record.state, stacks.world.weight) == (State.FINISHED, 0)
    assert [tick.record and tick.record.state for tick in stacks.reported] == [State.FINISHED], "its pack is kept"
    assert f"+version: {NEW.version}" in capsys.readouterr().out
    assert main(["rollback", "-s", "local"]) == 13


def test_a_base_that_came_up_with_another_release_gets_no_traffic(
    stacks: Stacks, capsys: pytest.CaptureFixture[str]
) -> None:
    finishing(stacks)

    assert main(["finish", "-s", "local"]) == 1
    assert (stacks.record.state, stacks.world.weight) == (State.FINISHING, 100)
    assert "cutover finish -s local goes on" in said(capsys)

    stacks.deployed["local"] = replace(TARGET, track="stable")
    assert main(["finish", "-s", "local"]) == 0
    assert stacks.record.state is State.FINISHED


def test_an_update_that_fails_in_finishing_is_gone_on_with(stacks: Stacks) -> None:
    finishing(stacks)
    stacks.deployed["local"] = replace(TARGET, track="stable")
    stacks.failure = NoGoError("NO-GO")
    assert main(["finish", "-s", "local"]) == 3
    assert stacks.world.weight == 100

    stacks.failure = None
    assert main(["finish", "-s", "local"]) == 0
    assert stacks.world.weight == 0


class AtAnEdge(MemoryWorld):
    """A world whose traffic is split by the edge's own files, in a folder."""

    def do(self, effect: Effect) -> Any:
        match effect:
            case ReadWeight():
                return self.split.get()
            case SetWeight(record):
                return self.split.set(record.weight, mark_of(record))
            case TakeBack(record):
                return self.split.take_back(record.id if record else None)
        return super().do(effect)

    split: MountedTraffic


def test_where_the_update_fails_in_finishing_what_the_refusals_say_to_type_leads_back_and_onward(
    stacks: Stacks, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = AtAnEdge()
    world.split = MountedTraffic(container="edge", folder=str(tmp_path))
    stacks.world = world
    finishing(stacks)
    values = {"traffic": DockerTraffic(container="edge", folder=str(tmp_path)).output()}
    monkeypatch.setattr(outputs, "outputs", lambda stack: Outputs(stack, values))
    monkeypatch.setenv("EDGE_MOUNTED", "edge")
    stacks.failure = NoGoError("NO-GO")
    assert main(["finish", "-s", "local"]) == 3
    assert world.split.get().weight == 100

    said(capsys)
    assert main(["rollback", "-s", "local"]) == 13
    printed = re.findall(r"cutover (traffic -s local 0|rollback -s local)", said(capsys))
    assert len(printed) == 2
    for line in printed:
        assert main(line.split()) == 0
    assert (stacks.record.state, world.split.get().weight) == (State.ROLLED_BACK, 0)

    stacks.failure = None
    assert main(["canary", "-s", "local", "--unsigned", "a test"]) == 0
    assert world.split.get().weight == 10


def test_while_one_finishes_another_that_is_begun_is_told_to_finish_it(
    stacks: Stacks, capsys: pytest.CaptureFixture[str]
) -> None:
    finishing(stacks)
    assert main(["finish", "-s", "local"]) == 1
    stacks.deployed["local"] = replace(TARGET, track="stable")

    assert main(["canary", "-s", "local"]) == 13
    assert "is finishing: finish it first, cutover finish -s local" in said(capsys)
    assert main(["finish", "-s", "local"]) == 0


@pytest.mark.parametrize(("remaining", "pause"), [(0.0, 10.0), (3.0, 4.0), (600.0, 10.0)])
def test_who_waits_looks_again_when_the_hold_ends_and_every_ten_seconds_else(remaining: float, pause: float) -> None:
    ticked = Ticked(None, judgement(Outcome.INCONCLUSIVE, remaining=remaining))

    assert waiting.pause(ticked) == pause
