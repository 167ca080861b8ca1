"""The tasks of both tracks on ECS: what a turn asks of who gets traffic, and who keeps autoscaling from taking any."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from cutover.errors import RefusedError, UnreachableError
from cutover.rollout import tasks
from cutover.rollout.record import Record, State
from cutover.rollout.steps import TRACKS
from cutover.rollout.tasks import STARTING_SECONDS, Tasks
from infra.naming import Names
from tests.support.rollouts import RECORD
from tests.support.scheduled_ticks import ACCOUNT, REGION, OnAws
from tests.support.service_model import problems

IMAGE = "sha256:" + "a" * 64


@dataclass
class Account:
    """ECS and the load balancer: both tracks' services by name, how far the candidate's tasks have got, and the calls
    that were made, each checked by AWS' own model of the service. A task starts between two looks, unless `stuck`."""

    record: Record
    desired: dict[str, int] = field(default_factory=lambda: {"stable": 4, "candidate": 2})
    running: dict[str, int] = field(default_factory=lambda: {"stable": 4, "candidate": 2})
    definition: str = ""
    image: str = IMAGE
    health: list[str] = field(default_factory=list)
    stuck: bool = False
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    waited: float = 0.0

    @property
    def tasks(self) -> Tasks:
        return Tasks(record=self.record, ecs=Client(self, "ecs"), elb=Client(self, "elbv2"), sleep=self.wait)

    @property
    def declared(self) -> str:
        return str(self.record.releases.candidate.processes.app_definition)  # type: ignore[union-attr]

    def wait(self, seconds: float) -> None:
        self.waited += seconds
        for track, desired in self.desired.items():
            if not self.stuck and self.running[track] < desired:
                self.running[track] += 1

    def operations(self) -> list[str]:
        return [operation for operation, _ in self.asked]

    def DescribeServices(self, *, services: list[str], **_: Any) -> dict[str, Any]:  # noqa: N802
        (name,) = services
        return {
            "services": [
                {
                    "desiredCount": self.desired[name],
                    "runningCount": self.running[name],
                    "taskDefinition": self.definition or self.declared if name == "candidate" else "stable:7",
                }
            ]
            if name in self.desired
            else []
        }

    def UpdateService(self, *, service: str, desiredCount: int, **_: Any) -> dict[str, Any]:  # noqa: N802, N803
        self.desired[service] = desiredCount
        return {}

    def ListTasks(self, **_: Any) -> dict[str, Any]:  # noqa: N802
        return {"taskArns": [f"arn:aws:ecs:x:task/c/{number}" for number in range(self.running["candidate"])]}

    def DescribeTasks(self, *, tasks: list[str], **_: Any) -> dict[str, Any]:  # noqa: N802
        containers = [{"name": "app", "imageDigest": self.image}, {"name": "edge", "imageDigest": "sha256:e"}]
        made = {"lastStatus": "RUNNING", "taskDefinitionArn": self.declared, "containers": containers}
        return {"tasks": [{"taskArn": arn, **made} for arn in tasks]}

    def DescribeTargetHealth(self, *, TargetGroupArn: str, **_: Any) -> dict[str, Any]:  # noqa: N802, N803
        (track,) = (track for track in TRACKS if TargetGroupArn == getattr(self.record.targets.traffic, track))
        states = self.health or ["healthy"] * self.running[track]
        return {"TargetHealthDescriptions": [{"TargetHealth": {"State": state}} for state in states]}


class Client:
    """A client of one service."""

    def __init__(self, account: Account, service: str) -> None:
        self.account, self.service = account, service
        self.names = boto3.client(service, region_name=REGION).meta.method_to_api_mapping

    def __getattr__(self, method: str) -> Callable[..., dict[str, Any]]:
        def call(**given: Any) -> dict[str, Any]:
            operation = self.names[method]
            assert problems(self.service, operation, given, set()) == []
            self.account.asked.append((operation, given))
            answer: dict[str, Any] = getattr(self.account, operation)(**given)
            return answer

        return call

    def get_paginator(self, method: str) -> Any:
        client = self

        class Pages:
            def paginate(self, **given: Any) -> list[dict[str, Any]]:
                return [getattr(client, method)(**given)]

        return Pages()


@pytest.fixture
def prod(monkeypatch: pytest.MonkeyPatch) -> OnAws:
    return OnAws(monkeypatch, Names(stack="prod", account=ACCOUNT, region=REGION))


@pytest.fixture
def account(prod: OnAws) -> Account:
    return Account(prod.begun(State.CANARY, image=f"registry.web-next.test/web-next@{IMAGE}"))


@pytest.mark.parametrize("to", [State.STAGED, State.PRODUCTION])
def test_before_half_of_the_traffic_the_candidate_gets_as_many_tasks_as_stable_has(account: Account, to: State) -> None:
    account.tasks.require_ready(to)

    assert account.desired["candidate"] == account.running["candidate"] == 4
    assert account.waited == 10
    assert account.operations().count("UpdateService") == 1
    assert account.operations()[-3:] == ["DescribeTargetHealth", "ListTasks", "DescribeTasks"]


@pytest.mark.parametrize(("to", "has"), [(State.CANARY, 2), (State.STAGED, 5), (State.FINISHING, 1)])
def test_it_is_asked_for_no_more_than_it_takes_and_never_for_fewer(account: Account, to: State, has: int) -> None:
    account.desired["candidate"] = account.running["candidate"] = has
    account.tasks.require_ready(to)

    assert "UpdateService" not in account.operations()
    assert account.desired["candidate"] == has


def test_a_rise_is_refused_by_name_while_the_candidate_has_fewer_running_tasks_than_stable(account: Account) -> None:
    account.stuck = True

    with pytest.raises(
        RefusedError,
        match="the candidate is not ready for staged: it has 2 running tasks, and stable has 4; look why, aws ecs "
        "describe-services --cluster web-next-prod --services candidate, then type the verb again",
    ):
        account.tasks.require_ready(State.STAGED)
    assert account.waited == STARTING_SECONDS
    assert account.desired["candidate"] == 4, "typed again, it waits for what was asked for"


def test_without_a_running_task_it_gets_no_traffic_at_all(account: Account) -> None:
    account.running["candidate"], account.stuck = 0, True

    with pytest.raises(RefusedError, match="not ready for canary: it has 0 running tasks, and one is the least"):
        account.tasks.require_ready(State.CANARY)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            {"definition": "arn:aws:ecs:x:task-definition/web-next-prod-candidate:6"},
            "it runs web-next-prod-candidate:6, and",
        ),
        ({"image": "sha256:" + "b" * 64}, f"task 0 runs image sha256:{'b' * 64}, not {IMAGE}"),
        ({"image": ""}, "task 0 runs image unknown"),
        (
            {"health": ["healthy", "unhealthy"]},
            "1 of its 2 running tasks are healthy behind the load balancer, others are unhealthy",
        ),
        ({"health": ["healthy"]}, "1 of its 2 running tasks are healthy behind the load balancer"),
        ({"health": ["healthy", "healthy", "initial"]}, "others are initial"),
    ],
    ids=["put back", "another image", "no image", "unhealthy", "not registered", "not yet healthy"],
)
@pytest.mark.parametrize("to", [State.CANARY, State.FINISHING])
def test_what_is_not_as_it_was_asked_is_refused_by_name_before_every_rise(
    account: Account, wrong: dict[str, Any], said: str, to: State
) -> None:
    for name, value in wrong.items():
        setattr(account, name, value)

    with pytest.raises(RefusedError, match=f"the candidate is not ready for {to}: ") as refused:
        account.tasks.require_ready(to)
    assert said in str(refused.value)
    assert (account.waited == 0) is ("health" not in wrong), "nobody waits for what will not change"


@pytest.fixture
def grown(account: Account) -> Account:
    """With all of the traffic the candidate has been scaled to six; stable has as many as it had at night."""
    account.desired = {"stable": 2, "candidate": 6}
    account.running = dict(account.desired)
    return account


def test_before_the_traffic_is_stables_own_it_gets_as_many_healthy_tasks_as_the_candidate_has(grown: Account) -> None:
    grown.tasks.require_ready(State.FINISHED)

    assert grown.desired == grown.running == {"stable": 6, "candidate": 6}
    assert grown.waited == 20
    assert grown.operations()[-1] == "DescribeTargetHealth"
    assert grown.asked[-1][1] == {"TargetGroupArn": grown.record.targets.traffic.stable}  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"stuck": True}, "it has 2 running tasks, and the candidate has 6"),
        ({"health": ["healthy"] * 5 + ["initial"]}, "5 of its 6 running tasks are healthy behind the load balancer"),
    ],
    ids=["not started", "not healthy"],
)
def test_the_end_is_refused_by_name_while_stable_cannot_take_over(
    grown: Account, wrong: dict[str, Any], said: str
) -> None:
    for name, value in wrong.items():
        setattr(grown, name, value)

    with pytest.raises(RefusedError, match=f"stable is not ready for finished: {said}.*--services stable, then type"):
        grown.tasks.require_ready(State.FINISHED)
    assert grown.waited == STARTING_SECONDS


def test_one_that_drains_is_no_fault(account: Account) -> None:
    account.health = ["healthy", "draining", "healthy"]
    account.tasks.require_ready(State.CANARY)


def test_a_candidate_that_is_gone_and_an_ecs_that_does_not_answer_are_told_apart(account: Account) -> None:
    del account.desired["candidate"]
    with pytest.raises(RefusedError, match="there is no service candidate in web-next-prod: bring its stack up"):
        account.tasks.require_ready(State.CANARY)

    def away(**_: Any) -> dict[str, Any]:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "not for you"}}, "DescribeServices")

    account.DescribeServices = away  # type: ignore[method-assign]
    with pytest.raises(RefusedError, match="ECS does not say what runs, or do what is asked"):
        account.tasks.require_ready(State.CANARY)


def test_a_machines_candidate_is_one_container_and_nobody_is_asked(prod: OnAws) -> None:
    tasks.require_ready(RECORD, State.STAGED)
    tasks.keep_tasks(RECORD)

    assert prod.calls == []


BOTH = {"service/web-next-prod/stable", "service/web-next-prod/candidate"}


@pytest.mark.parametrize(
    ("state", "kept"),
    [
        (State.PREPARED, set()),
        (State.CANARY, BOTH),
        (State.STAGED, BOTH),
        (State.PRODUCTION, BOTH),
        (State.FINISHING, BOTH),
        (State.FINISHED, set()),
        (State.ROLLED_BACK, set()),
    ],
)
@pytest.mark.parametrize("before", [set(), BOTH], ids=["let go before", "kept before"])
def test_neither_track_loses_tasks_while_the_candidate_has_a_share(
    prod: OnAws, state: State, kept: set[str], before: set[str]
) -> None:
    prod.kept = set(before)
    tasks.keep_tasks(prod.begun(state))

    assert prod.kept == kept
    assert ("RegisterScalableTarget" in prod.asked()) is (kept != before), "what is so already is left alone"


@pytest.mark.parametrize(
    ("state", "stable"),
    [
        (State.PREPARED, 2),
        (State.CANARY, 6),
        (State.STAGED, 6),
        (State.PRODUCTION, 6),
        (State.FINISHING, 6),
        (State.FINISHED, 2),
        (State.ROLLED_BACK, 2),
    ],
)
def test_while_the_candidate_has_a_share_stable_gets_as_many_tasks_as_it_runs(
    prod: OnAws, state: State, stable: int
) -> None:
    prod.tasks = {"stable": 2, "candidate": 6}
    tasks.keep_tasks(prod.begun(state))

    assert prod.tasks == {"stable": stable, "candidate": 6}


def test_stable_never_gets_fewer_than_it_has(prod: OnAws) -> None:
    prod.tasks = {"stable": 4, "candidate": 2}
    tasks.keep_tasks(prod.begun(State.CANARY))

    assert prod.tasks == {"stable": 4, "candidate": 2}
    assert "UpdateService" not in prod.asked()


def test_a_rollback_asks_ecs_nothing(prod: OnAws) -> None:
    tasks.keep_tasks(prod.begun(State.ROLLED_BACK))

    assert not {"DescribeServices", "UpdateService"} & prod.asked()


def test_who_keeps_tasks_changes_nothing_else_of_the_scaling(prod: OnAws) -> None:
    tasks.keep_tasks(prod.begun(State.CANARY))

    registered = [call.parameters for call in prod.calls if call.operation == "RegisterScalableTarget"]
    assert [given.keys() for given in registered] == [
        {"ServiceNamespace", "ScalableDimension", "ResourceId", "SuspendedState"}
    ] * 2
    assert {str(given["SuspendedState"]) for given in registered} == {"{'DynamicScalingInSuspended': True}"}


def test_an_autoscaling_that_does_not_answer_is_noted_and_stops_no_way_back(
    prod: OnAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_operation: str, _given: object) -> dict[str, Any]:
        raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "slower"}}, "DescribeScalableTargets")

    monkeypatch.setattr(prod, "_of", away)
    with pytest.raises(UnreachableError, match=r"autoscaling does not say what runs.*slower"):
        tasks.keep_tasks(prod.begun(State.ROLLED_BACK))


def test_an_ecs_that_does_not_answer_is_noted_as_an_autoscaling_that_does_not(prod: OnAws) -> None:
    prod.tasks = {"candidate": 2}

    with pytest.raises(UnreachableError, match="there is no service stable in web-next-prod: bring its stack up"):
        tasks.keep_tasks(prod.begun(State.PRODUCTION))


def test_ticks_mend_it_after_a_rollback_that_did_not_reach_it(prod: OnAws) -> None:
    prod.kept = set(BOTH)
    prod.begun(State.ROLLED_BACK)
    prod.tick()

    assert prod.kept == set()


def test_each_tick_has_stable_follow_the_candidate(prod: OnAws) -> None:
    prod.tasks = {"stable": 2, "candidate": 6}
    prod.begun(State.FINISHING)
    prod.tick()

    assert prod.tasks["stable"] == 6
