"""The network: who may reach whom in the VPC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network

import pulumi
import pulumi_aws as aws

from infra.naming import WORDING, Names
from infra.settings.keys import Settings
from infra.settings.subnets import INTERFACE_ENDPOINTS
from infra.vpc import ExistingVpc, OwnVpc, OwnVpcArgs

POSTGRES, REDIS, HTTPS = 5432, 6379, 443


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    """`vpc` is made, or there already. `database_clients` are ids of security groups outside this stack that may reach
    the database, for deployers. `ports_outside` are where the app reaches the executor and the collector of its spans,
    wherever those are."""

    name: str
    region: str
    vpc: OwnVpcArgs | ExistingVpc
    database_clients: Sequence[str] = ()
    ports_outside: Sequence[int] = ()

    @classmethod
    def of(cls, settings: Settings, names: Names) -> NetworkArgs:
        return cls(
            name=names.prefix,
            region=settings.region,
            vpc=ExistingVpc.of(settings) or OwnVpcArgs.of(settings, names),
            database_clients=settings.database.client_groups,
            ports_outside=settings.ports_outside,
        )


class Network(pulumi.ComponentResource):
    """A VPC of its own with endpoints for AWS's services, or an existing one, where nothing but security groups is
    made. The groups let the app reach the data, and nobody else."""

    vpc_id: pulumi.Input[str]
    subnet_ids: Mapping[str, Sequence[pulumi.Input[str]]]
    """By tier: app, data, public."""
    egress: Sequence[pulumi.Output[str]]
    """The addresses from which the app subnets reach the internet; none are known in an existing VPC."""
    app: aws.ec2.SecurityGroup
    database: aws.ec2.SecurityGroup
    queues: aws.ec2.SecurityGroup

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:network:Network", name, None, opts)
        self._name, self._args = name, args
        self._child = pulumi.ResourceOptions(parent=self)
        vpc = OwnVpc(name, args.vpc, self._child) if isinstance(args.vpc, OwnVpcArgs) else args.vpc
        self.vpc_id, self.subnet_ids, self.egress = vpc.id, vpc.subnet_ids, vpc.egress
        self._endpoints = (
            self.group("endpoints", "web-next: endpoints of AWS services") if isinstance(vpc, OwnVpc) else None
        )
        self.app = self.group("app", "web-next: tasks of the app")
        self.database = self.group("database", "web-next: the audit database")
        self.queues = self.group("queues", "web-next: the alert queues")
        self.allow("app", self.app, "database", self.database, POSTGRES)
        self.allow("app", self.app, "queues", self.queues, REDIS)
        self.allow_https("app", self.app)
        for port in args.ports_outside:
            if port != HTTPS:
                self._out("app", self.app, port, f"port-{port}")
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
