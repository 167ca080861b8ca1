"""The balancer: where it leads, who may ask it for what, and what an update of it leaves as it was."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine, Mapping
from typing import Any, cast

import pulumi
import pytest

from cutover import traffic
from cutover.traffic.split import Share
from infra.runtime.fargate.kept import keeping_the_split
from outputs.traffic import FargateTraffic
from tests.unit.infra.configs import FARGATE, REGION, changed, without
from tests.unit.infra.parts import run
from tests.unit.infra.recorder import Recording

LISTENER, RULE = "aws:lb/listener:Listener", "aws:lb/listenerRule:ListenerRule"


@pytest.fixture
def prod() -> Recording:
    return run(FARGATE)


def weights(listener: Mapping[str, Any]) -> dict[str, int]:
    forward = listener["defaultActions"][0]["forward"]
    return {group["arn"].split("/")[1].rpartition("-")[2]: group["weight"] for group in forward["targetGroups"]}


def test_https_always_leads_to_both_slots_and_later_weights_are_left_alone(prod: Recording) -> None:
    listener = prod.one(LISTENER, "balancer-https")

    assert weights(listener.inputs) == {"stable": 100, "candidate": 0}
    assert listener.ignore_changes == ("defaultActions", "tags", "tagsAll")
    assert listener.inputs["defaultActions"][0]["forward"]["stickiness"]["enabled"] is False, "at 0 nobody is kept"
    assert listener.inputs["sslPolicy"] == "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
    http = prod.one(LISTENER, "balancer-http").inputs
    assert http["defaultActions"][0]["redirect"] == {"protocol": "HTTPS", "port": "443", "statusCode": "HTTP_301"}


@pytest.mark.parametrize(("pinning", "seconds"), [("cookie", 60), ("none", None)])
def test_who_sets_the_weight_knows_for_how_long_the_balancer_keeps_a_browser(pinning: str, seconds: int | None) -> None:
    split = FargateTraffic.from_output(run(changed(FARGATE, edge={"pinning": pinning})).outputs["traffic"])

    assert split.pinned_seconds == seconds


def test_an_update_of_the_listener_is_between_a_look_at_the_split_and_its_putting_back(prod: Recording) -> None:
    listener = prod.one(LISTENER, "balancer-https")

    assert (listener.before_update, listener.after_update) == (("balancer-look",), ("balancer-put-back",))


class Split:
    """A split that an update moves to what the state has."""

    def __init__(self) -> None:
        self.asked_of: list[FargateTraffic] = []
        self.weight = 10

    def at(self, where: FargateTraffic) -> Split:
        self.asked_of.append(where)
        return self

    def get(self) -> Share:
        return Share(weight=self.weight)

    def set(self, weight: int, mark: None, *, anyway: bool) -> None:
        assert (mark, anyway) == (None, True)
        self.weight = weight


def test_the_hooks_put_back_at_this_listener_what_an_update_has_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    split, told = Split(), list[str]()
    monkeypatch.setattr(traffic, "traffic_split", split.at)
    monkeypatch.setattr(pulumi.log, "warn", told.append)
    hooks = keeping_the_split(
        "split", lambda arn: FargateTraffic(region=REGION, listener=arn, stable="s", candidate="c", pinned_seconds=60)
    )
    args = pulumi.ResourceHookArgs(urn="u", id="the-listener", name="n", type="t")
    (look,), (put_back,) = (
        cast("list[pulumi.ResourceHook]", each) for each in (hooks.before_update, hooks.after_update)
    )

    asyncio.run(cast("Coroutine[Any, Any, None]", look.callback(args)))
    split.weight = 0
    put_back.callback(args)

    assert [where.listener for where in split.asked_of] == ["the-listener"]
    assert split.weight == 10
    assert told == ["the update gave the candidate 0 %: it has 10 % again"]


def test_a_track_is_asked_for_by_trusted_callers_alone() -> None:
    declared = run(changed(FARGATE, edge={"trustedCallers": ["198.51.100.7/32"]}))
    rules = {rule.name.rpartition("-")[2]: rule.inputs for rule in declared.of(RULE)}
    assert rules.keys() == {"stable", "candidate"}
    for track, rule in rules.items():
        header, source = rule["conditions"]
        assert header["httpHeader"] == {"httpHeaderName": "X-Web-Next-Track", "values": [track]}
        assert source["sourceIp"] == {"values": ["198.51.100.7/32"]}
        assert rule["actions"][0]["targetGroupArn"].endswith(f"/balancer-{track}/1")


OFFICE, MACHINES, CALLERS = "198.51.100.0/25", "192.0.2.0/25", "10.9.0.0/24"
EVERYBODY = {(80, "0.0.0.0/0"), (443, "0.0.0.0/0")}


@pytest.mark.parametrize(
    ("access", "let_in"),
    [
        ({"clients": [OFFICE]}, {(80, OFFICE), (443, OFFICE), (443, CALLERS)}),
        (
            {"clients": [OFFICE], "webhook": [MACHINES]},
            {(80, OFFICE), *((443, n) for n in (OFFICE, MACHINES, CALLERS))},
        ),
        ({"clients": [], "auditPush": [MACHINES]}, {(443, MACHINES), (443, CALLERS)}),
        (
            {"clients": [OFFICE, "198.51.100.128/25"]},
            {(80, "198.51.100.0/24"), (443, "198.51.100.0/24"), (443, CALLERS)},
        ),
        ({"clients": [OFFICE], "webhook": "anyone"}, {(80, OFFICE), (443, "0.0.0.0/0")}),
        ({"clients": "anyone", "webhook": [MACHINES]}, EVERYBODY),
        ({"clients": "anyone"}, EVERYBODY),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_the_balancers_group_is_as_wide_as_who_may_ask_for_something_and_no_wider(
    access: dict[str, Any], let_in: set[tuple[int, str]]
) -> None:
    declared = run(changed(without(FARGATE, "access"), access=access, edge={"trustedCallers": [CALLERS]}))
    group = [
        one.inputs
        for one in declared.of("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
        if one.inputs["securityGroupId"].endswith("network-balancer")
    ]

    assert {(one["fromPort"], one["cidrIpv4"]) for one in group} == let_in
    assert [one for one in group if one["fromPort"] != one["toPort"] or one["ipProtocol"] != "tcp"] == []


@pytest.mark.parametrize("internal", [True, False])
def test_the_balancer_stands_in_the_public_subnets_and_faces_the_internet_unless_it_is_internal(internal: bool) -> None:
    balancer = run(changed(FARGATE, access={"internal": internal})).one("aws:lb/loadBalancer:LoadBalancer").inputs

    assert balancer["internal"] is internal
    assert balancer["dropInvalidHeaderFields"] is True
    assert [subnet.rpartition("public")[1] for subnet in balancer["subnets"]] == ["public", "public"]


def test_each_request_to_the_balancer_is_logged_in_a_bucket_that_it_may_write_to_first(prod: Recording) -> None:
    balancer = prod.one("aws:lb/loadBalancer:LoadBalancer")
    bucket = prod.one("aws:s3/bucket:Bucket", "access-logs")
    policy = prod.one("aws:s3/bucketPolicy:BucketPolicy", "access-logs")
    rules = prod.one("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration", "access-logs").inputs["rules"]

    assert balancer.inputs["accessLogs"] == {"bucket": bucket.inputs["bucket"], "enabled": True}
    assert policy.urn in balancer.depends_on
    assert [rule["expiration"] for rule in rules] == [{"days": 30}, {"expiredObjectDeleteMarker": True}]
    assert balancer.inputs["enableDeletionProtection"] is True
