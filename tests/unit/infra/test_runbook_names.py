"""The runbook's commands name resources that the program declares, each as the kind that the command asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.infra.configs import STACK
from tests.unit.policy import captured

RUNBOOK = Path(__file__).parents[3] / "docs" / "runbook.md"
KINDS = {
    "--auto-scaling-group-name": ("aws:autoscaling/group:Group", "name"),
    "--cache-parameter-group-name": ("aws:elasticache/parameterGroup:ParameterGroup", "name"),
    "--cluster": ("aws:ecs/cluster:Cluster", "name"),
    "--log-group-name": ("aws:cloudwatch/logGroup:LogGroup", "name"),
    "--name": ("aws:scheduler/schedule:Schedule", "name"),
    "--secret-id": ("aws:secretsmanager/secret:Secret", "name"),
    "--services": ("aws:ecs/service:Service", "name"),
    "DBInstanceIdentifier": ("aws:rds/instance:Instance", "identifier"),
    "CacheClusterId": ("aws:cloudwatch/metricAlarm:MetricAlarm", "dimensions.CacheClusterId"),
    "tail": ("aws:cloudwatch/logGroup:LogGroup", "name"),
}
"""What stands before a name, and whose name it is then. A node's id is in no input but its alarms'."""
NAMED = re.compile(r"(\S+?)(?: |,Value=)(/?(?:[a-z]+/)?web-next-(?:prod|local)\b[\w/-]*)")
COMMANDS = re.compile(r"\baws [a-z0-9]+ [a-z-]+ (?:\\\n|[^`\n])*|^ *(?:#.*)?--\w(?:\\\n|[^`\n])*", re.MULTILINE)


def unknown(page: str) -> Iterator[str]:
    """The names in the page's commands that no resource of the kind has."""
    stack = captured.prod()
    for command in COMMANDS.findall(page):
        for option, name in NAMED.findall(command):
            before = option.removeprefix("Name=")
            kind, key = KINDS[before]
            own = re.sub("web-next-(prod|local)", f"web-next-{STACK}", name)
            if own not in {value for one in stack.of(kind) for value in one.every(key)}:
                yield f"{before} {name}"


def test_every_name_in_a_command_of_the_runbook_is_one_that_the_program_gives() -> None:
    assert list(unknown(RUNBOOK.read_text())) == []


@pytest.mark.parametrize(
    "line",
    [
        "`aws elasticache describe-cache-parameters --cache-parameter-group-name web-next-prod-queues`",
        "`aws logs tail /ecs/web-next-prod/edge --follow`",
        "aws cloudwatch get-metric-statistics \\\n  --dimensions Name=DBInstanceIdentifier,Value=web-next-prod-data",
        "#   --dimensions Name=CacheClusterId,Value=web-next-prod-queues",
    ],
)
def test_a_name_that_nothing_of_its_kind_has_is_found(line: str) -> None:
    assert len(list(unknown(line))) == 1


def test_every_name_of_prods_in_the_commands_is_looked_at() -> None:
    page = RUNBOOK.read_text()
    lines = "\n".join(line for line in page.splitlines() if "aws " in line or "--dimensions" in line)
    looked_at = [name for command in COMMANDS.findall(page) for _, name in NAMED.findall(command)]

    assert sorted(set(looked_at)) == sorted(set(re.findall(r"/?(?:ecs/)?web-next-(?:prod|local)\b[\w/-]*", lines)))
