"""The picture of the data layer in docs/architecture.md has the arrows that the program declares, and no other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from infra.monitoring import RUNWAY_METRIC
from infra.runtime.fargate.balancer import TRACKS
from infra.runtime.fargate.watch import HELD
from infra.runtime.fargate.work import DEAD, OLDEST, PENDING, SPOOLED
from outputs.log_figures import LogFigure
from tests.unit.infra.configs import FARGATE, changed
from tests.unit.infra.parts import run
from tests.unit.infra.recorder import Recording, identity

PAGE = Path(__file__).parents[3] / "docs" / "architecture.md"
Arrow = tuple[str, str, str]
ENCRYPTED = {
    "aws:secretsmanager/secret:Secret": "vault",
    "aws:rds/instance:Instance": "database",
    "aws:elasticache/replicationGroup:ReplicationGroup": "queues",
}
WATCHED = {
    "DBInstanceIdentifier": "database",
    "CacheClusterId": "queues",
    "TargetGroup": "tracks",
    "LoadBalancer": "balancer",
    "ServiceName": "worker",
}
SAID_BY = {
    RUNWAY_METRIC: "upkeep",
    **dict.fromkeys((OLDEST, DEAD, PENDING), "worker"),
    SPOOLED: "app",
    HELD: "watch",
    **{figure.of(track): "tracks" for figure in LogFigure for track in TRACKS},
}
"""Who writes the line of which a filter makes a metric without dimensions."""
OUTSIDE = {"192.0.2.0/26": "clients", "192.0.2.128/26": "machines", "198.51.100.0/24": "callers"}
SERVED_BY = {"secretsmanager": "vault", "kms": "key", "s3": "evidence", "ssm": "flags"}


def drawn(page: str) -> set[Arrow]:
    """The arrows of the page's picture of the data layer."""
    section = page.partition("## The data layer")[2].partition("\n## ")[0]
    picture = section.partition("```mermaid")[2].partition("```")[0]
    return set(re.findall(r'^\s*(\w+) -- "([^"]+)" --> (\w+)$', picture, re.MULTILINE))


def passages(declared: Recording) -> Iterator[Arrow]:
    """Who is let in where, by the security groups."""
    groups = {
        identity("SecurityGroup", group.name): group.name.rsplit("-", 1)[-1]
        for group in declared.of("aws:ec2/securityGroup:SecurityGroup")
    }
    for rule in declared.of("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"):
        peer = rule.inputs.get("referencedSecurityGroupId")
        sender = groups[peer] if peer else OUTSIDE[rule.inputs["cidrIpv4"]]
        yield (
            sender,
            f"{rule.inputs['ipProtocol']} {int(rule.inputs['toPort'])}",
            groups[rule.inputs["securityGroupId"]],
        )


def permissions(declared: Recording) -> Iterator[Arrow]:
    """What the app's role may do."""
    document = json.loads(declared.one("aws:iam/rolePolicy:RolePolicy", "app").inputs["policy"])
    for statement in document["Statement"]:
        for action in statement["Action"]:
            yield "app", action, SERVED_BY[action.partition(":")[0]]


def encryption(declared: Recording) -> Iterator[Arrow]:
    """What lies under the key."""
    key = declared.one("aws:kms/key:Key")
    for token, part in ENCRYPTED.items():
        for one in declared.of(token):
            assert one.inputs["kmsKeyId"].endswith(f":Key/{key.name}"), one.name
            yield "key", "encrypts", part


def alarms(declared: Recording) -> Iterator[Arrow]:
    """What is watched."""
    assert declared.one("aws:cloudwatch/compositeAlarm:CompositeAlarm").parent.endswith("::watch")
    yield "watch", "alarms", "topic"
    for alarm in declared.of("aws:cloudwatch/metricAlarm:MetricAlarm"):
        if "alarmActions" not in alarm.inputs:  # one that others are made of
            continue
        queries = alarm.inputs.get("metricQueries")
        metric = queries[0]["metric"] if queries else alarm.inputs
        found = [part for dimension, part in WATCHED.items() if dimension in (metric.get("dimensions") or {})]
        yield found[0] if found else SAID_BY[metric["metricName"]], "alarms", "topic"


def arrows() -> set[Arrow]:
    """The arrows of a stack on AWS that is reached by a tunnel, and by machines of a network of their own: the one
    with every part."""
    access = {"clients": ["192.0.2.0/26"], "webhook": ["192.0.2.128/26"], "auditPush": ["192.0.2.128/26"]}
    declared = run(changed(FARGATE, database={"access": "tunnel"}, access=access))
    return {*passages(declared), *permissions(declared), *encryption(declared), *alarms(declared)}


def test_the_picture_is_what_the_program_declares() -> None:
    assert drawn(PAGE.read_text()) == arrows()


def test_an_arrow_that_is_missing_or_made_up_is_found() -> None:
    page = PAGE.read_text()
    line = '  app -- "tcp 6379" --> queues\n'
    assert line in page

    assert drawn(page.replace(line, "")) != arrows()
    assert drawn(page.replace(line, f'{line}  bastion -- "tcp 6379" --> queues\n')) != arrows()
