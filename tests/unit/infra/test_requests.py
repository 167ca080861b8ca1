"""Each resource of prod and of canary is asked for as AWS' published models of its services take it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from offline.standins.aws import PACKAGE
from offline.standins.kind import StandinError
from tests.support.service_model import problems
from tests.unit.infra.configs import ACCOUNT, FARGATE, REGION, changed, without
from tests.unit.infra.parts import bootstrap, run
from tests.unit.infra.recorder import Recording, Registered, identity
from tests.unit.infra.request_rows import ROWS
from tests.unit.infra.requests import LATER, NONE, Request, requests

PROD = changed(FARGATE, database={"access": "tunnel"})
CANARY = changed(without(FARGATE, "zones"), track="candidate", base="prod")
FIRST_UP = changed(FARGATE, image="later", edge={"image": "later"}, database={"access": "later"})
IN_A_VPC = changed(
    without(FARGATE, "fargate"),
    network={
        "vpcId": "vpc-0123456789abcdef0",
        **{
            f"{tier}SubnetIds": [f"subnet-0{number}{zone}" for zone in "ab"]
            for number, tier in enumerate(("app", "data", "public"))
        },
    },
    edge={"trustedProxies": ["10.9.0.0/20"]},
    fargate={"certificateArn": f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/1"},
)


def wrong(declared: Recording) -> list[str]:
    """What the models do not take of what is declared."""
    made_by_mocks = {identity(one.token.rpartition(":")[2], one.name) for one in declared.registered}
    return [
        f"{one.token} {one.name}: {each.operation}: {problem}"
        for one in declared.registered
        if one.token.startswith("aws:")
        for each in requests(one)
        for problem in problems(each.service, each.operation, each.parameters, made_by_mocks)
    ]


@pytest.mark.parametrize(
    ("declare", "least"),
    [
        (partial(run, PROD), 150),
        (partial(run, CANARY), 4),
        (partial(run, FIRST_UP), 100),
        (partial(run, IN_A_VPC), 100),
        (bootstrap, 8),
    ],
    ids=["prod", "canary", "prod's first up", "prod in a VPC that exists", "what comes before every stack"],
)
def test_aws_models_take_each_request(declare: Callable[[], Recording], least: int) -> None:
    declared = declare()

    assert wrong(declared) == []
    assert sum(len(sent(one)) for one in declared.registered if one.token.startswith("aws:")) >= least


def test_each_type_has_a_request_or_a_reason_and_no_row_is_left_over() -> None:
    declared = [run(PROD), run(CANARY), bootstrap()]
    types = {one.token for each in declared for one in each.registered if one.token.startswith("aws:")}
    sent_by_stand_ins = {token for token in types if PACKAGE.kinds[token].create}

    assert types - sent_by_stand_ins - ROWS.keys() - NONE.keys() == set()
    assert (ROWS.keys() | NONE.keys()) - types == set(), "nothing declares them any more"
    again = {
        "aws:cloudwatch/metricAlarm:MetricAlarm"
    }  # its stand-in takes one metric, a local stack's alarms have no more
    assert sent_by_stand_ins & ROWS.keys() == again, "the stand-in says it already"


def carried(one: Registered) -> set[str]:
    """The inputs without which a resource's request is another, or cannot be made."""
    whole, found = sent(one), set()
    for name in one.inputs:
        try:
            less = sent(replace(one, inputs={key: value for key, value in one.inputs.items() if key != name}))
        except (AttributeError, KeyError, StandinError):
            less = None
        if less != whole:
            found.add(name)
    return found


def sent(one: Registered) -> list[Request]:
    """A resource's requests, without the token that is drawn for each."""
    return [
        replace(
            each, parameters={name: value for name, value in each.parameters.items() if name != "ClientRequestToken"}
        )
        for each in requests(one)
    ]


def test_every_input_is_in_the_request_or_is_known_to_come_later() -> None:
    declared = [one for one in run(PROD).registered if one.token.startswith("aws:") and one.token not in NONE]
    in_requests = {(one.token, name) for one in declared for name in carried(one)}
    others = {(one.token, name) for one in declared for name in one.inputs} - in_requests

    assert others == {(token, name) for token, inputs in LATER.items() for name in inputs}


def test_a_type_without_a_row_and_an_input_without_a_place_are_named() -> None:
    declared = run(PROD).one("aws:ecs/cluster:Cluster", "cluster")

    with pytest.raises(AssertionError, match="Klaster: no stand-in makes it; add its row to ROWS"):
        list(requests(replace(declared, token="aws:ecs/klaster:Klaster")))
    with pytest.raises(StandinError, match="wings has no counterpart"):
        list(requests(replace(declared, inputs={**declared.inputs, "wings": 2})))


@pytest.mark.parametrize(
    ("token", "name", "inputs", "said"),
    [
        (
            "aws:lb/loadBalancer:LoadBalancer",
            "balancer",
            {"loadBalancerType": "applikation"},
            "Type is 'applikation': it is one of",
        ),
        ("aws:acm/certificate:Certificate", "certificate", {"domainName": "a b"}, "DomainName is 'a b': it is as"),
        (
            "aws:cloudwatch/metricAlarm:MetricAlarm",
            "monitoring-database-storage",
            {"name": "n" * 256},
            "its size is 256, which is not at least 1 and at most 255",
        ),
        (
            "aws:lb/targetGroup:TargetGroup",
            "balancer-stable",
            {"port": 70000},
            "Port is 70000: its value is 70000, which is not at least 1 and at most 65535",
        ),
        (
            "aws:ecs/taskDefinition:TaskDefinition",
            "worker",
            {"containerDefinitions": '[{"nam": "worker"}]'},
            "has no counterpart",
        ),
        ("aws:wafv2/webAcl:WebAcl", "firewall", {"rules": [{"name": "rate"}]}, "Rules[0] lacks Priority"),
    ],
)
def test_what_a_model_does_not_take_is_found(token: str, name: str, inputs: dict[str, Any], said: str) -> None:
    declared = run(PROD)
    one = declared.one(token, name)
    broken = Recording(registered=[replace(one, inputs={**one.inputs, **inputs})])

    try:
        found = wrong(broken)
    except StandinError as error:
        found = [str(error)]
    assert re.search(re.escape(said), " ".join(found)), found
