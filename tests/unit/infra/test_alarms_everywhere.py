"""What is an alarm on AWS is one on a docker stack: the runbook's table has them beside each other, and all of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.nginx import TEMPLATES
from infra.runtime.fargate.alarms import FALLBACKS
from tests.unit.infra.configs import FARGATE, changed, without
from tests.unit.infra.parts import run

RUNBOOK = Path(__file__).parents[3] / "docs" / "runbook.md"
OF_THE_EDGES_LOG = {"EdgeLogLost", "EdgeLogUnchecked", "EdgeReaderRestarted", "EdgeLogUnread"}
"""On AWS nobody can hold the log against nginx' own count (docs/parity.md)."""
OF_AWS_ALONE = ("database-", "queues-", "audit-partition-", "no-ticks", "candidate-used")
"""Of machines that are AWS' own, and the halves of the watch's alarm."""


def rows(page: str) -> list[list[str]]:
    """The rows of the table, cell by cell."""
    table = page.partition("| On AWS | Prometheus | When, in Prometheus |\n")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[1:]]


def rules() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load((TEMPLATES / "prometheus.rules.yml").read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def declared() -> set[str]:
    candidate = changed(without(FARGATE, "zones"), track="candidate", base="prod")
    made = [
        one
        for recorded in (run(FARGATE), run(candidate))
        for kind in ("metricAlarm:MetricAlarm", "compositeAlarm:CompositeAlarm")
        for one in recorded.of(f"aws:cloudwatch/{kind}")
    ]
    names = {re.sub("^web-next-(test|prod)-", "", one.inputs.get("name") or one.inputs["alarmName"]) for one in made}
    return {name for name in names if not name.startswith(OF_AWS_ALONE)}


def test_each_alarm_of_either_runtime_is_beside_its_like() -> None:
    page = RUNBOOK.read_text()
    on_aws = {name for cell, *_ in rows(page) for name in re.findall(r"`([a-z-]+)`", cell)}
    on_aws |= {name.replace("stable-", "candidate-") for name in on_aws if "-fallback-" in name}
    here = {name for _, cell, _ in rows(page) for name in re.findall(r"\b[A-Z]\w+[A-Z]\w+\b", cell)}

    assert on_aws == declared()
    assert here == rules().keys() - OF_THE_EDGES_LOG
    assert {f"stable-fallback-{adapter}" for adapter in FALLBACKS} <= on_aws


@pytest.mark.parametrize("alert", ["FallbackLasts", "DependencyAway", "AuditSpooled"])
def test_a_fallback_here_is_told_after_five_minutes(alert: str) -> None:
    assert rules()[alert]["for"] == "5m"
