"""A listener's weights and the mark in its tags, call by call, through the stubbed API."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from cutover.errors import RefusedError, TrafficError
from cutover.traffic.fargate import ListenerTraffic
from cutover.traffic.split import Mark, NothingRoutesError, Share

LISTENER = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:listener/app/web-next/1/2"
STABLE, CANDIDATE, OTHER = (
    f"arn:aws:elasticloadbalancing:eu-central-1:123456789012:targetgroup/{name}/1" for name in ("s", "c", "o")
)
TAGS = {"mark": "web-next:rollout", "taken_back": "web-next:taken-back"}
MINE = Mark(rollout="r7", revision=4)


class Listener:
    """What the API is expected to be asked, in this order, and answers."""

    def __init__(self, stub: Stubber, split: ListenerTraffic) -> None:
        self._stub, self.split = stub, split

    def describes(self, weight: int) -> None:
        self.describes_action(action({STABLE: 100 - weight, CANDIDATE: weight}, pinned=True))

    def describes_action(self, *actions: dict[str, Any]) -> None:
        listener = {"ListenerArn": LISTENER, "DefaultActions": list(actions)}
        self._stub.add_response("describe_listeners", {"Listeners": [listener]}, {"ListenerArns": [LISTENER]})

    def has_tags(self, **tags: str) -> None:
        each = [{"Key": "stack", "Value": "prod"}, *({"Key": TAGS[name], "Value": tags[name]} for name in tags)]
        described = [{"ResourceArn": LISTENER, "Tags": each}]
        self._stub.add_response("describe_tags", {"TagDescriptions": described}, {"ResourceArns": [LISTENER]})

    def is_tagged(self, name: str, text: str) -> None:
        wanted = {"ResourceArns": [LISTENER], "Tags": [{"Key": TAGS[name], "Value": text}]}
        self._stub.add_response("add_tags", {}, wanted)

    def forwards(self, weight: int, *before: dict[str, Any], pinned: bool | None = None) -> None:
        kept = 0 < weight < 100 if pinned is None else pinned
        actions = [*before, action({STABLE: 100 - weight, CANDIDATE: weight}, pinned=kept)]
        wanted = {"ListenerArn": LISTENER, "DefaultActions": actions}
        self._stub.add_response("modify_listener", {"Listeners": []}, wanted)

    def refuses(self, operation: str, code: str = "AccessDenied") -> None:
        self._stub.add_client_error(operation, code, "not for you")


def action(weights: dict[str, int], *, pinned: bool = False) -> dict[str, Any]:
    groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in weights.items()]
    stickiness = {"Enabled": True, "DurationSeconds": 60} if pinned else {"Enabled": False}
    return {
        "Type": "forward",
        "Order": 1,
        "ForwardConfig": {"TargetGroups": groups, "TargetGroupStickinessConfig": stickiness},
    }


@pytest.fixture
def listener() -> Iterator[Listener]:
    client = boto3.client("elbv2", region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="y")
    with Stubber(client) as stub:
        split = ListenerTraffic(
            region="eu-central-1",
            listener=LISTENER,
            stable=STABLE,
            candidate=CANDIDATE,
            pinned_seconds=60,
            client=client,
        )
        yield Listener(stub, split)
        stub.assert_no_pending_responses()


@pytest.mark.parametrize(("weights", "share"), [((100, 0), 0), ((90, 10), 10), ((0, 1), 100), ((1, 1), 50)])
def test_the_share_is_read_from_the_weights(listener: Listener, weights: tuple[int, int], share: int) -> None:
    listener.describes_action(action({STABLE: weights[0], CANDIDATE: weights[1]}))
    listener.has_tags()

    assert listener.split.get() == Share(weight=share)


def test_the_mark_is_read_from_the_tags(listener: Listener) -> None:
    listener.describes(10)
    listener.has_tags(mark="r7 4 final", taken_back="r5 r6")

    assert listener.split.get() == Share(
        weight=10, mark=Mark(rollout="r7", revision=4, final=True), taken_back=frozenset({"r5", "r6"})
    )


def test_a_mark_that_is_none_stands_in_nobodys_way_back(listener: Listener) -> None:
    listener.describes(10)
    listener.has_tags(mark="r7 cut off")
    listener.forwards(0)
    listener.is_tagged("taken_back", "r7")
    listener.describes(0)

    listener.split.take_back("r7")


def test_setting_it_changes_both_weights_and_nothing_else_of_the_listener(listener: Listener) -> None:
    listener.has_tags()
    listener.describes(0)
    listener.forwards(10)

    listener.split.set(10)


def test_a_rollouts_weight_is_marked_before_it_is_set_and_looked_at_afterwards(listener: Listener) -> None:
    listener.has_tags(mark="r7 3 open")
    listener.describes(0)
    listener.is_tagged("mark", "r7 4 open")
    listener.forwards(10)
    listener.has_tags(mark="r7 4 open")

    listener.split.set(10, MINE)


def test_a_controller_that_was_frozen_while_its_rollout_was_taken_back_takes_back_what_it_raised(
    listener: Listener,
) -> None:
    listener.has_tags(mark="r7 3 open")
    listener.describes(0)
    listener.is_tagged("mark", "r7 4 open")
    listener.forwards(10)  # thawed
    listener.has_tags(mark="r7 4 open", taken_back="r7")
    listener.forwards(0)

    with pytest.raises(RefusedError, match="rollout r7 was taken back"):
        listener.split.set(10, MINE)


@pytest.mark.parametrize(
    ("mark", "taken_back", "says"),
    [
        ("r7 4 open", "r7", "rollout r7 was taken back, and for it the edge takes weight 0 alone"),
        ("r7 5 open", "r6", "revision 4 is older than what is in force, revision 5 of rollout r7"),
        ("r8 5 open", "", "revision 4 is older than what is in force, revision 5 of rollout r8"),
    ],
)
def test_what_is_latched_or_older_is_refused_before_anything_is_set(
    listener: Listener, mark: str, taken_back: str, says: str
) -> None:
    listener.has_tags(mark=mark, taken_back=taken_back)
    listener.describes(0)

    with pytest.raises(RefusedError, match=says):
        listener.split.set(10, MINE)


def test_for_a_rollout_that_was_taken_back_0_is_taken(listener: Listener) -> None:
    listener.has_tags(mark="r7 3 open", taken_back="r7")
    listener.describes(0)
    listener.is_tagged("mark", "r7 4 open")
    listener.forwards(0)

    listener.split.set(0, MINE)


@pytest.mark.parametrize(
    ("mark", "has", "weight", "anyway"),
    [("r7 4 open", 50, 10, False), ("r7 4 open", 10, 50, True), ("r7 4 final", 0, 50, False)],
    ids=["it falls", "anyway", "after the end"],
)
def test_by_hand_the_weight_of_a_rollout_is_set(
    listener: Listener, mark: str, has: int, weight: int, anyway: bool
) -> None:
    listener.has_tags(mark=mark)
    listener.describes(has)
    listener.forwards(weight)

    listener.split.set(weight, anyway=anyway)


@pytest.mark.parametrize(("mark", "has"), [("r7 4 open", 10), ("r7 4 final", 10), ("r7 4 open", 0)])
def test_by_hand_the_weight_of_a_rollout_does_not_rise(listener: Listener, mark: str, has: int) -> None:
    listener.has_tags(mark=mark)
    listener.describes(has)

    with pytest.raises(RefusedError, match="the weight belongs to rollout r7, and by hand it may only fall"):
        listener.split.set(50)


def test_taking_back_is_the_traffic_then_the_latch_then_a_look(listener: Listener) -> None:
    listener.describes(50)
    listener.has_tags(mark="r7 4 open")
    listener.forwards(0)
    listener.is_tagged("taken_back", "r6 r7")
    listener.describes(0)

    listener.split.take_back("r6")


def test_what_was_raised_before_the_latch_was_there_is_taken_back_again(listener: Listener) -> None:
    listener.describes(50)
    listener.has_tags(mark="r7 4 open")
    listener.forwards(0)
    listener.is_tagged("taken_back", "r7")
    listener.describes(50)
    listener.forwards(0)

    listener.split.take_back()


def test_what_is_finishing_is_taken_back_where_a_person_has_taken_the_traffic(listener: Listener) -> None:
    listener.describes(0)
    listener.has_tags(mark="r7 4 final")
    listener.forwards(0)
    listener.is_tagged("taken_back", "r7")
    listener.describes(0)

    listener.split.take_back("r7")


@pytest.mark.parametrize("rollout", ["r7", None, "r6"])
def test_taking_back_is_refused_while_the_mark_is_final(listener: Listener, rollout: str | None) -> None:
    listener.describes(100)
    listener.has_tags(mark="r7 4 final")

    with pytest.raises(RefusedError, match="rollout r7 is finishing: its release is being made stable's own"):
        listener.split.take_back(rollout)


def test_tags_that_cannot_be_read_stand_in_no_way_back(listener: Listener) -> None:
    listener.describes(50)
    listener.refuses("describe_tags", "Throttling")
    listener.forwards(0)
    listener.is_tagged("taken_back", "r7")
    listener.describes(0)

    listener.split.take_back("r7")


UNLATCHED = r"the candidate has no traffic, and nothing keeps it so \(.*\): take it back again"


def test_traffic_that_is_back_without_its_latch_is_said_so(listener: Listener) -> None:
    listener.describes(50)
    listener.has_tags(mark="r7 4 open")
    listener.forwards(0)
    listener.refuses("add_tags", "Throttling")

    with pytest.raises(TrafficError, match=UNLATCHED):
        listener.split.take_back("r7")


def test_without_its_tags_nobody_knows_what_to_latch_where_no_rollout_is_named(listener: Listener) -> None:
    listener.describes(50)
    listener.refuses("describe_tags", "Throttling")
    listener.forwards(0)

    with pytest.raises(TrafficError, match=UNLATCHED):
        listener.split.take_back()


def test_a_weight_that_cannot_be_looked_at_again_may_have_been_raised_before_the_latch(listener: Listener) -> None:
    listener.describes(50)
    listener.has_tags(mark="r7 4 open")
    listener.forwards(0)
    listener.is_tagged("taken_back", "r7")
    listener.refuses("describe_listeners", "Throttling")

    with pytest.raises(TrafficError, match=UNLATCHED):
        listener.split.take_back("r7")


def test_the_line_for_a_person_is_the_whole_action_and_a_shell_takes_it(listener: Listener) -> None:
    aws, *words, given = shlex.split(listener.split.by_hand())

    assert [aws, *words] == [
        *("aws", "elbv2", "modify-listener", "--region", "eu-central-1"),
        *("--listener-arn", LISTENER, "--default-actions"),
    ]
    (forward,) = json.loads(given)
    weights = {group["TargetGroupArn"]: group["Weight"] for group in forward["ForwardConfig"]["TargetGroups"]}
    assert weights == {STABLE: 1, CANDIDATE: 0}


def test_a_weight_that_is_none_is_refused_before_anything_is_asked(listener: Listener) -> None:
    with pytest.raises(TrafficError):
        listener.split.set(101)


def alone(arn: str, **config: Any) -> dict[str, Any]:
    """An action as it is described when somebody has set it to one group."""
    return {"Type": "forward", "Order": 1, "TargetGroupArn": arn, **config}


@pytest.mark.parametrize(("arn", "share"), [(STABLE, 0), (CANDIDATE, 100)])
@pytest.mark.parametrize("config", [True, False], ids=["repeated", "by its name"])
def test_a_listener_that_somebody_has_set_to_one_group_gives_it_everything(
    listener: Listener, arn: str, share: int, config: bool
) -> None:
    groups = {"ForwardConfig": {"TargetGroups": [{"TargetGroupArn": arn}]}} if config else {}
    listener.describes_action(alone(arn, **groups))
    listener.has_tags()

    assert listener.split.get() == Share(weight=share)


def test_setting_it_makes_two_groups_of_one(listener: Listener) -> None:
    listener.has_tags()
    listener.describes_action(alone(STABLE))
    listener.forwards(10)

    listener.split.set(10)


@pytest.mark.parametrize("weight", [0, 100])
def test_nobody_is_kept_on_a_track_while_one_has_all(listener: Listener, weight: int) -> None:
    listener.has_tags()
    listener.describes(50)
    listener.forwards(weight, pinned=False)

    listener.split.set(weight)


def test_without_pinning_nobody_is_kept(listener: Listener) -> None:
    listener.has_tags()
    listener.describes(0)
    listener.forwards(10, pinned=False)

    replace(listener.split, pinned_seconds=None).set(10)


def test_an_action_with_a_secret_keeps_it(listener: Listener) -> None:
    oidc = {
        "Issuer": "https://sign-in.web-next.test",
        "AuthorizationEndpoint": "https://sign-in.web-next.test/a",
        "TokenEndpoint": "https://sign-in.web-next.test/t",
        "UserInfoEndpoint": "https://sign-in.web-next.test/u",
        "ClientId": "web-next",
    }
    sign_in = {"Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": oidc}
    listener.has_tags()
    listener.describes_action(sign_in, action({STABLE: 100, CANDIDATE: 0}))
    listener.forwards(10, {**sign_in, "AuthenticateOidcConfig": {**oidc, "UseExistingClientSecret": True}})

    listener.split.set(10)


@pytest.mark.parametrize("groups", [{OTHER: 1}, {STABLE: 1, OTHER: 1}, {}])
def test_a_listener_that_forwards_elsewhere_is_refused(listener: Listener, groups: dict[str, int]) -> None:
    listener.describes_action(action(groups))

    with pytest.raises(TrafficError, match="somebody changed its default action; put it back, aws elbv2"):
        listener.split.get()


def test_both_weights_at_nothing_are_no_share(listener: Listener) -> None:
    listener.describes_action(action({STABLE: 0, CANDIDATE: 0}))

    with pytest.raises(TrafficError, match="gives both tracks weight 0: set it again, cutover traffic -s prod 0"):
        replace(listener.split, stack="prod").get()


@pytest.mark.parametrize("mark", ["r7 4 final", ""])
def test_where_nobody_has_a_share_one_can_be_set(listener: Listener, mark: str) -> None:
    listener.has_tags(mark=mark)
    listener.describes_action(action({STABLE: 0, CANDIDATE: 0}))
    listener.forwards(10)

    listener.split.set(10)


def test_where_nobody_has_a_share_all_goes_back_to_stable(listener: Listener) -> None:
    listener.describes_action(action({STABLE: 0, CANDIDATE: 0}))
    listener.has_tags(mark="r7 4 final")
    listener.forwards(0)
    listener.is_tagged("taken_back", "r7")
    listener.describes(0)

    listener.split.take_back()


def test_without_a_listener_nothing_routes(listener: Listener) -> None:
    listener.refuses("describe_listeners", code="ListenerNotFound")

    with pytest.raises(NothingRoutesError, match=r"there is no listener arn:.*: bring its stack up first"):
        listener.split.get()


def test_what_the_api_refuses_is_one_line(listener: Listener) -> None:
    listener.refuses("describe_listeners")

    with pytest.raises(TrafficError, match=r"describe_listeners failed \(.*not for you\); try again") as refused:
        listener.split.get()
    assert "\n" not in str(refused.value)
