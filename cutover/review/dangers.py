"""What a change takes away that no other change brings back, and who said that it may."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cutover.errors import CutoverError
from cutover.review.migrations import Pending
from cutover.review.properties import readable
from cutover.review.shortened import shortened
from cutover.review.steps import Step

STATEFUL = {
    "aws:cloudwatch/logGroup:LogGroup": ("log", "what it logged is gone"),
    "aws:ec2/eip:Eip": ("address", "who lets us in by this number must be told of another"),
    "aws:ec2/subnet:Subnet": ("subnet", "while the database, the queues or a task is in it the update stops there"),
    "aws:ec2/vpc:Vpc": ("vpc", "all that stands in it; database and queues do not leave it, so the update stops there"),
    "aws:ecr/repository:Repository": ("images", "the images that older releases run from are gone"),
    "aws:elasticache/replicationGroup:ReplicationGroup": ("redis", "alerts that are not delivered yet are gone"),
    "aws:kms/key:Key": ("key", "what it encrypted cannot be read any more, once its 30 days are over"),
    "aws:rds/instance:Instance": ("database", "the audit log is in its last snapshot alone"),
    "aws:s3/bucket:Bucket": ("bucket", "its objects are gone, locked ones apart"),
    "aws:secretsmanager/secret:Secret": (
        "secret",
        "who reads it by its ARN finds nothing; a value put by hand is gone",
    ),
    "docker:index/volume:Volume": ("volume", "its files are gone"),
    "postgresql:index/database:Database": ("schema", "every table in it is gone"),
    "random:index/randomId:RandomId": ("id", "what is named after it is made anew"),
    "random:index/randomPassword:RandomPassword": ("password", "sessions that have the old one end"),
}
"""By type: what it is called in an acknowledgement, and what is lost with it."""
_NO_WORD = re.compile(r"[^\w./-]")
"""What an acknowledgement, which is one word, cannot have of a resource's name."""
_PROTECTED = ("protected", "the program protects it")


@dataclass(frozen=True, kw_only=True)
class Danger:
    """A resource that holds something and is deleted or replaced, for its `keys`, what is kept for a shorter time, or
    the rows that a migration takes away.
    `name` is what somebody acknowledges: it is of this very change, so that it says nothing about the next one."""

    name: str
    op: str
    keys: tuple[str, ...] = ()
    lost: str
    acknowledged: bool


def dangers(steps: Iterable[Step], acknowledged: Iterable[str], pending: Iterable[Pending] = ()) -> list[Danger]:
    """The dangers of a preview and its migrations; `acknowledged` are the names that somebody let through."""
    names, each = set(acknowledged), list(steps)
    found = []
    for step in each:
        if step.op in ("delete", "replace") and (step.type in STATEFUL or step.protected):
            kind, lost = STATEFUL.get(step.type, _PROTECTED)
            name = f"{kind}/{_NO_WORD.sub('_', step.name)}@{_of_this_change(step)}"
            found.append(Danger(name=name, op=step.op, keys=step.keys, lost=lost, acknowledged=name in names))
    for one in shortened(each):
        name = f"{one.name}@{_digest(sorted(step.urn for step in one.steps))}"
        found.append(Danger(name=name, op="update", lost=one.lost, acknowledged=name in names))
    for file in pending:
        if file.loses:
            name = f"rows/{_NO_WORD.sub('_', file.file)}@{_digest([file.file, file.checksum])}"
            lost = f"by {', '.join(file.loses)}; what was there is in a backup alone"
            found.append(Danger(name=name, op="update", lost=lost, acknowledged=name in names))
    return found


def _of_this_change(step: Step) -> str:
    old, new = readable(step.old) or {}, readable(step.new) or {}
    keys = step.keys or [key for key in old | new if old.get(key) != new.get(key)]
    return _digest([step.op, step.urn, {key: [old.get(key), new.get(key)] for key in sorted(keys)}])


def _digest(facts: object) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:8]


def written(folder: Path, stack: str) -> list[str]:
    """The names in `Pulumi.STACK.acknowledged`, one a line with its reason behind it; none without the file.

    Raises CutoverError for a name without a reason.
    """
    path = folder / f"Pulumi.{stack}.acknowledged"
    lines = path.read_text().splitlines() if path.exists() else []
    names = []
    for line in filter(str.strip, lines):
        if line.startswith("#"):
            continue
        name, _, reason = line.partition(" ")
        if not reason.strip():
            raise CutoverError(f"{path.name} acknowledges {name} without a reason: write it behind the name")
        names.append(name)
    return names
