"""Finishing: the base is brought up while the candidate has all traffic, and what fails then is gone on with."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cutover.commands.app import main
from cutover.errors import NoGoError
from cutover.rollout.effects import Effect, ReadWeight, SetWeight, TakeBack
from cutover.rollout.record import State
from cutover.rollout.world import mark_of
from cutover.stacks import outputs
from cutover.stacks.outputs import Outputs
from cutover.traffic.docker import MountedTraffic
from outputs.traffic import DockerTraffic
from tests.support.packs import TARGET
from tests.support.rollout_stacks import NEW, Stacks, said
from tests.support.rollout_world import MemoryWorld


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


def test_what_somebody_changes_of_stables_flags_after_the_finish_outlives_the_ticks(
    stacks: Stacks, capsys: pytest.CaptureFixture[str]
) -> None:
    finishing(stacks)
    off = ["flags", "-s", "local", "--auto-pause", "0", "--why", "false breaches"]
    assert main(off) == 13
    assert "stable's flags are changed once it is over" in said(capsys)
    stacks.deployed["local"] = replace(TARGET, track="stable")
    main(["finish", "-s", "local"])
    stacks.world.flags["stable"] = replace(stacks.world.flags["stable"], auto_pause=0.0)
    main(["tick", "-s", "local"])
    assert stacks.world.flags["stable"].auto_pause == 1.0, "by hand it is put back"

    assert main([*off, "--by", "grace"]) == 0
    main(["tick", "-s", "local"])
    flags, last = stacks.world.flags["stable"], stacks.record.last
    assert (flags.auto_pause, flags.batch_promote) == (0.0, 1.0)
    assert (last.by, last.verb, last.why, stacks.record.state) == ("grace", "flags", "false breaches", State.FINISHED)


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
