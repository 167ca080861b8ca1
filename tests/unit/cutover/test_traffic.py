"""The traffic split: what is a weight, which runtime it is, and a listener's weights through its API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from cutover import traffic
from cutover.commands.app import main
from cutover.errors import TrafficError
from cutover.stacks import outputs
from cutover.stacks.outputs import Outputs
from cutover.traffic import traffic_split
from cutover.traffic.docker import EdgeTraffic
from cutover.traffic.fargate import ListenerTraffic
from cutover.traffic.split import checked
from outputs.traffic import DockerTraffic, FargateTraffic

DOCKER = DockerTraffic(container="edge", folder="/weights")
LISTENER = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/web-next/1/2"
STABLE, CANDIDATE, OTHER = (
    f"arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/{name}/1" for name in ("s", "c", "o")
)


@pytest.mark.parametrize("weight", [-1, 101, 10.5, True, "10", None])
def test_what_is_no_share_is_refused(weight: Any) -> None:
    with pytest.raises(TrafficError, match=r"the candidate's share is a whole number of percent, 0 to 100"):
        checked(weight)


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


def action(weights: dict[str, int]) -> dict[str, Any]:
    groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in weights.items()]
    stickiness = {"Enabled": True, "DurationSeconds": 60}
    return {
        "Type": "forward",
        "Order": 1,
        "ForwardConfig": {"TargetGroups": groups, "TargetGroupStickinessConfig": stickiness},
    }


@pytest.fixture
def aws() -> Iterator[tuple[ListenerTraffic, Stubber]]:
    client = boto3.client("elbv2", region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="y")
    with Stubber(client) as stub:
        yield ListenerTraffic(listener=LISTENER, stable=STABLE, candidate=CANDIDATE, client=client), stub
        stub.assert_no_pending_responses()


def described(stub: Stubber, *actions: dict[str, Any]) -> None:
    listener = {"ListenerArn": LISTENER, "DefaultActions": list(actions)}
    stub.add_response("describe_listeners", {"Listeners": [listener]}, {"ListenerArns": [LISTENER]})


@pytest.mark.parametrize(("weights", "share"), [((100, 0), 0), ((90, 10), 10), ((0, 1), 100), ((1, 1), 50)])
def test_the_share_is_read_from_the_weights(
    aws: tuple[ListenerTraffic, Stubber], weights: tuple[int, int], share: int
) -> None:
    split, stub = aws
    described(stub, action({STABLE: weights[0], CANDIDATE: weights[1]}))

    assert split.get() == share


def test_setting_it_changes_both_weights_and_nothing_else_of_the_listener(aws: tuple[ListenerTraffic, Stubber]) -> None:
    split, stub = aws
    described(stub, action({STABLE: 100, CANDIDATE: 0}))
    wanted = {"ListenerArn": LISTENER, "DefaultActions": [action({STABLE: 90, CANDIDATE: 10})]}
    stub.add_response("modify_listener", {"Listeners": []}, wanted)

    split.set(10)


def test_a_weight_that_is_none_is_refused_before_anything_is_asked(aws: tuple[ListenerTraffic, Stubber]) -> None:
    with pytest.raises(TrafficError):
        aws[0].set(101)


@pytest.mark.parametrize("groups", [{STABLE: 1}, {STABLE: 1, OTHER: 1}, {}])
def test_a_listener_that_forwards_elsewhere_is_refused(
    aws: tuple[ListenerTraffic, Stubber], groups: dict[str, int]
) -> None:
    split, stub = aws
    described(stub, action(groups))

    with pytest.raises(TrafficError, match="somebody changed its default action"):
        split.get()


def test_both_weights_at_nothing_are_no_share(aws: tuple[ListenerTraffic, Stubber]) -> None:
    split, stub = aws
    described(stub, action({STABLE: 0, CANDIDATE: 0}))

    with pytest.raises(TrafficError, match="gives both tracks weight 0"):
        split.get()


def test_what_the_api_refuses_is_one_line(aws: tuple[ListenerTraffic, Stubber]) -> None:
    split, stub = aws
    stub.add_client_error("describe_listeners", "AccessDenied", "not for you")

    with pytest.raises(TrafficError, match=r"describe_listeners failed \(.*not for you\); try again") as refused:
        split.get()
    assert "\n" not in str(refused.value)


class Split:
    """A split in memory."""

    weight = 10

    def get(self) -> int:
        return self.weight

    def set(self, weight: int) -> None:
        self.weight = checked(weight)


@pytest.fixture
def split(monkeypatch: pytest.MonkeyPatch) -> Split:
    made = Split()
    monkeypatch.setattr(outputs, "outputs", lambda stack: Outputs(stack, {"traffic": DOCKER.output()}))
    monkeypatch.setattr(traffic, "traffic_split", lambda _output: made)
    return made


def test_the_command_shows_the_share_and_sets_it(split: Split, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["traffic", "-s", "local"]) == 0
    assert capsys.readouterr().out == "  candidate's share of the traffic, percent: 10\n"
    assert main(["traffic", "-s", "local", "50", "--json"]) == 0
    assert capsys.readouterr().out == '{"candidate": 50}\n'
    assert split.weight == 50


def test_the_command_refuses_a_share_that_is_none(split: Split, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["traffic", "-s", "local", "101"]) == 10
    assert "weight is 101" in capsys.readouterr().err
    assert split.weight == 10


def test_a_stack_that_owns_no_slots_has_no_traffic(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(outputs, "outputs", lambda stack: Outputs(stack, {"release": {}}))

    assert main(["traffic", "-s", "local-canary"]) == 5
    assert "name the base that owns both slots" in capsys.readouterr().err
