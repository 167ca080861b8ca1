"""The Redis behind the alert queues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.naming import WORDING, Names
from infra.network import Network
from infra.settings.keys import Settings
from infra.vault import Vault

VERSION = "7.1"
"""Redis' version; a newer major one needs `queues.majorUpgrade` where a group runs."""


def redis_url(token: str, endpoint: str) -> str:
    """A Redis URL over TLS, database 0; `endpoint` is host:port, and `token` needs no quoting."""
    return f"rediss://:{token}@{endpoint}/0"


@dataclass(frozen=True, kw_only=True)
class QueuesArgs:
    """`name` is the replication group's id. With `replicas` above 0 a replica takes over when the primary fails.

    `log_group` is the slow log's name. Windows are in UTC; `snapshot_days` is how long a daily snapshot is kept.
    `major_upgrade` takes the group to a newer major version at once.
    """

    name: str
    node_type: str
    replicas: int
    snapshot_days: int
    snapshot_window: str
    maintenance_window: str
    apply_immediately: bool
    major_upgrade: bool
    log_group: str
    log_days: int
    subnet_ids: Sequence[pulumi.Input[str]]
    group_id: pulumi.Input[str]
    vault: Vault

    @classmethod
    def of(cls, settings: Settings, names: Names, network: Network, vault: Vault) -> QueuesArgs:
        return cls(
            name=f"{names.prefix}-queues",
            node_type=settings.queues.node_type,
            replicas=settings.queues.replicas,
            snapshot_days=settings.queues.snapshot_days,
            snapshot_window=settings.backup_window,
            maintenance_window=settings.maintenance_window,
            apply_immediately=settings.apply_immediately,
            major_upgrade=settings.queues.major_upgrade,
            log_group=f"/{names.prefix}/queues/slow-log",
            log_days=settings.log_days,
            subnet_ids=network.subnet_ids["data"],
            group_id=network.queues.id,
            vault=vault,
        )


class Queues(pulumi.ComponentResource):
    """A replication group with cluster mode disabled, because BullMQ's scripts span keys of several slots.

    Its URL, token included, is the vault entry REDIS_URL.
    """

    group: aws.elasticache.ReplicationGroup
    endpoint: pulumi.Output[str]
    nodes: list[str]
    """The ids of its nodes, as CloudWatch knows them."""

    def __init__(self, name: str, args: QueuesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:data:Queues", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        token = args.vault.password("queues")
        self.nodes = [f"{args.name}-{number:03}" for number in range(1, args.replicas + 2)]
        log = aws.cloudwatch.LogGroup(name, name=args.log_group, retention_in_days=args.log_days, opts=child)
        placed = aws.elasticache.SubnetGroup(
            name,
            name=args.name,
            description="Data subnets of the alert queues",
            subnet_ids=args.subnet_ids,
            opts=child,
        )
        family = f"redis{VERSION.partition('.')[0]}"
        parameters = aws.elasticache.ParameterGroup(
            name,
            # With its family changes its name: the group of before cannot go while the queues still use it.
            name=f"{args.name}-{family}",
            family=family,
            description="BullMQ: a job must never be evicted",
            parameters=[aws.elasticache.ParameterGroupParameterArgs(name="maxmemory-policy", value="noeviction")],
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=WORDING),
        )
        self.group = aws.elasticache.ReplicationGroup(
            name,
            replication_group_id=args.name,
            description="Alert queues of web-next",
            engine="redis",
            engine_version=VERSION,
            node_type=args.node_type,
            num_cache_clusters=1 + args.replicas,
            automatic_failover_enabled=args.replicas > 0,
            multi_az_enabled=args.replicas > 0,
            subnet_group_name=placed.name,
            security_group_ids=[args.group_id],
            parameter_group_name=parameters.name,
            at_rest_encryption_enabled=True,
            kms_key_id=args.vault.key.arn,
            transit_encryption_enabled=True,
            auth_token=token,
            snapshot_retention_limit=args.snapshot_days,
            snapshot_window=args.snapshot_window,
            maintenance_window=args.maintenance_window,
            log_delivery_configurations=[
                aws.elasticache.ReplicationGroupLogDeliveryConfigurationArgs(
                    destination=log.name,
                    destination_type="cloudwatch-logs",
                    log_format="json",
                    log_type="slow-log",
                )
            ],
            auto_minor_version_upgrade=True,
            # Until the new version runs, the parameter group of the old one cannot be deleted.
            apply_immediately=args.apply_immediately or args.major_upgrade,
            opts=child,
        )
        self.endpoint = pulumi.Output.concat(
            self.group.primary_endpoint_address, ":", self.group.port.apply(lambda port: str(port or 6379))
        )
        url = pulumi.Output.all(token, self.endpoint).apply(lambda known: redis_url(known[0], known[1]))
        args.vault.put("REDIS_URL", url)
        self.register_outputs({"endpoint": self.endpoint})
