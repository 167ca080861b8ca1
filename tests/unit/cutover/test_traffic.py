"""The traffic split: what is a weight, which runtime it is, and the command."""

from __future__ import annotations

import getpass
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from cutover import traffic
from cutover.commands.app import main
from cutover.errors import RefusedError, TrafficError, UnreachableError
from cutover.rollout import channel
from cutover.rollout.pinned import Pinned
from cutover.stacks import outputs
from cutover.stacks.outputs import Outputs
from cutover.traffic import traffic_split
from cutover.traffic.docker import EdgeTraffic
from cutover.traffic.fargate import ListenerTraffic
from cutover.traffic.split import Mark, Share, TrafficSplit, checked
from outputs.smoke import Places
from outputs.traffic import DockerTraffic, FargateTraffic
from tests.support.edge_double import TARGET

DOCKER = DockerTraffic(container="edge", folder="/weights")
LISTENER = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/web-next/1/2"
STABLE, CANDIDATE = (f"arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/{name}/1" for name in "sc")


@pytest.mark.parametrize("weight", [-1, 101, 10.5, True, "10", None])
def test_what_is_no_share_is_refused(weight: Any) -> None:
    with pytest.raises(TrafficError, match=r"the candidate's share is a whole number of percent, 0 to 100"):
        checked(weight)


@pytest.mark.parametrize("rollout", ["", "a b", "../now", "a\n", "a" * 65])
def test_what_is_no_id_of_a_rollout_is_refused(rollout: str) -> None:
    with pytest.raises(TrafficError, match="no id of a rollout: those are 1 to 64 letters, digits and hyphens"):
        Mark(rollout=rollout, revision=1)


@pytest.mark.parametrize("weight", [0, 1, 99, 100])
def test_a_share_is_taken(weight: int) -> None:
    assert checked(weight) == weight


def test_the_runtime_decides_where_the_split_is() -> None:
    docker = traffic_split(DOCKER)
    listener = traffic_split(
        FargateTraffic(region="eu-central-1", listener=LISTENER, stable=STABLE, candidate=CANDIDATE)
    )

    assert docker == EdgeTraffic(container="edge", folder="/weights")
    assert isinstance(listener, ListenerTraffic)
    assert (listener.listener, listener.stable, listener.candidate) == (LISTENER, STABLE, CANDIDATE)


@pytest.fixture
def mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrafficSplit:
    """A split whose edge's volume is at hand; its container is nowhere."""
    monkeypatch.setenv("EDGE_MOUNTED", "edge")
    return traffic_split(DockerTraffic(container="edge", folder=str(tmp_path)))


def test_where_the_edges_volume_is_mounted_the_weight_is_set_there_and_docker_is_not_asked(
    mounted: TrafficSplit, tmp_path: Path
) -> None:
    mounted.set(10, Mark(rollout="r-1", revision=3))

    assert sorted(path.name for path in (tmp_path / "now").iterdir()) == sorted(map(str, range(10)))
    assert mounted.get() == Share(weight=10, mark=Mark(rollout="r-1", revision=3))
    with pytest.raises(RefusedError, match="revision 2"):
        mounted.set(50, Mark(rollout="r-1", revision=2))
    mounted.take_back("r-1")
    with pytest.raises(RefusedError):
        mounted.set(10, Mark(rollout="r-1", revision=4))
    assert mounted.get().weight == 0


def test_what_root_sets_its_group_may_change_whatever_the_files_of_who_types_may(
    mounted: TrafficSplit, tmp_path: Path
) -> None:
    before = os.umask(0o022)
    try:
        mounted.get()
        mounted.set(2, Mark(rollout="r-1", revision=3))
        mounted.take_back("r-1")
        mounted.set(2, Mark(rollout="r-2", revision=4))
    finally:
        os.umask(before)

    made = [path for path in tmp_path.rglob("*") if not path.is_symlink()]
    assert {path.name for path in made} > {"0", "1", "lock", "mark", "latched", "r-1"}
    assert [path for path in made if not path.stat().st_mode & stat.S_IWGRP] == []


def test_the_volume_of_another_edge_is_not_taken_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_MOUNTED", "another")

    assert type(traffic_split(DOCKER)) is EdgeTraffic


def test_a_volume_that_is_gone_is_said_in_a_line(mounted: TrafficSplit, tmp_path: Path) -> None:
    tmp_path.rmdir()

    with pytest.raises(TrafficError, match="edge edge: the weight is as it was"):
        mounted.set(10)


@pytest.mark.parametrize("by_hand", [False, True])
@pytest.mark.parametrize("mark", ["", "r-1", "r-1 three open", "r-1 3", "r-1 3 open and more", "\\n"])
def test_a_mark_that_cannot_be_read_is_none_and_the_traffic_falls(
    mounted: TrafficSplit, tmp_path: Path, mark: str, by_hand: bool
) -> None:
    mounted.set(50)
    (tmp_path / "mark").write_text(mark)
    assert mounted.get() == Share(weight=50)

    if by_hand:
        mounted.set(0)
    else:
        mounted.take_back("r-1")

    assert mounted.get() == Share(weight=0, taken_back=frozenset() if by_hand else frozenset({"r-1"}))


def test_without_room_for_a_latch_the_traffic_is_back_all_the_same(mounted: TrafficSplit, tmp_path: Path) -> None:
    mounted.set(50, Mark(rollout="r-1", revision=3))
    (tmp_path / "latched").touch()  # a file where the folder would be: it cannot be made

    with pytest.raises(TrafficError, match=r"the candidate has no traffic, and nothing keeps it so .*make room"):
        mounted.take_back("r-1")
    assert not (tmp_path / "now").exists()


def test_a_share_falls_to_0_where_the_mark_cannot_be_written(mounted: TrafficSplit, tmp_path: Path) -> None:
    mounted.set(50, Mark(rollout="r-1", revision=3))
    (tmp_path / "mark.next").mkdir()
    newer = Mark(rollout="r-1", revision=4)

    with pytest.raises(TrafficError, match="the weight is as it was"):
        mounted.set(60, newer)
    assert mounted.get().weight == 50
    mounted.set(0, newer)
    assert mounted.get() == Share(weight=0, mark=Mark(rollout="r-1", revision=3))


@dataclass
class Split:
    """A split in memory, and how it was set."""

    share: Share = field(default_factory=lambda: Share(weight=10))
    anyway: bool | None = None

    def get(self) -> Share:
        return self.share

    def set(self, weight: int, mark: Mark | None = None, *, anyway: bool = False) -> None:
        self.share, self.anyway = Share(weight=checked(weight)), anyway


@pytest.fixture
def split(monkeypatch: pytest.MonkeyPatch) -> Split:
    made = Split()
    values = {
        "traffic": DOCKER.output(),
        "smoke_target": TARGET.output(),
        "vault": {"SLACK_WEBHOOK_URL": "arn:of:the:entry"},
    }
    monkeypatch.setattr(outputs, "outputs", lambda stack: Outputs(stack, values))
    monkeypatch.setattr(traffic, "traffic_split", lambda _output, _stack: made)
    monkeypatch.setattr(Pinned, "answers", lambda _pinned: True)
    return made


def test_the_command_shows_the_share_and_sets_it(split: Split, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["traffic", "-s", "local"]) == 0
    assert capsys.readouterr().out == "  candidate's share of the traffic, percent: 10\n"
    assert main(["traffic", "-s", "local", "50", "--json"]) == 0
    assert capsys.readouterr().out == '{"candidate": 50, "rollout": null}\n'
    assert split == Split(Share(weight=50), anyway=False)


def test_the_command_names_the_rollout_that_has_set_it(split: Split, capsys: pytest.CaptureFixture[str]) -> None:
    split.share = Share(weight=10, mark=Mark(rollout="r7", revision=4))

    assert main(["traffic", "-s", "local"]) == 0
    assert capsys.readouterr().out == "  candidate's share of the traffic, set by rollout r7, percent: 10\n"


def test_why_it_is_set_in_spite_of_a_rollout_is_told(
    split: Split, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = []

    def post(secret: str, places: Places, said: str) -> None:
        told.append((secret, places, said))
        raise UnreachableError("nobody was told")

    monkeypatch.setattr(channel, "post", post)
    monkeypatch.setattr(getpass, "getuser", lambda: "ada")

    assert main(["traffic", "-s", "local", "50", "--anyway", "its machine is gone"]) == 0
    assert split.anyway is True
    assert told == [
        (
            "arn:of:the:entry",
            TARGET.places,
            "*web-next local* traffic set by hand to 50 % by ada: its machine is gone",
        )
    ]
    said = capsys.readouterr()
    assert (said.out, said.err) == ("  candidate's share of the traffic, percent: 50\n", "  nobody was told\n")


def test_the_command_refuses_a_share_that_is_none(split: Split, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["traffic", "-s", "local", "101"]) == 2
    assert "less than or equal to 100" in capsys.readouterr().err
    assert split.share.weight == 10


@pytest.mark.parametrize(("answers", "code"), [(True, 0), (None, 13), (False, 13)])
def test_a_share_rises_by_hand_only_where_somebody_answers(
    split: Split,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answers: bool | None,
    code: int,
) -> None:
    """An address without a container says nothing at all, until the edge gives up on it."""
    monkeypatch.setattr(Pinned, "answers", lambda self: answers if self.track == "candidate" else True)

    assert main(["traffic", "-s", "local", "50"]) == code
    assert split.share.weight == (10 if code else 50)
    assert ("nobody answers in a second as the candidate of local" in capsys.readouterr().err) == bool(code)
    assert main(["traffic", "-s", "local", "5"]) == 0, "it may always fall"


@pytest.mark.parametrize(
    ("arguments", "answers", "code", "share"),
    [
        (["0"], False, 0, 0),
        (["50"], True, 0, 50),
        (["50"], False, 13, None),
        (["50", "--anyway", "its machine is gone"], False, 0, 50),
    ],
)
def test_a_share_that_cannot_be_read_is_set_by_hand_as_its_line_says(
    mounted: TrafficSplit,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    answers: bool,
    code: int,
    share: int | None,
) -> None:
    values = {
        "traffic": DockerTraffic(container="edge", folder=str(tmp_path)).output(),
        "smoke_target": TARGET.output(),
    }
    monkeypatch.setattr(outputs, "outputs", lambda stack: Outputs(stack, values))
    monkeypatch.setattr(Pinned, "answers", lambda _pinned: answers)
    mounted.set(50)
    (tmp_path / "now" / "7").unlink()
    assert main(["traffic", "-s", "prod"]) == 10
    assert "set it again, cutover traffic -s prod 0" in capsys.readouterr().err

    assert main(["traffic", "-s", "prod", *arguments]) == code

    if share is not None:
        assert mounted.get() == Share(weight=share)


def test_a_stack_that_owns_no_slots_has_no_traffic(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(outputs, "outputs", lambda stack: Outputs(stack, {"release": {}}))

    assert main(["traffic", "-s", "local-canary"]) == 5
    assert "name the base that owns both slots" in capsys.readouterr().err
