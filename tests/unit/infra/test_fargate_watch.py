"""Who watches on AWS: the task that ticks, what starts it each minute, the alarm on its silence and on a hold."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from operator import ge, gt, lt
from typing import Any

import pytest

from cutover.rollout.record import State
from tests.support.scheduled_ticks import OnAws
from tests.unit.infra.configs import FARGATE, NAMES, changed, without
from tests.unit.infra.parts import run
from tests.unit.infra.recorder import Recording

ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
COMPOSITE = "aws:cloudwatch/compositeAlarm:CompositeAlarm"
FILTER = "aws:cloudwatch/logMetricFilter:LogMetricFilter"
TICKS, USERS, HELD = "RolloutTicks", "EdgeRequests-candidate", "RolloutHeld"
Minute = Mapping[str, float]


@pytest.fixture
def prod() -> Recording:
    return run(FARGATE)


@pytest.fixture
def task(prod: Recording) -> dict[str, Any]:
    return prod.one("aws:ecs/taskDefinition:TaskDefinition", "watch").inputs


@pytest.fixture
def schedule(prod: Recording) -> dict[str, Any]:
    return prod.one("aws:scheduler/schedule:Schedule").inputs


def test_the_task_is_a_tick_of_this_stack_that_is_ended_before_the_next_but_one(task: dict[str, Any]) -> None:
    (container,) = json.loads(task["containerDefinitions"])
    ended, seconds, *command = container["command"]

    assert (ended, int(seconds) < 60) == ("timeout", True)
    assert command == [
        *("python3", "-m", "cutover", "tick", "-s", "test"),
        *("--records", "web-next-test-records-123456789012"),
    ]
    assert container["environment"] == [{"name": "AWS_REGION", "value": "eu-central-1"}]


def test_the_task_can_do_nothing_but_its_work(prod: Recording, task: dict[str, Any]) -> None:
    (container,) = json.loads(task["containerDefinitions"])

    assert container["image"] == json.loads(FARGATE["web-next:rollout"])["watchImage"]
    assert container["readonlyRootFilesystem"] is True
    assert container["linuxParameters"]["capabilities"] == {"drop": ["ALL"]}
    assert "/tmp" in [each["containerPath"] for each in container["linuxParameters"]["tmpfs"]]
    assert {"secrets", "portMappings", "healthCheck", "privileged"} & container.keys() == set()
    assert (task["cpu"], task["memory"], container["memory"]) == ("256", "512", 512)
    assert (task["taskRoleArn"], task["executionRoleArn"]) == (
        NAMES.watch_role_arn,
        NAMES.watch_role_arn.replace("watch", "execution"),
    )
    assert container["logConfiguration"]["options"]["awslogs-group"] == "/ecs/web-next-test/watch"
    assert "/ecs/web-next-test/watch" in {one.inputs["name"] for one in prod.of("aws:cloudwatch/logGroup:LogGroup")}


def test_each_minute_one_task_is_started_and_none_that_is_late(schedule: dict[str, Any]) -> None:
    target = schedule["target"]
    network = target["ecsParameters"]["networkConfiguration"]

    assert schedule["scheduleExpression"] == "rate(1 minute)"
    assert schedule["flexibleTimeWindow"] == {"mode": "OFF"}
    assert schedule.get("state", "ENABLED") == "ENABLED"
    assert target["retryPolicy"] == {"maximumEventAgeInSeconds": 60, "maximumRetryAttempts": 0}
    assert target["ecsParameters"].get("taskCount", 1) == 1
    assert (target["ecsParameters"]["launchType"], network["assignPublicIp"]) == ("FARGATE", False)
    assert network["securityGroups"] == ["SecurityGroup:network-watch"], "not the app's: it reaches no data"


def test_its_cluster_is_its_own_for_container_insights_would_charge_each_of_its_tasks(
    prod: Recording, schedule: dict[str, Any]
) -> None:
    cluster = prod.one("aws:ecs/cluster:Cluster", "watch").inputs

    assert cluster["settings"] == [{"name": "containerInsights", "value": "disabled"}]
    assert schedule["target"]["arn"].endswith("/watch")


def half(prod: Recording, name: str, minutes: Sequence[Minute]) -> bool:
    """Whether a half of the alarm is in ALARM at the end of these minutes."""
    (alarm,) = (one.inputs for one in prod.of(ALARM) if one.inputs["name"] == name)
    assert {"alarmActions", "okActions"} & alarm.keys() == set(), "by itself it wakes nobody"
    return alarms(alarm, minutes)


def alarms(alarm: Mapping[str, Any], minutes: Sequence[Minute]) -> bool:
    """Whether an alarm is in ALARM at the end of these minutes."""
    assert (alarm["statistic"], alarm["period"], alarm["namespace"]) == ("Sum", 60, NAMES.metrics)
    seen = [minute.get(alarm["metricName"]) for minute in minutes[-int(alarm["evaluationPeriods"]) :]]
    silence = alarm["treatMissingData"] == "breaching"
    beyond: Callable[[float, float], bool] = {
        "LessThanThreshold": lt,
        "GreaterThanThreshold": gt,
        "GreaterThanOrEqualToThreshold": ge,
    }[alarm["comparisonOperator"]]
    over: list[bool] = [silence if value is None else beyond(value, alarm["threshold"]) for value in seen]
    return sum(over) >= int(alarm.get("datapointsToAlarm", alarm["evaluationPeriods"]))


def pages(prod: Recording, minutes: Sequence[Minute]) -> bool:
    """Whether somebody is woken at the end of these minutes."""
    rule = prod.one(COMPOSITE).inputs["alarmRule"]
    halves = {name: half(prod, name, minutes) for name in re.findall(r'ALARM\("([^"]+)"\)', rule)}
    assert rule == " AND ".join(f'ALARM("{name}")' for name in halves)
    assert len(halves) == 2
    return all(halves.values())


@pytest.mark.parametrize(
    ("minutes", "woken"),
    [
        ([{TICKS: 1, USERS: 40}] * 20, False),
        ([{TICKS: 2, USERS: 40}] * 20, False),
        ([{TICKS: 1, USERS: 40}] * 20 + [{USERS: 40}] * 2, False),
        ([{TICKS: 1, USERS: 40}] * 20 + [{USERS: 40}] * 3, True),
        ([{USERS: 40}] * 20, True),
        ([{TICKS: 1, USERS: 40}] + [{}] * 14, True),
        ([{TICKS: 1, USERS: 40}] + [{}] * 15, False),
        ([{}] * 20, False),
        ([{USERS: 0}] * 20, False),
        ([{TICKS: 1}] * 20, False),
        ([{USERS: 40}] * 17 + [{TICKS: 1, USERS: 40}], False),
    ],
    ids=[
        "somebody ticks",
        "two do",
        "a task was late",
        "nobody ticks any more",
        "no task has ever started",
        "nobody ticks, and the night is quiet",
        "nobody has used it for a quarter of an hour",
        "nobody ticks, and there is no rollout",
        "nobody ticks, and nginx counts nothing",
        "no rollout",
        "somebody ticks again",
    ],
)
def test_silence_wakes_somebody_while_the_candidate_has_users_and_nobody_else_ever(
    prod: Recording, minutes: list[Minute], woken: bool
) -> None:
    assert pages(prod, minutes) is woken


@pytest.mark.parametrize(
    ("minutes", "told"),
    [
        ([{TICKS: 1}] * 10, False),
        ([{TICKS: 1, HELD: 1}] * 4, False),
        ([{TICKS: 1}] * 10 + [{TICKS: 1, HELD: 1}] * 5, True),
        ([{TICKS: 1, HELD: 1}] * 3 + [{}] + [{TICKS: 2, HELD: 2}] * 2, True),
        ([{TICKS: 1, HELD: 1}] * 10 + [{TICKS: 1}] * 2, False),
        ([{}] * 10, False),
    ],
    ids=["none", "a short one", "one that lasts", "a minute without a tick", "somebody has decided", "no rollout"],
)
def test_a_hold_that_keeps_users_at_the_candidate_for_five_minutes_is_told(
    prod: Recording, minutes: list[Minute], told: bool
) -> None:
    (alarm,) = (one.inputs for one in prod.of(ALARM) if one.inputs["name"] == "web-next-test-rollout-held")

    assert alarms(alarm, minutes) is told
    assert alarm["alarmActions"] == alarm["okActions"] == prod.one(COMPOSITE).inputs["alarmActions"]


def test_whoever_is_woken_is_told_what_to_do_and_when_it_is_over(prod: Recording) -> None:
    alarm = prod.one(COMPOSITE).inputs

    assert (
        alarm["alarmActions"]
        == alarm["okActions"]
        == [prod.one("aws:sns/topic:Topic").inputs.get("arn") or alarm["okActions"][0]]
    )
    assert "cutover tick by hand" in alarm["alarmDescription"]


def test_both_halves_look_at_metrics_that_are_made(prod: Recording) -> None:
    made = {one.inputs["metricTransformation"]["name"] for one in prod.of(FILTER)}

    assert {TICKS, USERS, HELD} <= made


def counted(prod: Recording, line: dict[str, Any]) -> dict[str, float]:
    """What the filters on the watch's log take out of a line, by metric."""
    found = {}
    for one in (each.inputs for each in prod.of(FILTER) if each.name.startswith("watch-")):
        assert one["logGroupName"] == "/ecs/web-next-test/watch"
        path, condition = re.fullmatch(r"\{ \$\.([\w.]+) (IS TRUE|>= 0) \}", one["pattern"]).groups()  # type: ignore[union-attr]
        value = at(line, path)
        if value is True if condition == "IS TRUE" else isinstance(value, int) and value >= 0:
            transformation = one["metricTransformation"]
            given = transformation["value"]
            found[transformation["name"]] = float(at(line, given[2:]) if given.startswith("$.") else given)
    return found


def at(line: Any, path: str) -> Any:
    for name in path.split("."):
        line = (line or {}).get(name)
    return line


def test_each_tick_is_counted_by_the_line_that_it_writes(prod: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    stack = OnAws(monkeypatch, NAMES)

    assert counted(prod, json.loads(stack.tick())) == {TICKS: 1}
    stack.begun(State.FINISHING)
    assert counted(prod, json.loads(stack.tick())) == {TICKS: 1, "RolloutWeight": 100}
    stack.begun(State.FINISHING, hold="the desk asks to wait")
    assert counted(prod, json.loads(stack.tick())) == {TICKS: 1, "RolloutWeight": 100, HELD: 1}


def test_a_candidate_has_no_watch_of_its_own() -> None:
    declared = run(changed(without(FARGATE, "zones"), track="candidate", base="prod"))

    assert not declared.of("aws:scheduler/schedule:Schedule")
