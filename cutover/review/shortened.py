"""What a change keeps for a shorter time than before: an update by name, and what is older is gone all the same."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cutover.review.properties import LATER, readable
from cutover.review.steps import Step

FOR_EVER = 10**9
LOG, LIFECYCLE = "aws:cloudwatch/logGroup:LogGroup", "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"
BUCKET = "aws:s3/bucket:Bucket"
DATABASE, QUEUES = "aws:rds/instance:Instance", "aws:elasticache/replicationGroup:ReplicationGroup"
SCHEMA = "pulumi-python:dynamic/web-next:Schema"
CALLED = {LOG: "log", LIFECYCLE: "objects", DATABASE: "backups", QUEUES: "snapshots", SCHEMA: "audit"}
"""By type, what is kept, as an acknowledgement calls it."""
_TIMES = {LOG: "retentionInDays", DATABASE: "backupRetentionPeriod", QUEUES: "snapshotRetentionLimit"}


@dataclass(frozen=True, kw_only=True)
class Shortened:
    """Steps that keep `what` for `new` in place of `old`, each a number of days, of months for the audit log."""

    what: str
    old: int
    new: int
    steps: tuple[Step, ...]

    @property
    def name(self) -> str:
        """What it is called, such as `log/90d-to-30d`."""
        unit = "m" if self.what == CALLED[SCHEMA] else "d"
        return f"{self.what}/{'forever' if self.old == FOR_EVER else f'{self.old}{unit}'}-to-{self.new}{unit}"

    @property
    def lost(self) -> str:
        """What nothing brings back."""
        unit = ("month" if self.what == CALLED[SCHEMA] else "day") + ("" if self.new == 1 else "s")
        kinds = sorted({step.kind for step in self.steps})
        return f"what {len(self.steps)} {', '.join(kinds)} had for longer than {self.new} {unit} is gone"


def shortened(steps: Iterable[Step]) -> list[Shortened]:
    """What the steps keep for a shorter time, one for each that is kept and each pair of times."""
    found: dict[tuple[str, int, int], list[Step]] = {}
    each_step = list(steps)
    new_buckets = {(step.new or {}).get("bucket") for step in each_step if step.type == BUCKET and step.op == "create"}
    for step in each_step:
        if step.type not in CALLED or not (step.op == "update" or _begins(step, new_buckets)):
            continue
        old, new = (_kept(step.type, readable(side) or {}) for side in (step.old, step.new))
        for label in old | new:
            before, after = old.get(label, FOR_EVER), new.get(label, FOR_EVER)
            if after < before and step not in found.setdefault((CALLED[step.type], before, after), []):
                found[CALLED[step.type], before, after].append(step)
    return [Shortened(what=what, old=old, new=new, steps=tuple(each)) for (what, old, new), each in found.items()]


def _begins(step: Step, new_buckets: Container[Any]) -> bool:
    """Whether objects that are there already begin to expire: a bucket that is made with its rules has none yet."""
    bucket = (readable(step.new) or {}).get("bucket")
    return step.op == "create" and step.type == LIFECYCLE and bucket != LATER and bucket not in new_buckets


def _kept(kind: str, inputs: Mapping[str, Any]) -> dict[str, int]:
    if kind in _TIMES:
        times = {"": inputs.get(_TIMES[kind]) or (FOR_EVER if kind == LOG else 0)}
    elif kind == SCHEMA:
        job = re.search(r"drop_audit_partitions\((\d+)\)", json.dumps(inputs.get("upkeep")))
        times = {"": job and int(job[1])}
    else:
        times = _expiring(inputs.get("rules") or [])
    return {label: int(days) for label, days in times.items() if isinstance(days, int | float)}


def _expiring(rules: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """For how many days a lifecycle keeps objects, and versions of them, by what its rules are about, whatever they are
    called: another filter, date or number of versions is about other objects. From a date on it keeps none."""
    times: dict[str, float] = {}
    for rule in rules:
        for key, unit in (("expiration", "days"), ("noncurrentVersionExpiration", "noncurrentDays")):
            ends = rule.get(key)
            if rule.get("status") == "Disabled" or not isinstance(ends, Mapping):
                continue
            days = 0 if ends.get("date") else ends.get(unit)
            if isinstance(days, int | float):
                about = [rule.get("prefix"), rule.get("filter"), ends.get("date"), ends.get("newerNoncurrentVersions")]
                label = json.dumps([key, *about], sort_keys=True)
                times[label] = min(days, times.get(label, FOR_EVER))
    return times
