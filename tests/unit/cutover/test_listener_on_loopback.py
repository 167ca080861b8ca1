"""The split's whole protocol at a listener that keeps what it is told: weights, tags, the latch, two writers."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse

from cutover.errors import RefusedError, TrafficError
from cutover.traffic.fargate import ListenerTraffic
from cutover.traffic.kept import KeptShare
from cutover.traffic.split import Mark, NothingRoutesError, Share
from outputs.traffic import FargateTraffic
from tests.support.loopback_aws import REGION, LoopbackAws, loopback_aws

MINE = Mark(rollout="r7", revision=4)


@pytest.fixture(scope="module")
def account() -> Iterator[LoopbackAws]:
    with loopback_aws() as made:
        yield made


@pytest.fixture(scope="module")
def made(account: LoopbackAws) -> dict[str, str]:
    """A balancer, and the ARNs of its target groups."""
    network = account.client("ec2")
    vpc = network.create_vpc(CidrBlock="10.1.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        network.create_subnet(VpcId=vpc, CidrBlock=f"10.1.{number}.0/24", AvailabilityZone=f"{REGION}{zone}")
        for number, zone in enumerate("ab")
    ]
    balancing = account.client("elbv2")
    (balancer,) = balancing.create_load_balancer(
        Name="web-next-prod", Subnets=[each["Subnet"]["SubnetId"] for each in subnets]
    )["LoadBalancers"]
    arns = {"balancer": balancer["LoadBalancerArn"]}
    for name in ("stable", "candidate", "other"):
        (group,) = balancing.create_target_group(Name=name, Protocol="HTTP", Port=8080, VpcId=vpc, TargetType="ip")[
            "TargetGroups"
        ]
        arns[name] = group["TargetGroupArn"]
    return arns


@pytest.fixture
def where(account: LoopbackAws, made: dict[str, str]) -> Iterator[FargateTraffic]:
    """A listener as an up makes it, with a tag of Pulumi's."""
    balancing = account.client("elbv2")
    (listener,) = balancing.create_listener(
        LoadBalancerArn=made["balancer"],
        Protocol="HTTP",
        Port=443,
        DefaultActions=[forward({made["stable"]: 100, made["candidate"]: 0})],
        Tags=[{"Key": "stack", "Value": "prod"}],
    )["Listeners"]
    arn = listener["ListenerArn"]
    yield FargateTraffic(
        region=REGION, listener=arn, stable=made["stable"], candidate=made["candidate"], pinned_seconds=60
    )
    balancing.delete_listener(ListenerArn=arn)


@pytest.fixture
def split(where: FargateTraffic) -> ListenerTraffic:
    return ListenerTraffic.of(where)


def forward(weights: dict[str, int]) -> dict[str, Any]:
    groups = [{"TargetGroupArn": arn, "Weight": weight} for arn, weight in weights.items()]
    return {"Type": "forward", "ForwardConfig": {"TargetGroups": groups}}


def interrupted(split: ListenerTraffic, before: int, act: Callable[[], object]) -> ListenerTraffic:
    """The same, whose call number `before` waits until another controller has acted."""
    calls = 0

    class Client:
        def __getattr__(self, operation: str) -> Any:
            nonlocal calls
            if calls == before:
                act()
            calls += 1
            return getattr(split.client, operation)

    return replace(split, client=Client())


def is_back(split: ListenerTraffic) -> bool:
    """Whether nothing goes to the candidate, and the latch is there."""
    share = split.get()
    return (share.weight, set(share.taken_back)) == (0, {"r7"})


def throttled(monkeypatch: pytest.MonkeyPatch, split: ListenerTraffic, operation: str, times: int) -> None:
    """AWS refuses the first calls of an operation as too many."""
    left = iter(range(times))

    def refuse(request: Any, **_: Any) -> AWSResponse | None:
        if next(left, None) is None:
            return None
        said = b"<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>"
        raw = SimpleNamespace(stream=lambda *_, **__: iter([said]))
        return AWSResponse(request.url, 400, {"content-type": "text/xml"}, raw)

    split.client.meta.events.register(f"before-send.elastic-load-balancing-v2.{operation}", refuse)
    monkeypatch.setattr(time, "sleep", lambda _seconds: None)


@pytest.mark.parametrize("operation", ["DescribeListeners", "DescribeTags", "ModifyListener", "AddTags"])
def test_a_call_that_is_throttled_twice_stands_in_no_way_back(
    monkeypatch: pytest.MonkeyPatch, split: ListenerTraffic, operation: str
) -> None:
    split.set(50, MINE)
    throttled(monkeypatch, split, operation, 2)

    split.take_back("r7")

    assert is_back(split)


def test_an_up_gives_stable_all_and_no_rollout_has_a_mark(split: ListenerTraffic) -> None:
    assert split.get() == Share(weight=0)


@pytest.mark.parametrize("weight", [0, 1, 10, 50, 99, 100])
def test_what_is_set_is_read_and_who_is_kept_and_the_rest_of_the_listener_stays(
    account: LoopbackAws, split: ListenerTraffic, weight: int
) -> None:
    seen = account.client("elbv2").describe_listeners(ListenerArns=[split.listener])["Listeners"][0]

    split.set(weight, MINE)

    assert split.get() == Share(weight=weight, mark=MINE)
    now = account.client("elbv2").describe_listeners(ListenerArns=[split.listener])["Listeners"][0]
    (action,) = now.pop("DefaultActions")
    del seen["DefaultActions"]
    assert now == seen
    kept = {"Enabled": True, "DurationSeconds": 60} if 0 < weight < 100 else {"Enabled": False}
    assert action["ForwardConfig"]["TargetGroupStickinessConfig"] == kept
    (tagged,) = account.client("elbv2").describe_tags(ResourceArns=[split.listener])["TagDescriptions"]
    assert {"Key": "stack", "Value": "prod"} in tagged["Tags"]


def test_a_rollout_goes_its_way_and_after_its_end_the_weight_is_free(split: ListenerTraffic) -> None:
    for revision, weight in enumerate((10, 50, 100, 100)):
        split.set(weight, Mark(rollout="r7", revision=revision, final=revision == 3))
    with pytest.raises(RefusedError, match="rollout r7 is finishing"):
        split.take_back()
    split.set(0, Mark(rollout="r7", revision=4, final=True))
    split.set(30)

    assert split.get() == Share(weight=30, mark=Mark(rollout="r7", revision=4, final=True))


def test_an_older_revision_is_refused_and_changes_nothing(split: ListenerTraffic) -> None:
    split.set(10, replace(MINE, revision=5))

    with pytest.raises(RefusedError, match="revision 4 is older"):
        split.set(50, MINE)
    assert split.get() == Share(weight=10, mark=replace(MINE, revision=5))


def test_what_was_taken_back_stays_back_and_the_next_rollout_rises(split: ListenerTraffic) -> None:
    split.set(50, MINE)
    split.take_back()
    for _ in range(2):
        with pytest.raises(RefusedError, match="r7 was taken back"):
            split.set(10, replace(MINE, revision=9))
    assert split.get() == Share(weight=0, mark=MINE, taken_back=frozenset({"r7"}))

    split.set(10, Mark(rollout="r8", revision=10))

    assert split.get().weight == 10


def test_by_hand_it_only_falls(split: ListenerTraffic) -> None:
    split.set(50, MINE)
    split.set(10)
    with pytest.raises(RefusedError, match="by hand it may only fall"):
        split.set(11)
    split.set(11, anyway=True)

    assert split.get().weight == 11


@pytest.mark.parametrize("before", range(5))
def test_a_rise_that_a_rollback_overtakes_at_any_of_its_calls_ends_at_0(split: ListenerTraffic, before: int) -> None:
    split.set(10, replace(MINE, revision=3))

    with pytest.raises(RefusedError, match="r7 was taken back"):
        interrupted(split, before, split.take_back).set(50, MINE)

    assert is_back(split)


@pytest.mark.parametrize("before", range(5))
def test_a_rollback_that_a_rise_overtakes_at_any_of_its_calls_ends_at_0(split: ListenerTraffic, before: int) -> None:
    split.set(10, replace(MINE, revision=3))

    def rise() -> None:
        try:
            split.set(50, MINE)
        except RefusedError:
            assert before == 4, "only the latch refuses it"

    interrupted(split, before, rise).take_back()

    assert is_back(split)


def test_the_line_for_a_person_does_what_it_says(account: LoopbackAws, split: ListenerTraffic) -> None:
    split.set(50, MINE)
    words = shlex.split(split.by_hand())

    account.client("elbv2").modify_listener(ListenerArn=split.listener, DefaultActions=json.loads(words[-1]))

    assert split.get() == Share(weight=0, mark=MINE)


@pytest.mark.parametrize(("track", "weight"), [("stable", 0), ("candidate", 100)])
def test_a_listener_of_one_group_is_read_and_has_two_again(
    account: LoopbackAws, made: dict[str, str], split: ListenerTraffic, track: str, weight: int
) -> None:
    alone = [{"Type": "forward", "TargetGroupArn": made[track]}]
    account.client("elbv2").modify_listener(ListenerArn=split.listener, DefaultActions=alone)

    assert split.get() == Share(weight=weight)
    split.set(10)
    assert split.get() == Share(weight=10)


def test_what_an_update_sends_of_the_action_is_put_back(
    account: LoopbackAws, made: dict[str, str], split: ListenerTraffic
) -> None:
    split.set(10, MINE)
    kept = KeptShare(split)
    kept.look()
    account.client("elbv2").modify_listener(
        ListenerArn=split.listener, DefaultActions=[forward({made["stable"]: 100, made["candidate"]: 0})]
    )

    assert kept.put_back() == "the update gave the candidate 0 %: it has 10 % again"
    assert split.get() == Share(weight=10, mark=MINE)


@pytest.mark.parametrize("before", range(8))
def test_an_update_undoes_no_rollback_whichever_of_its_calls_that_overtakes(
    account: LoopbackAws, made: dict[str, str], split: ListenerTraffic, before: int
) -> None:
    split.set(50, MINE)
    slow = interrupted(split, before, lambda: split.take_back("r7"))
    kept = KeptShare(slow)
    kept.look()
    account.client("elbv2").modify_listener(
        ListenerArn=split.listener, DefaultActions=[forward({made["stable"]: 100, made["candidate"]: 0})]
    )

    kept.put_back()

    assert is_back(split)


@pytest.mark.parametrize(("before", "weight"), [(2, 50), (4, 50), (5, 10)])
def test_an_update_takes_no_mark_from_a_turn_that_overtakes_it(
    account: LoopbackAws, made: dict[str, str], split: ListenerTraffic, before: int, weight: int
) -> None:
    split.set(10, MINE)
    newer = replace(MINE, revision=5)
    kept = KeptShare(interrupted(split, before, lambda: split.set(50, newer)))
    kept.look()
    account.client("elbv2").modify_listener(
        ListenerArn=split.listener, DefaultActions=[forward({made["stable"]: 100, made["candidate"]: 0})]
    )

    if weight == 50:
        with pytest.raises(TrafficError, match="has 50 %, and a rollout went on meanwhile"):
            kept.put_back()
    else:  # between the look and the weight: it falls, which status tells
        kept.put_back()
    assert split.get() == Share(weight=weight, mark=newer)


def test_a_listener_that_leads_elsewhere_or_is_gone_is_told_apart(
    account: LoopbackAws, made: dict[str, str], split: ListenerTraffic
) -> None:
    account.client("elbv2").modify_listener(ListenerArn=split.listener, DefaultActions=[forward({made["other"]: 1})])
    with pytest.raises(TrafficError, match="somebody changed its default action"):
        split.get()

    with pytest.raises(NothingRoutesError, match="there is no listener"):
        replace(split, listener=f"{split.listener}0").get()


def pin(track: str, group: str, **other: Any) -> dict[str, Any]:
    """A rule as an up makes it: whoever is trusted and asks for the track gets it."""
    header = {"HttpHeaderName": "X-Web-Next-Track", "Values": [track]}
    return {
        "Conditions": [
            {"Field": "http-header", "HttpHeaderConfig": header},
            {"Field": "source-ip", "SourceIpConfig": {"Values": ["198.51.100.0/24"]}},
        ],
        "Actions": [{"Type": "forward", "TargetGroupArn": group}],
        **other,
    }


def path(group: str) -> dict[str, Any]:
    """A rule that somebody has made by hand."""
    return {
        "Conditions": [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/api/*"]}}],
        "Actions": [{"Type": "forward", "TargetGroupArn": group}],
    }


def test_the_programs_own_rules_and_what_leads_elsewhere_are_beside_nothing(
    account: LoopbackAws, made: dict[str, str], split: ListenerTraffic
) -> None:
    rules = [pin("stable", made["stable"]), pin("candidate", made["candidate"]), path(made["other"])]
    for priority, rule in enumerate(rules, 1):
        account.client("elbv2").create_rule(ListenerArn=split.listener, Priority=priority, **rule)

    assert split.beside() == ()


@pytest.mark.parametrize(
    "rule",
    [
        lambda made: path(made["candidate"]),
        lambda made: pin("candidate", made["candidate"], Conditions=pin("candidate", "")["Conditions"][:1]),
        lambda made: pin("stable", made["candidate"]),
        lambda made: pin("candidate", "", Actions=[forward({made["stable"]: 1, made["candidate"]: 1})]),
    ],
    ids=["by its path", "whoever asks for it", "the other track", "by weights of its own"],
)
def test_a_rule_that_leads_to_a_track_whatever_the_weights_are_is_named_with_the_way_out(
    account: LoopbackAws, made: dict[str, str], split: ListenerTraffic, rule: Callable[[dict[str, str]], dict[str, Any]]
) -> None:
    split.set(10)
    elb = account.client("elbv2")
    (added,) = elb.create_rule(ListenerArn=split.listener, Priority=7, **rule(made))["Rules"]
    (clause,) = split.beside()

    assert split.get().weight == 10
    assert f"a rule of listener {split.listener} leads to " in clause
    assert "candidate" in clause
    command = shlex.split(clause.partition("remove it, ")[2])
    assert command == [*("aws", "elbv2", "delete-rule", "--region", REGION), "--rule-arn", added["RuleArn"]]
    elb.delete_rule(RuleArn=command[-1])
    assert split.beside() == ()


def test_another_listener_that_leads_to_a_track_is_named_and_one_that_redirects_is_not(
    account: LoopbackAws, made: dict[str, str], split: ListenerTraffic
) -> None:
    elb = account.client("elbv2")
    redirect = {"Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}
    ways = {80: {"Type": "redirect", "RedirectConfig": redirect}, 8443: forward({made["candidate"]: 1})}
    added = {
        port: elb.create_listener(
            LoadBalancerArn=made["balancer"], Protocol="HTTP", Port=port, DefaultActions=[action]
        )["Listeners"][0]["ListenerArn"]
        for port, action in ways.items()
    }
    beside = split.beside()
    for arn in added.values():
        elb.delete_listener(ListenerArn=arn)

    (clause,) = beside
    assert clause.startswith(
        f"listener {added[8443]} leads to candidate, whatever the weights are: remove it, aws elbv2 "
    )
