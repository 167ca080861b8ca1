"""The load balancer of a stack, as names lead to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from cutover.errors import StackMissingError
from cutover.prerequisites.facts import Facts


@dataclass(frozen=True, kw_only=True)
class Balancer:
    """Its own name, and the id of the zone that AWS keeps that in."""

    address: str
    zone: str

    @classmethod
    def of(cls, facts: Facts) -> Self:
        """The stack's. Raises StackMissingError before its first up with a release, and after the balancer's end."""
        missing = StackMissingError(f"{facts.stack} has no balancer for a name to lead to: cutover up -s {facts.stack}")
        listener = (facts.outputs.get("traffic") or {}).get("listener")
        if listener is None:
            raise missing
        arn = str(listener).replace(":listener/", ":loadbalancer/").rpartition("/")[0]
        client = facts.client("elbv2")
        try:
            (found,) = client.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"]
        except client.exceptions.LoadBalancerNotFoundException:
            raise missing from None
        return cls(address=str(found["DNSName"]), zone=str(found["CanonicalHostedZoneId"]))
