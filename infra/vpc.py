"""The VPC over the zones: its subnets, and the ways out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pulumi
import pulumi_aws as aws

from infra.naming import Names
from infra.settings.keys import Settings
from outputs.network import TIERS, Subnets


@dataclass(frozen=True, kw_only=True)
class ExistingVpc:
    """A VPC that somebody else made, and its subnets by tier. From where it reaches the internet is not known."""

    id: str
    subnet_ids: Mapping[str, Sequence[str]]
    egress: Sequence[pulumi.Output[str]] = field(default=(), init=False)

    @classmethod
    def of(cls, settings: Settings) -> ExistingVpc | None:
        network = settings.network
        tiers = {"app": network.app_subnet_ids, "data": network.data_subnet_ids, "public": network.public_subnet_ids}
        return cls(id=network.vpc_id, subnet_ids=tiers) if network.vpc_id else None


@dataclass(frozen=True, kw_only=True)
class OwnVpcArgs:
    """`zones` are availability zones, one subnet of each tier in each. `nat_per_zone` has a NAT gateway in each zone
    instead of one for all."""

    name: str
    region: str
    zones: Sequence[str]
    cidr: str
    subnets: Subnets
    nat_per_zone: bool

    @classmethod
    def of(cls, settings: Settings, names: Names) -> OwnVpcArgs:
        network = settings.network
        return cls(
            name=names.prefix,
            region=settings.region,
            zones=settings.placed_in,
            cidr=str(network.cidr),
            subnets=network.subnets(len(settings.placed_in)),
            nat_per_zone=network.nat == "per-zone",
        )


class OwnVpc(pulumi.ComponentResource):
    """A VPC: public subnets with NAT, app subnets that go out through it, data subnets that go nowhere, and an endpoint
    for S3."""

    id: pulumi.Output[str]
    subnet_ids: dict[str, list[pulumi.Input[str]]]
    """By tier: app, data, public."""
    egress: list[pulumi.Output[str]]
    """The addresses from which the app subnets reach the internet."""

    def __init__(self, name: str, args: OwnVpcArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:network:OwnVpc", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        self.egress = []
        vpc = aws.ec2.Vpc(
            name,
            cidr_block=args.cidr,
            enable_dns_support=True,
            enable_dns_hostnames=True,  # interface endpoints answer under AWS's own names only with it
            tags={"Name": args.name},
            opts=self._child,
        )
        self.id = vpc.id
        # AWS gives every VPC a group that lets its members reach each other; nothing here is a member, nor shall be.
        aws.ec2.DefaultSecurityGroup(name, vpc_id=vpc.id, ingress=[], egress=[], opts=self._child)
        gateway = aws.ec2.InternetGateway(name, vpc_id=vpc.id, tags={"Name": args.name}, opts=self._child)
        # Balancers and NAT gateways in public subnets work only once the VPC has its internet gateway, and EC2 does not
        # detach it while they are there.
        placed = {tier: self._subnets(tier, [gateway] if tier == "public" else []) for tier in TIERS}
        self.subnet_ids = {tier: [one.id for one in made.values()] for tier, made in placed.items()}
        public = self._table("public", list(placed["public"].items()))
        self._route("public", public, gateway_id=gateway.id)
        gateways = [
            self._nat(zone, subnet)
            for zone, subnet in placed["public"].items()
            if args.nat_per_zone or zone == args.zones[0]
        ]
        tables = [public]
        for index, (zone, subnet) in enumerate(placed["app"].items()):
            table = self._table(f"app-{zone}", [(zone, subnet)])
            self._route(f"app-{zone}", table, nat_gateway_id=gateways[index if args.nat_per_zone else 0].id)
            tables.append(table)
        tables.append(self._table("data", list(placed["data"].items())))
        aws.ec2.VpcEndpoint(
            f"{name}-s3",
            vpc_id=vpc.id,
            service_name=f"com.amazonaws.{args.region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.id for table in tables],
            tags={"Name": f"{args.name}-s3"},
            opts=self._child,
        )
        self.register_outputs({"id": self.id})

    def _subnets(self, tier: str, after: Sequence[pulumi.Resource]) -> dict[str, aws.ec2.Subnet]:
        return {
            zone: aws.ec2.Subnet(
                f"{self._name}-{tier}-{zone}",
                vpc_id=self.id,
                cidr_block=str(cidr),
                availability_zone=zone,
                map_public_ip_on_launch=False,
                tags={"Name": f"{self._args.name}-{tier}-{zone}"},
                opts=pulumi.ResourceOptions(parent=self, depends_on=[*after]),
            )
            for zone, cidr in zip(self._args.zones, self._args.subnets[tier], strict=True)
        }

    def _table(self, name: str, placed: Sequence[tuple[str, aws.ec2.Subnet]]) -> aws.ec2.RouteTable:
        table = aws.ec2.RouteTable(
            f"{self._name}-{name}",
            vpc_id=self.id,
            tags={"Name": f"{self._args.name}-{name}"},
            opts=self._child,
        )
        for zone, subnet in placed:
            tier = name.removesuffix(f"-{zone}")
            aws.ec2.RouteTableAssociation(
                f"{self._name}-{tier}-{zone}", subnet_id=subnet.id, route_table_id=table.id, opts=self._child
            )
        return table

    def _route(self, name: str, table: aws.ec2.RouteTable, **target: pulumi.Input[str]) -> None:
        aws.ec2.Route(
            f"{self._name}-{name}",
            route_table_id=table.id,
            destination_cidr_block="0.0.0.0/0",
            opts=self._child,
            **target,
        )

    def _nat(self, zone: str, subnet: aws.ec2.Subnet) -> aws.ec2.NatGateway:
        name = f"{self._name}-{zone}"
        tags = {"Name": f"{self._args.name}-{zone}"}
        address = aws.ec2.Eip(name, domain="vpc", tags=tags, opts=self._child)
        self.egress.append(address.public_ip)
        return aws.ec2.NatGateway(
            name,
            allocation_id=address.id,
            subnet_id=subnet.id,
            tags=tags,
            opts=self._child,
        )
