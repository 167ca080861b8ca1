"""What is kept for a shorter time than before is a danger, by what it was and becomes; what is kept longer is none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cutover.review import dangers
from cutover.review.properties import UNKNOWN
from cutover.review.shortened import BUCKET, DATABASE, LIFECYCLE, LOG, QUEUES, SCHEMA
from cutover.review.steps import Preview, Step
from tests.support.recorded_reviews import reviewed


def step(kind: str, old: dict[str, Any], new: dict[str, Any], name: str = "one", op: str = "update") -> Step:
    return Step(op=op, urn=f"urn:pulumi:prod::web-next::{kind}::{name}", type=kind, old=old, new=new)


def rule(key: str = "expiration", **times: Any) -> dict[str, Any]:
    return {"rules": [{"id": "all", "status": "Enabled", key: times}]}


def under(prefix: str) -> dict[str, Any]:
    return {"rules": [rule(days=30)["rules"][0] | {"filter": {"prefix": prefix}}]}


def job(months: int | None) -> dict[str, Any]:
    return {
        "upkeep": {"audit-retention": f"27 3 * * * SELECT public.drop_audit_partitions({months})"} if months else {}
    }


SHORTER = {
    "a log": (LOG, {"retentionInDays": 90}, {"retentionInDays": 30}, "log/90d-to-30d"),
    "a log that was kept for ever": (LOG, {}, {"retentionInDays": 30}, "log/forever-to-30d"),
    "a log by zero, which is for ever": (LOG, {"retentionInDays": 0}, {"retentionInDays": 1}, "log/forever-to-1d"),
    "backups": (DATABASE, {"backupRetentionPeriod": 35}, {"backupRetentionPeriod": 1}, "backups/35d-to-1d"),
    "no backups": (DATABASE, {"backupRetentionPeriod": 7}, {}, "backups/7d-to-0d"),
    "snapshots": (QUEUES, {"snapshotRetentionLimit": 7}, {"snapshotRetentionLimit": 0}, "snapshots/7d-to-0d"),
    "objects": (LIFECYCLE, rule(days=30), rule(days=1), "objects/30d-to-1d"),
    "objects that did not expire": (LIFECYCLE, {"rules": []}, rule(days=9), "objects/forever-to-9d"),
    "objects by a rule that sleeps": (
        LIFECYCLE,
        {"rules": [rule(days=9)["rules"][0] | {"status": "Disabled"}]},
        rule(days=9),
        "objects/forever-to-9d",
    ),
    "versions": (
        LIFECYCLE,
        rule("noncurrentVersionExpiration", noncurrentDays=30),
        rule("noncurrentVersionExpiration", noncurrentDays=1),
        "objects/30d-to-1d",
    ),
    "objects under another prefix": (LIFECYCLE, under("evidence/"), under("spool/"), "objects/forever-to-30d"),
    "objects from a date on": (LIFECYCLE, {"rules": []}, rule(date="2027-01-01T00:00:00Z"), "objects/forever-to-0d"),
    "versions without a number of them": (
        LIFECYCLE,
        rule("noncurrentVersionExpiration", noncurrentDays=9, newerNoncurrentVersions=3),
        rule("noncurrentVersionExpiration", noncurrentDays=9),
        "objects/forever-to-9d",
    ),
    "the audit log": (SCHEMA, job(84), job(6), "audit/84m-to-6m"),
    "the audit log that was kept for ever": (SCHEMA, job(None), job(6), "audit/forever-to-6m"),
}


OTHERS = ("objects under another prefix", "versions without a number of them")
"""Not the longer way round either: what is kept is another thing."""


@pytest.mark.parametrize(("kind", "old", "new", "name"), SHORTER.values(), ids=SHORTER)
def test_what_is_kept_for_a_shorter_time_is_a_danger_until_it_is_acknowledged(
    kind: str, old: dict[str, Any], new: dict[str, Any], name: str
) -> None:
    (one,) = dangers.dangers([step(kind, old, new)], [])
    assert one.name.partition("@")[0] == name
    said = reviewed(Preview(steps=(step(kind, old, new),)))
    assert said.red == [f"{one.name} is not acknowledged"]
    assert "Nothing that holds data" not in said.comment
    assert reviewed(Preview(steps=(step(kind, old, new),)), one.name).red == []


@pytest.mark.parametrize(("kind", "new", "old", "name"), [each for key, each in SHORTER.items() if key not in OTHERS])
def test_what_is_kept_as_long_or_longer_is_none(kind: str, old: dict[str, Any], new: dict[str, Any], name: str) -> None:
    assert name
    assert dangers.dangers([step(kind, old, new), step(kind, old, old)], []) == []
    if kind != LIFECYCLE:
        assert dangers.dangers([step(kind, {}, new, op="create")], []) == []


def test_rules_under_another_name_keep_as_long() -> None:
    one, other = rule(days=30), {"rules": [rule(days=30)["rules"][0] | {"id": "other"}]}
    assert dangers.dangers([step(LIFECYCLE, one, other)], []) == []


def test_a_lifecycle_is_a_danger_of_a_bucket_that_is_there_and_of_none_that_it_is_made_with() -> None:
    made = step(LIFECYCLE, {}, rule(days=9) | {"bucket": "b"}, op="create")
    assert dangers.dangers([step(BUCKET, {}, {"bucket": "b"}, op="create"), made], []) == []
    unknown = step(LIFECYCLE, {}, rule(days=9) | {"bucket": UNKNOWN}, op="create")
    assert dangers.dangers([unknown], []) == []
    for others in ([], [step(BUCKET, {}, {"bucket": "c"}, op="create")]):
        (one,) = dangers.dangers([*others, made], [])
        assert one.name.startswith("objects/forever-to-9d@")


@pytest.mark.parametrize("op", ["delete", "replace"])
def test_what_was_acknowledged_of_one_change_is_not_of_another_without_keys(op: str) -> None:
    bucket = "aws:s3/bucket:Bucket"
    new = None if op == "delete" else {"bucket": "c"}
    one, other = (
        dangers.dangers([replace(step(bucket, {"bucket": name}, {}, op=op), new=new)], [])[0].name for name in "ab"
    )
    assert one != other


def test_many_that_are_shortened_alike_are_one_danger_and_another_time_is_another() -> None:
    logs = [step(LOG, {"retentionInDays": 90}, {"retentionInDays": 30}, name=f"l{number}") for number in range(9)]
    other = step(LOG, {"retentionInDays": 90}, {"retentionInDays": 1}, name="other")
    whole, last = dangers.dangers([*logs, other], [])
    assert whole.lost == "what 9 LogGroup had for longer than 30 days is gone"
    assert last.name.startswith("log/90d-to-1d@")
    (fewer,) = dangers.dangers(logs[1:], [whole.name])
    assert not fewer.acknowledged
