"""What so many users ask for, what it takes, and how near each limit of the declared prod is then.

Nobody has measured users yet: what one does is assumed, each assumption a name here. What things carry comes from the
captured prod, the service's own constants and the benches.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from math import ceil
from pathlib import Path

from bench.audit_push import RATE
from bench.cost.bill import HOURS, UnpricedError, Use, Uses, copies, definition, task
from infra.runtime.fargate.service import CPU_PERCENT
from tests.unit.infra.recorder import Recording, Registered
from webnext.postgres import CONNECTIONS

USERS = (1_000, 10_000, 100_000)
OPEN_AT_PEAK = 0.1
"""Assumed: the share of users with the dashboard open at the busiest time, in one tab each."""
PEAK_TO_MEAN = 3
"""Assumed: the busiest minute by the month's mean."""
ENTRIES_A_DAY = 20
"""Assumed: audit entries for each user."""
ALERTS_A_DAY = 1
"""Assumed: alerts for each user."""
ALERT_BYTES = 2048
"""Assumed: what an alert takes in Redis. The contract refuses more than 64 KiB."""
ANSWER_BYTES = 2048
"""Assumed: an answer on its way to a browser."""
EVIDENCE_BYTES_A_DAY = 100_000
"""Assumed: uploaded for each user."""
LINE_BYTES = 400
"""nginx's line of one request and 26 of CloudWatch's own; of a request that goes well the app logs none."""
ACCESS_BYTES = 100
"""Assumed: the load balancer's line of one request, compressed as it is kept."""
ENTRY_BYTES = 292
"""Measured by bench/audit_10m.py on ten million entries, indexes included."""
ALERTS_A_SECOND = 1
"""A worker task's worst case: five at a time, each in five seconds (docs/contract.md)."""
REDIS_GIB = {"cache.m7g.large": 6.38}
"""AWS' list of node types."""
REDIS_FREE = 0.75
"""ElastiCache reserves a quarter of a node unless told otherwise."""
POLLING = Path(__file__).parents[2] / "webnext" / "dashboard" / "polling.js"
DAYS = HOURS / 24
GB, GIB = 10**9, 2**30


def tab_requests() -> int:
    """Requests a minute that the dashboard allows itself in one tab."""
    found = re.search(r"REQUESTS_A_MINUTE = (\d+)", POLLING.read_text())
    assert found, f"{POLLING} has no REQUESTS_A_MINUTE any more"
    return int(found[1])


@dataclass(frozen=True)
class Limits:
    """What the declared prod has room for."""

    declared: Recording

    def _one(self, token: str, name: str | None = None) -> Registered:
        return self.declared.one(token, name)

    @cached_property
    def app(self) -> Registered:
        """The task definition of the app."""
        return definition(self._one("aws:ecs/service:Service", "stable"), self.declared)

    @cached_property
    def least_tasks(self) -> int:
        return int(self._one("aws:appautoscaling/target:Target").inputs["minCapacity"])

    @cached_property
    def most_tasks(self) -> int:
        return int(self._one("aws:appautoscaling/target:Target").inputs["maxCapacity"])

    @cached_property
    def workers(self) -> int:
        return int(self._one("aws:ecs/service:Service", "worker").inputs["desiredCount"])

    @cached_property
    def scaled_at(self) -> float:
        """Requests a minute of one task above which another is added."""
        policy = self._one("aws:appautoscaling/policy:Policy", "stable-requests").inputs
        return float(policy["targetTrackingScalingPolicyConfiguration"]["targetValue"])

    @cached_property
    def by_bench(self) -> float:
        """Requests a minute of one task that bench/audit_push.py speaks for: it demands RATE audit pushes a second of
        one process, which has at most one core; a task has a part of one and is kept at CPU_PERCENT of it."""
        return 60 * RATE * float(self.app.inputs["cpu"]) / 1024 * CPU_PERCENT / 100

    @cached_property
    def address_requests(self) -> int:
        """Requests a minute of one client address that one task's nginx lets through."""
        return int(self.declared.outputs["smoke_target"]["edge"]["rate_per_minute"])

    @cached_property
    def database(self) -> Registered:
        return self._one("aws:rds/instance:Instance")

    @cached_property
    def connections(self) -> float:
        """At which the alarm goes off."""
        return float(
            self._one("aws:cloudwatch/metricAlarm:MetricAlarm", "monitoring-database-connections").inputs["threshold"]
        )

    @cached_property
    def redis_bytes(self) -> float:
        """Of one node: the others are its copies."""
        node = self._one("aws:elasticache/replicationGroup:ReplicationGroup").inputs["nodeType"]
        if node not in REDIS_GIB:
            raise UnpricedError(f"{node}: its memory is not in {__name__}: take it from AWS' list of node types")
        return REDIS_GIB[node] * REDIS_FREE * GIB

    @cached_property
    def log_days(self) -> float:
        return float(self._one("aws:cloudwatch/logGroup:LogGroup", "logs-stable-edge").inputs["retentionInDays"])

    @cached_property
    def evidence_days(self) -> float:
        kept = self._one("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration", "evidence")
        rules = kept.inputs["rules"]
        return max(float(rule["expiration"]["days"]) for rule in rules if rule.get("expiration", {}).get("days"))


@dataclass(frozen=True)
class Load:
    """What so many users bring."""

    users: int
    limits: Limits

    @property
    def tabs(self) -> float:
        """Open at the peak."""
        return self.users * OPEN_AT_PEAK

    @property
    def entries(self) -> float:
        """A day."""
        return self.users * ENTRIES_A_DAY

    @property
    def peak(self) -> float:
        """Requests a minute at the busiest time: the tabs', and a push for each audit entry."""
        return self.tabs * tab_requests() + PEAK_TO_MEAN * self.entries / (24 * 60)

    @property
    def requests(self) -> float:
        """A month."""
        return self.peak / PEAK_TO_MEAN * 60 * HOURS

    def tasks(self, requests_a_minute: float, one_carries: float) -> int:
        return max(self.limits.least_tasks, ceil(requests_a_minute / one_carries))

    @property
    def peak_tasks(self) -> int:
        return self.tasks(self.peak, self.limits.scaled_at)

    @property
    def mean_tasks(self) -> int:
        """What is paid for."""
        return self.tasks(self.peak / PEAK_TO_MEAN, self.limits.scaled_at)

    @property
    def month_rows(self) -> float:
        """In one partition of the audit log."""
        return self.entries * DAYS

    def stored_gib(self, months: float) -> float:
        """Of the audit log, after so many months."""
        return self.month_rows * months * ENTRY_BYTES / GIB

    @property
    def alerts_a_second(self) -> float:
        """At the busiest time."""
        return PEAK_TO_MEAN * self.users * ALERTS_A_DAY / 86400

    @property
    def redis_bytes(self) -> float:
        """After a day on which Slack took nothing."""
        return self.users * ALERTS_A_DAY * ALERT_BYTES

    def fill(self) -> dict[str, float]:
        """How much of each limit is taken: 1 is all of it."""
        limits = self.limits
        processes = 2 * (self.peak_tasks + limits.workers)  # a rollout has each twice
        return {
            "tasks": self.peak_tasks / limits.most_tasks,
            "connections": processes * CONNECTIONS / limits.connections,
            "worker": self.alerts_a_second / (ALERTS_A_SECOND * limits.workers),
            "disk": self.stored_gib(12) / float(limits.database.inputs["maxAllocatedStorage"]),
            "redis": self.redis_bytes / limits.redis_bytes,
        }

    def uses(self) -> Uses:
        """What is billed beside what stands, in the twelfth month."""
        limits = self.limits
        yield from task("Fargate: app", limits.app, self.mean_tasks - limits.least_tasks)
        more = self.stored_gib(12) / 0.9 - limits.database.inputs["allocatedStorage"]  # RDS grows with a tenth left
        yield Use("Postgres", "database-gb", copies(limits.database) * max(0, ceil(more)))
        sent = self.requests * ANSWER_BYTES / GB
        units = max(sent / HOURS, self.tabs / PEAK_TO_MEAN / 3000)  # a GB an hour, or 3000 connections a minute
        yield Use("Load balancer", "capacity-unit-hour", HOURS * units)
        yield Use("Firewall", "acl-million", self.requests / 10**6)
        logged = self.requests * LINE_BYTES / GB
        yield Use("Logs", "log-gb", logged)
        yield Use("Logs", "log-kept-gb", logged * limits.log_days / DAYS)
        kept = self.users * EVIDENCE_BYTES_A_DAY * limits.evidence_days / GB
        yield Use("Evidence (S3)", "object-gb", kept)
        yield Use("Access logs (S3)", "object-gb", self.requests * ACCESS_BYTES / GB * limits.log_days / DAYS)
        yield Use("Traffic to the internet", "internet-gb", sent)
