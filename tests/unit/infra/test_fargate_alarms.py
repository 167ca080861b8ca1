"""The alarms of the fargate runtime: what is down, and whether somebody hears of it, minute by minute."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.unit.infra.configs import FARGATE, changed
from tests.unit.infra.parts import run
from tests.unit.infra.recorder import Recording

ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
Minute = Mapping[str, float]
"""What CloudWatch has of a minute: metric → value. A count of nothing is no datum."""
ERRORS, REQUESTS, BALANCER, HOSTS = (
    "HTTPCode_Target_5XX_Count",
    "RequestCount",
    "HTTPCode_ELB_5XX_Count",
    "HealthyHostCount",
)
WELL: Minute = {REQUESTS: 1000, HOSTS: 2, "TargetResponseTime": 0.2, "RunningTaskCount": 1}


@pytest.fixture
def prod() -> Recording:
    return run(FARGATE)


def alarms(declared: Recording) -> dict[str, dict[str, Any]]:
    named = {one.inputs["name"].removeprefix("web-next-test-"): one.inputs for one in declared.of(ALARM)}
    return {name: alarm for name, alarm in named.items() if not name.startswith(("database-", "queues-", "audit-"))}


def value(alarm: Mapping[str, Any], minute: Minute) -> float | None:
    """What an alarm watches, of one minute; None without a datum."""
    if "metricQueries" not in alarm:
        return minute.get(alarm["metricName"])
    *metrics, result = alarm["metricQueries"]
    known = {one["id"]: minute.get(one["metric"]["metricName"]) for one in metrics}
    expression = re.sub(r"FILL\((\w+), (\d+)\)", lambda found: str(known[found[1]] or found[2]), result["expression"])
    if any(known[name] is None for name in re.findall(r"\b(?:errors|requests)\b", expression)):
        return None
    condition, share, otherwise = re.fullmatch(r"IF\((.*), (.*), (.*)\)", expression).groups()  # type: ignore[union-attr]
    return float(eval(share if eval(condition, {}, known) else otherwise, {}, known))


def fires(alarm: Mapping[str, Any], minutes: Sequence[Minute]) -> bool:
    """Whether it does at the end of these minutes, the last of its own."""
    assert alarm.get("period", 60) == 60
    beyond = {"GreaterThanThreshold": operator.gt, "LessThanThreshold": operator.lt}[alarm["comparisonOperator"]]
    seen = [value(alarm, minute) for minute in minutes[-int(alarm["evaluationPeriods"]) :]]
    assert len(seen) == alarm["evaluationPeriods"]
    silence, threshold = alarm["treatMissingData"] == "breaching", alarm["threshold"]
    return all(silence if each is None else beyond(each, threshold) for each in seen)


def heard(declared: Recording, *, stable: Minute = WELL, worker: Minute = WELL) -> set[str]:
    """The alarms that fire after ten minutes of this."""
    return {
        name
        for name, alarm in alarms(declared).items()
        if not name.startswith("candidate-") and fires(alarm, [worker if name.startswith("worker") else stable] * 10)
    }


def but(minute: Minute, **changes: float | None) -> Minute:
    names = {"errors": ERRORS, "requests": REQUESTS, "balancer": BALANCER, "hosts": HOSTS}
    joined = {**minute, **{names[name]: changes[name] for name in changes}}
    return {name: each for name, each in joined.items() if each is not None}


@pytest.mark.parametrize(
    ("stable", "names"),
    [
        (WELL, set()),
        (but(WELL, errors=200), {"stable-errors"}),
        (but(WELL, hosts=0, requests=None, balancer=50), {"balancer-errors", "stable-hosts"}),
        ({}, {"stable-hosts"}),
        (but(WELL, requests=900, balancer=100), {"balancer-errors"}),
        (but(WELL, requests=12, errors=12), {"stable-errors"}),
        ({**WELL, "TargetResponseTime": 3}, {"stable-slow"}),
    ],
    ids=[
        "all is well",
        "a fifth fails",
        "no task is healthy and people ask",
        "nothing is there and nobody asks",
        "a candidate with a tenth of the traffic is gone",
        "all of a single tab fails",
        "slow",
    ],
)
def test_each_way_of_being_down_is_heard_by_name(prod: Recording, stable: Minute, names: set[str]) -> None:
    assert heard(prod, stable=stable) == names


def test_errors_that_a_stranger_can_cause_end_no_deployment(prod: Recording) -> None:
    assert heard(prod, stable=but(WELL, errors=40)) == set(), "40 a minute are 4 % of what is answered"
    assert heard(prod, stable=but(WELL, requests=1, errors=1)) == set(), "one of one is no outage"


@pytest.mark.parametrize(("tasks", "least", "silent"), [(0, 1, False), (1, 1, True), (1, 2, False), (None, 1, False)])
def test_a_worker_that_is_gone_or_too_small_is_heard(tasks: int | None, least: int, silent: bool) -> None:
    declared = run(changed(FARGATE, fargate={"workerTasks": least}))

    assert heard(declared, worker={} if tasks is None else {"RunningTaskCount": tasks}) == (
        set() if silent else {"worker-tasks"}
    )


def test_what_must_be_there_is_watched_once_it_is(prod: Recording) -> None:
    standing = [one for one in prod.of(ALARM) if one.name.startswith("standing-")]
    component = prod.one("web-next:fargate:StandingAlarms")
    services = {one.urn for one in prod.of("aws:ecs/service:Service")}
    ends_a_deployment = prod.one("aws:ecs/service:Service", "stable").inputs["alarms"]["alarmNames"]

    assert {one.inputs["name"] for one in standing if one.inputs["treatMissingData"] == "breaching"} == {
        "web-next-test-stable-hosts",
        "web-next-test-worker-tasks",
    }
    assert {one.parent for one in standing} == {component.urn}
    assert services <= component.depends_on, "its alarms are registered after it"
    assert ends_a_deployment == ["web-next-test-stable-errors"], "before the first task nobody is healthy"


@pytest.mark.parametrize("track", ["stable", "candidate"])
def test_each_track_is_watched_at_its_own_target_group(prod: Recording, track: str) -> None:
    of_track = {"TargetGroup": f"targetgroup/balancer-{track}", "LoadBalancer": "app/lb"}
    found = alarms(prod)

    assert found[f"{track}-slow"]["dimensions"] == of_track
    assert found[f"{track}-slow"]["extendedStatistic"] == "p95"
    errors, requests, _ = found[f"{track}-errors"]["metricQueries"]
    assert errors["metric"] == {
        "metricName": ERRORS,
        "namespace": "AWS/ApplicationELB",
        "dimensions": of_track,
        "stat": "Sum",
        "period": 60,
    }
    assert requests["metric"] == {**errors["metric"], "metricName": REQUESTS}


def test_every_alarm_is_heard_when_it_fires_and_when_it_ends(prod: Recording) -> None:
    for name, alarm in alarms(prod).items():
        assert alarm["alarmActions"] == alarm["okActions"] != [], name
        assert len(alarm["alarmDescription"]) > 40, name
