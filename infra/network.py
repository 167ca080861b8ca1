"""The network: where the app runs, where the data lies, and who may reach it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network

import pulumi
import pulumi_aws as aws

from infra.naming import WORDING, Names
from infra.settings import subnets
from infra.settings.keys import Settings

INTERFACE_ENDPOINTS = ("ecr.api", "ecr.dkr", "logs", "secretsmanager", "ssm")
"""AWS services reached without leaving the VPC; S3 has a gateway endpoint, which costs nothing. Secrets Manager asks
KMS itself."""
POSTGRES, REDIS, HTTPS = 5432, 6379, 443


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """`zones` are availability zones, one subnet of each tier in each. `nat_per_zone` has a NAT gateway in each
    zone instead of one for all. With `vpc_id` nothing but security groups is made: the subnets are `subnet_ids`.
    `database_clients` are ids of security groups outside this stack that may reach the database, for deployers.
    `executor_port` is where the app reaches the executor, wherever that is."""

    name: str
    region: str
    zones: Sequence[str]
    cidr: str
    subnets: subnets.Subnets
    nat_per_zone: bool
    vpc_id: str | None = None
    subnet_ids: Mapping[str, Sequence[str]] = field(default_factory=dict)
    database_clients: Sequence[str] = ()
    executor_port: int | None = None

    @classmethod
    def of(cls, settings: Settings, names: Names) -> NetworkArgs:
        network = settings.network
        return cls(
            name=names.prefix,
            region=settings.region,
            zones=settings.placed_in,
            cidr=str(network.cidr),
            subnets=network.subnets(len(settings.placed_in)),
            nat_per_zone=network.nat == "per-zone",
            vpc_id=network.vpc_id,
            subnet_ids={
                "app": network.app_subnet_ids,
                "data": network.data_subnet_ids,
                "public": network.public_subnet_ids,
            },
            database_clients=settings.database.client_groups,
            executor_port=settings.executor_port,
        )


class Network(pulumi.ComponentResource):
    """A VPC over the zones: public subnets with NAT, app subnets that go out through it, data subnets that go
    nowhere, endpoints for AWS's services; or an existing VPC. Security groups let the app reach the data, and
    nobody else."""

    vpc_id: pulumi.Input[str]
    subnet_ids: dict[str, list[pulumi.Input[str]]]
    """By tier: app, data, public."""
    egress: list[pulumi.Output[str]]
    """The addresses from which the app subnets reach the internet; none are known in an existing VPC."""
    app: aws.ec2.SecurityGroup
    database: aws.ec2.SecurityGroup
    queues: aws.ec2.SecurityGroup

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:network:Network", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        self.egress = []
        if args.vpc_id:
            self.vpc_id = args.vpc_id
            self.subnet_ids = {tier: list(ids) for tier, ids in args.subnet_ids.items()}
        else:
            self._build()
        self._endpoints = None if args.vpc_id else self.group("endpoints", "web-next: endpoints of AWS services")
        self.app = self.group("app", "web-next: tasks of the app")
        self.database = self.group("database", "web-next: the audit database")
        self.queues = self.group("queues", "web-next: the alert queues")
        self.allow("app", self.app, "database", self.database, POSTGRES)
        self.allow("app", self.app, "queues", self.queues, REDIS)
        self.allow_https("app", self.app)
        if args.executor_port not in (None, HTTPS):
            self._out("app", self.app, args.executor_port, f"port-{args.executor_port}")
        for group in args.database_clients:
            self._in(f"database-from-{group}", self.database, POSTGRES, group)
        if self._endpoints:
            self._interface_endpoints(self._endpoints)
        self.register_outputs({"vpc": self.vpc_id})

    def group(self, name: str, description: str) -> aws.ec2.SecurityGroup:
        """A security group of the VPC that lets nothing in or out."""
        return aws.ec2.SecurityGroup(
            f"{self._name}-{name}",
            name=f"{self._args.name}-{name}",
            description=description,
            vpc_id=self.vpc_id,
            tags={"Name": f"{self._args.name}-{name}"},
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=WORDING),
        )

    def allow(
        self, source: str, sender: aws.ec2.SecurityGroup, target: str, receiver: aws.ec2.SecurityGroup, port: int
    ) -> None:
        """Lets one group reach another at a TCP port: out of the one, into the other."""
        aws.vpc.SecurityGroupEgressRule(
            f"{self._name}-{source}-to-{target}",
            security_group_id=sender.id,
            referenced_security_group_id=receiver.id,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            description=f"{source} to {target}",
            opts=self._child,
        )
        self._in(f"{target}-from-{source}", receiver, port, sender.id)

    def allow_network(self, name: str, group: aws.ec2.SecurityGroup, network: IPv4Network, port: int) -> None:
        """Lets the addresses of a network in at a TCP port: for what is reached from outside the VPC."""
        aws.vpc.SecurityGroupIngressRule(
            f"{self._name}-{name}-from-{network.network_address}-{network.prefixlen}-{port}",
            security_group_id=group.id,
            cidr_ipv4=str(network),
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            description=f"{name} from {network}",
            opts=self._child,
        )

    def allow_https(self, name: str, group: aws.ec2.SecurityGroup) -> None:
        """Lets a group out to HTTPS anywhere: the executor's, the webhook's and AWS's addresses are not known here."""
        self._out(name, group, HTTPS, "https")
        if self._endpoints:
            # In a VPC with endpoints the names of AWS's services lead to them.
            self._in(f"endpoints-from-{name}", self._endpoints, HTTPS, group.id)

    def _out(self, name: str, group: aws.ec2.SecurityGroup, port: int, called: str) -> None:
        aws.vpc.SecurityGroupEgressRule(
            f"{self._name}-{name}-to-{called}",
            security_group_id=group.id,
            cidr_ipv4="0.0.0.0/0",
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            description=f"{name} to {called.replace('-', ' ')}",
            opts=self._child,
        )

    def _in(self, name: str, group: aws.ec2.SecurityGroup, port: int, sender: pulumi.Input[str]) -> None:
        aws.vpc.SecurityGroupIngressRule(
            f"{self._name}-{name}",
            security_group_id=group.id,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            referenced_security_group_id=sender,
            description=name.replace("-", " "),
            opts=self._child,
        )

    def _build(self) -> None:
        args, name = self._args, self._name
        vpc = aws.ec2.Vpc(
            name,
            cidr_block=args.cidr,
            enable_dns_support=True,
            enable_dns_hostnames=True,  # interface endpoints answer under AWS's own names only with it
            tags={"Name": args.name},
            opts=self._child,
        )
        self.vpc_id = vpc.id
        # AWS gives every VPC a group that lets its members reach each other; nothing here is a member, nor shall be.
        aws.ec2.DefaultSecurityGroup(name, vpc_id=vpc.id, ingress=[], egress=[], opts=self._child)
        gateway = aws.ec2.InternetGateway(name, vpc_id=vpc.id, tags={"Name": args.name}, opts=self._child)
        placed = {tier: self._subnets(tier) for tier in subnets.TIERS}
        self.subnet_ids = {tier: [one.id for one in made.values()] for tier, made in placed.items()}
        public = self._table("public", list(placed["public"].items()))
        self._route("public", public, gateway_id=gateway.id)
        gateways = [
            self._nat(zone, subnet, gateway)
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

    def _subnets(self, tier: str) -> dict[str, aws.ec2.Subnet]:
        return {
            zone: aws.ec2.Subnet(
                f"{self._name}-{tier}-{zone}",
                vpc_id=self.vpc_id,
                cidr_block=str(cidr),
                availability_zone=zone,
                map_public_ip_on_launch=False,
                tags={"Name": f"{self._args.name}-{tier}-{zone}"},
                opts=self._child,
            )
            for zone, cidr in zip(self._args.zones, self._args.subnets[tier], strict=True)
        }

    def _table(self, name: str, placed: Sequence[tuple[str, aws.ec2.Subnet]]) -> aws.ec2.RouteTable:
        table = aws.ec2.RouteTable(
            f"{self._name}-{name}",
            vpc_id=self.vpc_id,
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

    def _nat(self, zone: str, subnet: aws.ec2.Subnet, gateway: aws.ec2.InternetGateway) -> aws.ec2.NatGateway:
        name = f"{self._name}-{zone}"
        tags = {"Name": f"{self._args.name}-{zone}"}
        address = aws.ec2.Eip(name, domain="vpc", tags=tags, opts=self._child)
        self.egress.append(address.public_ip)
        return aws.ec2.NatGateway(
            name,
            allocation_id=address.id,
            subnet_id=subnet.id,
            tags=tags,
            # A NAT gateway works only once its VPC's internet gateway does.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[gateway]),
        )

    def _interface_endpoints(self, group: aws.ec2.SecurityGroup) -> None:
        for service in INTERFACE_ENDPOINTS:
            aws.ec2.VpcEndpoint(
                f"{self._name}-{service}",
                vpc_id=self.vpc_id,
                service_name=f"com.amazonaws.{self._args.region}.{service}",
                vpc_endpoint_type="Interface",
                subnet_ids=self.subnet_ids["app"],
                security_group_ids=[group.id],
                private_dns_enabled=True,
                tags={"Name": f"{self._args.name}-{service}"},
                opts=self._child,
            )
