"""The console's name moved to the balancer, and back to what it led to before."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cutover.dns.zone import RecordSet, Zone
from cutover.errors import CutoverError, RefusedError
from cutover.evidence.bucket import RecordsBucket
from cutover.prerequisites.balancer import Balancer
from cutover.prerequisites.facts import Facts

KEY = "dns/before.json"
"""In the records bucket: the record sets that a move took away."""


@dataclass(frozen=True, kw_only=True)
class ConsoleName:
    """The name of a stack's console, `ours` what it is to lead to, and the bucket that keeps what it led to before."""

    stack: str
    zone: Zone
    ours: RecordSet
    bucket: RecordsBucket
    proven: bool

    def now(self) -> list[RecordSet]:
        """What it leads to."""
        return self.zone.records()

    def before(self) -> list[RecordSet] | None:
        """What it led to before the move; None where nothing was moved."""
        content = self.bucket.get(KEY)
        return None if content is None else list(json.loads(content)["records"])

    def leads_here(self, records: Sequence[RecordSet]) -> bool:
        """Whether these lead to the balancer, and nowhere else."""
        return [_target(each) for each in records] == [_target(self.ours)]

    def move(self) -> str | None:
        """Has the name lead to the balancer; returns the change's id, None where it leads there already.

        What it led to is kept before anything changes. Raises RefusedError for a stack whose release has no GO.
        """
        now = self.now()
        if self.leads_here(now):
            return None
        if not self.proven:
            raise RefusedError(
                f"{self.stack} has no deployment record: its release has no GO, and no user is to meet it; "
                f"cutover up -s {self.stack} until it ends with GO"
            )
        found = self.bucket.read(KEY)
        kept = json.dumps({"domain": self.zone.domain, "zone": self.zone.id, "records": now}, indent=2)
        self.bucket.replace(KEY, kept.encode(), found[1] if found else None)
        return self.zone.replace(now, [self.ours])

    def back(self) -> str | None:
        """Has the name lead to what it led to before the move; returns the change's id, None where it does already.

        Raises RefusedError where nothing was moved, or the name leads to neither by now.
        """
        before, now = self.before(), self.now()
        if before is None:
            raise RefusedError(f"{self.zone.domain} was never moved by cutover: there is nothing to take it back to")
        if [_target(each) for each in now] == [_target(each) for each in before]:
            return None
        if not self.leads_here(now):
            raise RefusedError(
                f"{self.zone.domain} leads to {led_to(now)} by now, neither to the balancer nor to what was before the "
                "move: somebody else's change is not overwritten"
            )
        return self.zone.replace(now, before)


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
        ours=alias(domain, Balancer.of(facts)),
        bucket=RecordsBucket(str(bucket), facts.client("s3")),
        proven="deployment_record" in facts.outputs,
    )


def alias(domain: str, balancer: Balancer) -> RecordSet:
    """The record set by which the name leads to a balancer."""
    target = {"HostedZoneId": balancer.zone, "DNSName": f"{balancer.address.lower()}.", "EvaluateTargetHealth": True}
    return {"Name": f"{domain}.", "Type": "A", "AliasTarget": target}


def led_to(records: Sequence[RecordSet]) -> str:
    """Where they lead, for people."""
    return ", ".join(f"{kind} {' '.join(to)}" for kind, to in map(_target, records)) or "nothing"


def lasts(records: Sequence[RecordSet]) -> int:
    """How many seconds resolvers may keep the answers; an alias to a balancer has 60, by Route 53's documentation."""
    return max((int(each.get("TTL", 60)) for each in records), default=0)


def _target(record: RecordSet) -> tuple[str, tuple[str, ...]]:
    """Type and values, an alias' name among them."""
    alias: Any = record.get("AliasTarget")
    values = (str(alias["DNSName"]),) if alias else (str(each["Value"]) for each in record.get("ResourceRecords", ()))
    return str(record["Type"]), tuple(value.rstrip(".").lower().removeprefix("dualstack.") for value in values)
