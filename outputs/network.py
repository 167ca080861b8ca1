"""The section network of a stack's file, and the ranges that the subnets get by it, zone by zone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from outputs.section import FORM, known, like

TIERS = ("app", "data", "public")
"""Application, databases, and what faces the internet. The order decides which quarter of the range is whose."""
MOST_ZONES = 4
CIDR = IPv4Network("10.42.0.0/16")

Subnets = Mapping[str, Sequence[IPv4Network]]


def _network(value: object) -> IPv4Network:
    try:
        if isinstance(value, str | IPv4Network):
            return IPv4Network(value)
    except ValueError:
        pass
    raise PydanticCustomError(
        "network", "it must be a network, such as 10.42.0.0/16, whose address has no bits behind its prefix"
    )


Network = Annotated[IPv4Network, BeforeValidator(_network)]
"""A network as people write one; pydantic alone would read 1 as 0.0.0.1."""
SubnetIds = Annotated[
    list[Annotated[str, Field(pattern=r"^subnet-[0-9a-f]+$")]], known("a list of subnet ids, subnet-…")
]


def placed_in(zones: Sequence[str], region: str) -> list[str]:
    """The availability zones: those set, else, on a machine, the region's first two."""
    return [*zones] or [f"{region}a", f"{region}b"]


def split(cidr: IPv4Network, zones: int) -> Subnets:
    """The subnets of each tier, one for each zone: a sixteenth of the range each, a quarter of the range a tier.

    Adding a zone moves no subnet. Needs a range of /16 to /24 and at most four zones.
    """
    quarters = list(cidr.subnets(prefixlen_diff=2))
    return {
        tier: list(quarter.subnets(prefixlen_diff=2))[:zones] for tier, quarter in zip(TIERS, quarters, strict=False)
    }


class NetworkSettings(BaseModel):
    """A VPC of the stack's own in the range `cidr`, or, with `vpc_id` and its subnets' ids, one that exists."""

    model_config = FORM

    cidr: Network = CIDR
    app_subnets: list[Network] = []
    data_subnets: list[Network] = []
    public_subnets: list[Network] = []
    nat: Literal["one", "per-zone"] = "one"

    vpc_id: Annotated[str | None, like(r"vpc-[0-9a-f]+", "a VPC's id, vpc-…")] = None
    app_subnet_ids: SubnetIds = []
    data_subnet_ids: SubnetIds = []
    public_subnet_ids: SubnetIds = []

    @property
    def given(self) -> Subnets:
        """The subnets' ranges by tier, as far as they are set."""
        return {"app": self.app_subnets, "data": self.data_subnets, "public": self.public_subnets}

    def subnets(self, zones: int) -> Subnets:
        """The subnets' ranges by tier: those given, else the range split."""
        return self.given if any(self.given.values()) else split(self.cidr, zones)
