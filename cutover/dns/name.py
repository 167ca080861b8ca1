"""The console's name moved to the balancer, and back to what it led to before."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

from cutover.dns.zone import RecordSet, Zone
from cutover.errors import CutoverError, RefusedError
from cutover.evidence.bucket import RecordsBucket
from cutover.prerequisites.balancer import Balancer
from cutover.prerequisites.facts import Facts


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What moves of a name leave in the records bucket: what it led to before the first of them, and the record sets of
    the balancers that they had it lead to. A balancer that was replaced is among these: it is no way back."""

    before: Sequence[RecordSet]
    ours: Sequence[RecordSet] = ()

    @classmethod
    def read(cls, content: bytes) -> Self:
        return cls(**json.loads(content))

    def content(self) -> bytes:
        return json.dumps({"before": self.before, "ours": self.ours}, indent=2).encode()

    def moved(self, now: Sequence[RecordSet], ours: RecordSet) -> Self:
        """After one more move, of a name that leads to `now`."""
        before = self.before if leads_to(now, self.ours) else now
        return replace(self, before=before, ours=[each for each in self.ours if each != ours] + [ours])


@dataclass(frozen=True, kw_only=True)
class ConsoleName:
    """The name of a stack's console, its balancer, and the bucket that keeps what the name led to before."""

    stack: str
    zone: Zone
    bucket: RecordsBucket
    proven: bool
    balancer: Callable[[], Balancer]

    @property
    def key(self) -> str:
        """In the records bucket, one for each name of each zone: a stack may change its domain."""
        return f"dns/{self.zone.id}/{self.zone.domain}.json"

    def now(self) -> list[RecordSet]:
        """What it leads to."""
        return self.zone.records()

    def kept(self) -> Kept | None:
        """What its moves have left; None where it was never moved."""
        content = self.bucket.get(self.key)
        return None if content is None else Kept.read(content)

    def ours(self) -> RecordSet:
        """By what it leads to the balancer. Raises StackMissingError where there is none."""
        return alias(self.zone.domain, self.balancer())

    def move(self, ours: RecordSet) -> str | None:
        """Has the name lead to the balancer by `ours`; returns the change's id, None where it leads there already.

        What it led to is kept before anything changes. Raises RefusedError for a stack whose release has no GO, and
        ExistsError where somebody moves it at the same time.
        """
        now = self.now()
        if leads_to(now, [ours]):
            return None
        if not self.proven:
            raise RefusedError(
                f"{self.stack} has no deployment record: its release has no GO, and no user is to meet it; "
                f"cutover up -s {self.stack} until it ends with GO"
            )
        found = self.bucket.read(self.key)
        content, etag = found or (None, None)
        kept = Kept.read(content) if content else Kept(before=now)
        self.bucket.replace(self.key, kept.moved(now, ours).content(), etag)
        return self.zone.replace(now, [ours])

    def back(self, kept: Kept | None) -> str | None:
        """Has the name lead to what its moves have kept; returns the change's id, None where it does already. It needs
        no balancer: the one that the name leads to may be gone.

        Raises RefusedError where nothing was moved, or the name leads to neither by now.
        """
        now = self.now()
        if kept is None:
            raise RefusedError(f"{self.zone.domain} was never moved by cutover: there is nothing to take it back to")
        if _targets(now) == _targets(kept.before):
            return None
        if not leads_to(now, kept.ours):
            raise RefusedError(
                f"{self.zone.domain} leads to {led_to(now)} by now, neither to a balancer that cutover had it lead to "
                "nor to what was before the move: somebody else's change is not overwritten"
            )
        return self.zone.replace(now, kept.before)


def console_name(stack: str) -> ConsoleName:
    """The console's name of a stack on AWS. Raises RefusedError where its zone is not the stack's to write."""
    facts = Facts(stack)
    domain, zone = str(facts.settings.get("domain")), facts.section("fargate").get("hostedZoneId")
    if not zone:
        raise RefusedError(
            f"Pulumi.{stack}.yaml names no fargate.hostedZoneId, so the zone of {domain} is not cutover's: have it "
            f"lead to the balancer where the zone is kept; cutover preflight -s {stack} says which it is"
        )
    bucket = facts.outputs.get("records_bucket")
    if bucket is None:
        raise CutoverError(f"{stack} has no output records_bucket: cutover up -s {stack}")
    return ConsoleName(
        stack=stack,
        zone=Zone(str(zone), domain, facts.client("route53")),
        bucket=RecordsBucket(str(bucket), facts.client("s3")),
        proven="deployment_record" in facts.outputs,
        balancer=partial(Balancer.of, facts),
    )


def alias(domain: str, balancer: Balancer) -> RecordSet:
    """The record set by which the name leads to a balancer."""
    target = {"HostedZoneId": balancer.zone, "DNSName": f"{balancer.address.lower()}.", "EvaluateTargetHealth": True}
    return {"Name": f"{domain}.", "Type": "A", "AliasTarget": target}


def leads_to(records: Sequence[RecordSet], ours: Sequence[RecordSet]) -> bool:
    """Whether these lead to a balancer of these record sets, and nowhere else."""
    return _targets(records) in [_targets([each]) for each in ours]


def led_to(records: Sequence[RecordSet]) -> str:
    """Where they lead, for people."""
    return ", ".join(f"{kind} {' '.join(to)}" for kind, to in _targets(records)) or "nothing"


def lasts(records: Sequence[RecordSet]) -> int:
    """How many seconds resolvers may keep the answers; an alias to a balancer has 60, by Route 53's documentation."""
    return max((int(each.get("TTL", 60)) for each in records), default=0)


def _targets(records: Sequence[RecordSet]) -> list[tuple[str, tuple[str, ...]]]:
    return [_target(each) for each in records]


def _target(record: RecordSet) -> tuple[str, tuple[str, ...]]:
    """Type and values, an alias' name among them."""
    alias: Any = record.get("AliasTarget")
    values = (str(alias["DNSName"]),) if alias else (str(each["Value"]) for each in record.get("ResourceRecords", ()))
    return str(record["Type"]), tuple(value.rstrip(".").lower().removeprefix("dualstack.") for value in values)
