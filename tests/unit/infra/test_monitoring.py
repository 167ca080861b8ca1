"""Monitoring: which alarms there are, when they fire, and who hears them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from infra.monitoring import RUNWAY_PHRASE, publishers_policy
from tests.unit.infra.configs import ACCOUNT, FARGATE, NAMES, changed
from tests.unit.infra.parts import declare
from tests.unit.infra.recorder import Recording

ROOT = Path(__file__).parents[3]
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
TOPIC = f"arn:aws:mock:eu-central-1:{ACCOUNT}:Topic/monitoring"
GIB = 1024**3
DATABASE = {"DBInstanceIdentifier": "web-next-test-audit"}
LESS, REACHED = "LessThanThreshold", "GreaterThanOrEqualToThreshold"


def alarms(declared: Recording) -> dict[str, dict[str, Any]]:
    return {one.inputs["name"].removeprefix("web-next-test-"): one.inputs for one in declared.of(ALARM)}


def fires(alarm: Mapping[str, Any]) -> tuple[Any, ...]:
    """When an alarm fires: metric, of what, statistic, comparison, threshold, seconds, periods, silence."""
    return (
        f"{alarm['namespace']}/{alarm['metricName']}",
        alarm.get("dimensions"),
        alarm["statistic"],
        alarm["comparisonOperator"],
        alarm["threshold"],
        alarm["period"],
        alarm["evaluationPeriods"],
        alarm["treatMissingData"],
    )


@pytest.mark.parametrize(
    ("name", "storage", "free", "connections"),
    [
        ("db.t4g.small", 20, 4 * GIB, 160),
        ("db.m7g.large", 100, 20 * GIB, 640),
        ("db.r7g.4xlarge", 500, 100 * GIB, 4000),
    ],
)
def test_the_databases_thresholds_follow_its_class_and_storage(
    name: str, storage: int, free: int, connections: int
) -> None:
    declared = declare("monitoring", database={"class": name, "storage": str(storage)})
    found = alarms(declared)

    assert fires(found["database-storage"]) == (
        "AWS/RDS/FreeStorageSpace", DATABASE, "Minimum", LESS, free, 300, 3, "missing",
    )  # fmt: skip
    assert fires(found["database-connections"]) == (
        "AWS/RDS/DatabaseConnections", DATABASE, "Maximum", REACHED, connections, 300, 3, "missing",
    )  # fmt: skip
    assert fires(found["database-cpu"]) == (
        "AWS/RDS/CPUUtilization", DATABASE, "Average", REACHED, 80, 300, 3, "missing",
    )  # fmt: skip


@pytest.mark.parametrize("replicas", [0, 2])
def test_each_node_of_the_queues_has_its_alarms(replicas: int) -> None:
    declared = declare("monitoring", queues={"replicas": str(replicas)})
    found = {name: alarm for name, alarm in alarms(declared).items() if name.startswith("queues-")}

    assert len(found) == 3 * (replicas + 1)
    for number in (f"{node:03}" for node in range(1, replicas + 2)):
        node = {"CacheClusterId": f"web-next-test-queues-{number}"}
        assert fires(found[f"queues-{number}-evictions"]) == (
            "AWS/ElastiCache/Evictions", node, "Sum", REACHED, 1, 300, 1, "missing",
        )  # fmt: skip
        assert fires(found[f"queues-{number}-memory"]) == (
            "AWS/ElastiCache/DatabaseMemoryUsagePercentage", node, "Maximum", REACHED, 75, 300, 3, "missing",
        )  # fmt: skip
        assert fires(found[f"queues-{number}-cpu"]) == (
            "AWS/ElastiCache/EngineCPUUtilization", node, "Average", REACHED, 80, 300, 3, "missing",
        )  # fmt: skip


def test_half_a_day_without_a_word_of_the_upkeep_is_an_alarm() -> None:
    declared = declare("monitoring")

    assert fires(alarms(declared)["audit-partition-runway"]) == (
        "web-next/test/AuditPartitionRunwayOk", None, "Sum", LESS, 1, 6 * 3600, 2, "breaching",
    )  # fmt: skip


def logged(sql: str) -> list[str]:
    """What a migration's functions write to the server's log, literal arguments filled in and others as …"""
    found = []
    for text, arguments in re.findall(r"RAISE LOG '([^']*)'([^;]*);", sql):
        for argument in (one.strip() for one in arguments.split(",")[1:]):
            text = text.replace("%", argument.strip("'") if argument.startswith("'") else "…", 1)
        found.append(text)
    return found


def test_the_upkeep_writes_the_words_that_are_listened_for_when_all_is_well_and_not_otherwise() -> None:
    said = [text for path in sorted((ROOT / "migrations").glob("*.sql")) for text in logged(path.read_text())]

    assert [text for text in said if RUNWAY_PHRASE in text] == ["audit_partition_runway ok: … months ahead"]
    assert "audit_partition_runway short: … months ahead" in said


def test_the_upkeeps_words_are_counted_in_the_databases_own_log() -> None:
    declared = declare("monitoring")
    counted = declared.one("aws:cloudwatch/logMetricFilter:LogMetricFilter").inputs
    alarm = alarms(declared)["audit-partition-runway"]

    assert counted["pattern"] == f'"{RUNWAY_PHRASE}"'
    assert counted["logGroupName"] == "/aws/rds/instance/web-next-test-audit/postgresql"
    made = counted["metricTransformation"]
    assert (made["namespace"], made["name"]) == (alarm["namespace"], alarm["metricName"])
    assert made["value"] == "1"


@pytest.mark.parametrize("config", [FARGATE, changed(FARGATE, queues={"replicas": "1"})])
def test_every_alarm_is_heard_when_it_fires_and_when_it_ends_and_says_what_it_means(config: Mapping[str, str]) -> None:
    declared = declare("monitoring", config)

    for name, alarm in alarms(declared).items():
        assert (alarm["alarmActions"], alarm["okActions"]) == ([TOPIC], [TOPIC]), name
        assert len(alarm["alarmDescription"]) > 40, name
    assert {name.removeprefix("queues-001-") for name in alarms(declared)} >= {
        "database-storage",
        "database-connections",
        "database-cpu",
        "evictions",
        "memory",
        "audit-partition-runway",
    }, "what ends a trading day"


def test_everybody_named_is_told_by_mail_or_https() -> None:
    declared = declare("monitoring")
    told = declared.of("aws:sns/topicSubscription:TopicSubscription")

    assert {(one.inputs["protocol"], one.inputs["endpoint"]) for one in told} == {
        ("email", "on-call@web-next.test"),
        ("https", "https://alerts.web-next.test/hook"),
    }
    assert {one.inputs["topic"] for one in told} == {TOPIC}


def test_alarms_of_this_account_publish_and_nobody_else() -> None:
    declared = declare("monitoring")
    policy = declared.one("aws:sns/topicPolicy:TopicPolicy").inputs
    topic = declared.one("aws:sns/topic:Topic").inputs

    assert (policy["arn"], policy["policy"]) == (TOPIC, publishers_policy(NAMES.alarms_topic_arn, ACCOUNT))
    (statement,) = json.loads(policy["policy"])["Statement"]
    assert statement == {
        "Sid": "AlarmsPublish",
        "Effect": "Allow",
        "Principal": {"Service": "cloudwatch.amazonaws.com"},
        "Action": "sns:Publish",
        "Resource": f"arn:aws:sns:eu-central-1:{ACCOUNT}:{topic['name']}",
        "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}},
    }
