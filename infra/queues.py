"""The Redis behind the alert queues."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.naming import Names
from infra.settings import Settings
from infra.vault import Vault


@dataclass(frozen=True, kw_only=True)
class QueuesArgs:
    """`name` is the replication group's id; `auth_token` is what every client must present."""

    name: str
    node_type: str
    auth_token: pulumi.Input[str]

    @classmethod
    def of(cls, settings: Settings, names: Names, vault: Vault) -> QueuesArgs:
        return cls(
            name=f"{names.prefix}-queues",
            node_type=settings.queue_node_type,
            auth_token=vault.password("queues"),
        )


class Queues(pulumi.ComponentResource):
    """A replication group with cluster mode disabled, because BullMQ's scripts span keys of several slots."""

    group: aws.elasticache.ReplicationGroup
    endpoint: pulumi.Output[str]

    def __init__(self, name: str, args: QueuesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:data:Queues", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        parameters = aws.elasticache.ParameterGroup(
            name,
            name=args.name,
            family="redis7",
            description="BullMQ: a job must never be evicted",
            parameters=[aws.elasticache.ParameterGroupParameterArgs(name="maxmemory-policy", value="noeviction")],
            opts=child,
        )
        self.group = aws.elasticache.ReplicationGroup(
            name,
            replication_group_id=args.name,
            description="Alert queues of web-next",
            engine="redis",
            engine_version="7.1",
            node_type=args.node_type,
            num_cache_clusters=1,
            automatic_failover_enabled=False,
            parameter_group_name=parameters.name,
            at_rest_encryption_enabled=True,
            transit_encryption_enabled=True,
            auth_token=pulumi.Output.secret(args.auth_token),
            apply_immediately=True,
            opts=child,
        )
        self.endpoint = pulumi.Output.concat(
            self.group.primary_endpoint_address, ":", self.group.port.apply(lambda port: str(port or 6379))
        )
        self.register_outputs({"endpoint": self.endpoint})
