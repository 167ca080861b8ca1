"""The picture of the data layer in docs/architecture.md has the arrows that the program declares, and no other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.unit.infra.parts import run
from tests.unit.infra.recorder import FARGATE, Recorder, identity

PAGE = Path(__file__).parents[3] / "docs" / "architecture.md"
Arrow = tuple[str, str, str]
ENCRYPTED = {
    "aws:secretsmanager/secret:Secret": "vault",
    "aws:rds/instance:Instance": "database",
    "aws:elasticache/replicationGroup:ReplicationGroup": "queues",
}
WATCHED = {"DBInstanceIdentifier": "database", "CacheClusterId": "queues", "TargetGroup": "tracks"}
SERVED_BY = {"secretsmanager": "vault", "kms": "key", "s3": "evidence", "ssm": "flags"}


def drawn(page: str) -> set[Arrow]:
    """The arrows of the page's picture of the data layer."""
    section = page.partition("## The data layer")[2].partition("\n## ")[0]
    picture = section.partition("```mermaid")[2].partition("```")[0]
    return set(re.findall(r'^\s*(\w+) -- "([^"]+)" --> (\w+)$', picture, re.MULTILINE))


def passages(engine: Recorder) -> Iterator[Arrow]:
    """Who is let in where, by the security groups."""
    groups = {
        identity("SecurityGroup", group.name): group.name.rsplit("-", 1)[-1]
        for group in engine.of("aws:ec2/securityGroup:SecurityGroup")
    }
    for rule in engine.of("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"):
        peer = rule.inputs.get("referencedSecurityGroupId")
        sender = groups[peer] if peer else {"0.0.0.0/0": "internet"}[rule.inputs["cidrIpv4"]]
        yield (
            sender,
            f"{rule.inputs['ipProtocol']} {int(rule.inputs['toPort'])}",
            groups[rule.inputs["securityGroupId"]],
        )


def permissions(engine: Recorder) -> Iterator[Arrow]:
    """What the app's role may do."""
    document = json.loads(engine.one("aws:iam/rolePolicy:RolePolicy", "app").inputs["policy"])
    for statement in document["Statement"]:
        for action in statement["Action"]:
            yield "app", action, SERVED_BY[action.partition(":")[0]]


def encryption(engine: Recorder) -> Iterator[Arrow]:
    """What lies under the key."""
    key = engine.one("aws:kms/key:Key")
    for token, part in ENCRYPTED.items():
        for one in engine.of(token):
            assert one.inputs["kmsKeyId"].endswith(f":Key/{key.name}"), one.name
            yield "key", "encrypts", part


def alarms(engine: Recorder) -> Iterator[Arrow]:
    """What is watched."""
    for alarm in engine.of("aws:cloudwatch/metricAlarm:MetricAlarm"):
        of = [WATCHED[dimension] for dimension in alarm.inputs.get("dimensions") or {} if dimension in WATCHED]
        yield (of or ["upkeep"])[0], "alarms", "topic"


@pytest.fixture
def declared(engine: Recorder, monkeypatch: pytest.MonkeyPatch) -> set[Arrow]:
    """The arrows of a stack on AWS that is reached by a tunnel: the one with every part."""
    monkeypatch.setattr("pulumi.runtime.is_dry_run", lambda: True)
    config: Mapping[str, Any] = {**FARGATE, "web-next:databaseAccess": "tunnel"}
    run(monkeypatch, config)
    return {*passages(engine), *permissions(engine), *encryption(engine), *alarms(engine)}


def test_the_picture_is_what_the_program_declares(declared: set[Arrow]) -> None:
    assert drawn(PAGE.read_text()) == declared


def test_an_arrow_that_is_missing_or_made_up_is_found(declared: set[Arrow]) -> None:
    page = PAGE.read_text()
    line = '  app -- "tcp 6379" --> queues\n'
    assert line in page

    assert drawn(page.replace(line, "")) != declared
    assert drawn(page.replace(line, f'{line}  bastion -- "tcp 6379" --> queues\n')) != declared
