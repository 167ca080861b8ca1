"""The rate check before as many tasks as prod may have, of each track: what it sends is what the captured stacks say,
the limiters are simulated, behind a balancer with a node in each zone."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache

import pytest

from cutover.smoke.limit_run import Plan, Ruling, judge, sparse
from cutover.smoke.limiter import Limit
from cutover.smoke.pin import TRACK_HEADER
from cutover.smoke.provable import requests
from outputs.release import Track
from outputs.smoke import EdgeSummary, SmokeTarget
from tests.support.edge_double import Nginx, NoLimit
from tests.support.limited import Balancer, Edges
from tests.unit.infra.parts import run
from tests.unit.policy.captured import CANARY, PROD

TASKS, MOST = 2, 6
OTHER_CHECKS = 14
"""Limited requests of theirs before it, at most."""
BALANCERS: dict[str, Balancer] = {"least_outstanding_requests": "least outstanding", "round_robin": "takes turns"}
WAYS = {"near by": (0.005, 0.01), "0 to 100 ms": (0.0005, 0.1)}
WRONG: dict[str, Callable[[], Nginx | NoLimit]] = {
    "no limit": NoLimit,
    "half the rate": lambda: Nginx(30, 10),
    "twice the rate": lambda: Nginx(120, 10),
    "no burst": lambda: Nginx(60, 0),
    "half the burst": lambda: Nginx(60, 5),
    "twice the burst": lambda: Nginx(60, 20),
}


@cache
def edge_of(track: Track) -> EdgeSummary:
    """What a stack's smoke suite is told of the edge."""
    config = PROD if track == "stable" else CANARY
    return SmokeTarget.from_output(run(config).outputs["smoke_target"]).edge


def plan(edge: EdgeSummary) -> Plan:
    limit = Limit.of(edge.rate_per_minute, edge.burst)
    return sparse(limit, edge.most, requests(limit, edge.most) - OTHER_CHECKS)


def ruling(edge: EdgeSummary, limiters: list[Nginx | NoLimit], balancer: Balancer, way: str, seed: int = 0) -> Ruling:
    dice = random.Random(f"{len(limiters)} {way} {seed}")
    edges = Edges(limiters=limiters, dice=dice, balancer=balancer, way=WAYS[way], nodes=2)
    return judge(edges.answers(plan(edge)), Limit.of(edge.rate_per_minute, edge.burst)).ruling


@pytest.fixture(scope="module")
def balancer() -> Balancer:
    """How prod's target groups deal out what comes."""
    (said,) = {
        group.inputs.get("loadBalancingAlgorithmType", "round_robin")
        for group in run(PROD).of("aws:lb/targetGroup:TargetGroup")
    }
    return BALANCERS[said]


@pytest.mark.parametrize("track", ["stable", "candidate"])
def test_a_run_is_meant_for_the_most_tasks_and_sends_less_than_half_of_what_the_firewall_lets_through(
    track: Track,
) -> None:
    edge, of_prod = edge_of(track), edge_of("stable")

    assert (edge.rate_per_minute, edge.burst, edge.most) == (60, 10, MOST)
    assert of_prod.firewall is not None
    assert len(plan(edge).due) + OTHER_CHECKS == 128 <= of_prod.firewall // 2


def test_prod_has_between_two_and_six_tasks_and_a_zone_for_each_of_two_nodes() -> None:
    declared = run(PROD)

    scaled = declared.one("aws:appautoscaling/target:Target", "stable").inputs
    assert (scaled["minCapacity"], scaled["maxCapacity"]) == (TASKS, MOST)
    assert len(declared.one("aws:lb/loadBalancer:LoadBalancer").inputs["subnets"]) == 2


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("tasks", range(TASKS, MOST + 1))
def test_the_right_limit_holds_at_each_number_of_tasks(tasks: int, way: str, balancer: Balancer) -> None:
    edge = edge_of("stable")
    found = [ruling(edge, [Nginx(60, 10) for _ in range(tasks)], balancer, way, seed) for seed in range(4)]

    assert found.count(Ruling.BROKEN) == 0
    assert found.count(Ruling.HOLDS) >= (4 if way == "near by" else 3), "of fifty far away one or two are undecided"


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("tasks", range(TASKS, MOST + 1))
def test_another_limit_holds_at_no_number_of_tasks(tasks: int, wrong: str, balancer: Balancer) -> None:
    found = ruling(edge_of("stable"), [WRONG[wrong]() for _ in range(tasks)], balancer, "near by")

    assert found is (Ruling.UNDECIDED if wrong == "half the rate" else Ruling.BROKEN)


@pytest.mark.parametrize("tasks", range(TASKS, MOST + 1))
def test_one_task_that_does_not_limit_is_found_among_all(tasks: int, balancer: Balancer) -> None:
    limiters: list[Nginx | NoLimit] = [NoLimit(), *(Nginx(60, 10) for _ in range(tasks - 1))]

    assert ruling(edge_of("stable"), limiters, balancer, "near by") is Ruling.BROKEN


def test_requests_for_one_track_reach_the_tasks_of_that_track_alone_at_every_weight() -> None:
    """The listener's rules come before its weights, and each names the one group of its track."""
    declared = run(PROD)
    rules = declared.of("aws:lb/listenerRule:ListenerRule")

    found = {}
    for rule in rules:
        (action,) = rule.inputs["actions"]
        (header,) = [one["httpHeader"] for one in rule.inputs["conditions"] if "httpHeader" in one]
        found[header["httpHeaderName"], *header["values"]] = action["targetGroupArn"]
    assert found == {(TRACK_HEADER, track): declared.outputs["traffic"][track] for track in ("stable", "candidate")}
    (own,) = run(CANARY).one("aws:ecs/service:Service", "candidate").inputs["loadBalancers"]
    assert "targetgroup/web-next-prod-candidate/" in own["targetGroupArn"]
