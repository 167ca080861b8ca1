"""The alert queues: Redis with what BullMQ needs of it."""

from __future__ import annotations

from collections.abc import Iterator

from policy.resources import Resource, Stack
from policy.rule import rule

GROUP = "aws:elasticache/replicationGroup:ReplicationGroup"


@rule(
    "elasticache-encrypted",
    GROUP,
    severity="high",
    covers=["FSBP ElastiCache.4", "FSBP ElastiCache.5", "FSBP ElastiCache.6"],
    todo="set at_rest_encryption_enabled, transit_encryption_enabled, kms_key_id and auth_token",
)
def encrypted(group: Resource, _stack: Stack) -> Iterator[str]:
    """The queues are encrypted on disk and on the way, under a key of our own, and ask everybody for a token first"""
    for setting in ("atRestEncryptionEnabled", "transitEncryptionEnabled"):
        if group.get(setting) is not True:
            yield f"{setting} {group.get(setting)}"
    if group.get("transitEncryptionMode") == "preferred":
        yield "transitEncryptionMode preferred: plain connections are taken too"
    if "authToken" not in group.inputs:
        yield "no authToken"
    if not group.under_own_key("kmsKeyId"):
        yield "AWS' own key"


@rule(
    "elasticache-noeviction",
    GROUP,
    severity="high",
    todo="set maxmemory-policy to noeviction in the group's parameter group",
)
def noeviction(group: Resource, stack: Stack) -> Iterator[str]:
    """No queued job is evicted when memory is full"""
    groups = stack.behind(group, "parameterGroupName", "aws:elasticache/parameterGroup:ParameterGroup")
    for parameters in groups:
        values = {one["name"]: one["value"] for one in parameters.all("parameters")}
        if values.get("maxmemory-policy") != "noeviction":
            yield f"maxmemory-policy {values.get('maxmemory-policy')} in {parameters.name}"
    if not groups:
        yield "no parameter group of this stack, and AWS' own evict"


@rule(
    "elasticache-cluster-mode-off",
    GROUP,
    severity="high",
    todo="leave cluster_mode and num_node_groups away; more memory is a larger node",
)
def cluster_mode_off(group: Resource, stack: Stack) -> Iterator[str]:
    """The queues are one shard: BullMQ's scripts span keys of several slots"""
    if group.get("clusterMode") not in (None, "disabled"):
        yield f"clusterMode {group.get('clusterMode')}"
    if (shards := group.get("numNodeGroups") or 1) != 1:
        yield f"numNodeGroups {shards:g}"
    for parameters in stack.behind(group, "parameterGroupName", "aws:elasticache/parameterGroup:ParameterGroup"):
        if any(one["name"] == "cluster-enabled" and one["value"] == "yes" for one in parameters.all("parameters")):
            yield f"cluster-enabled yes in {parameters.name}"


@rule(
    "elasticache-kept",
    GROUP,
    severity="medium",
    covers=["FSBP ElastiCache.1", "FSBP ElastiCache.2", "FSBP ElastiCache.7"],
    todo="keep snapshots a day or longer, take minor versions by themselves, and name a subnet group",
)
def kept(group: Resource, _stack: Stack) -> Iterator[str]:
    """The queues have snapshots, minor versions by themselves and subnets of our own"""
    if (group.get("snapshotRetentionLimit") or 0) < 1:
        yield "no snapshots"
    if group.get("autoMinorVersionUpgrade") is not True:
        yield f"autoMinorVersionUpgrade {group.get('autoMinorVersionUpgrade')}"
    if "subnetGroupName" not in group.inputs:
        yield "no subnet group: the default VPC's subnets"
