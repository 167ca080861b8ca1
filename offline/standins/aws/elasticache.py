"""elasticache: the emulator starts a real Redis for a replication group; parameters and subnets are only kept."""

from __future__ import annotations

from typing import Any

from offline.standins.aws.api import Api
from offline.standins.kind import Call, Properties

MANAGED = "Managed by Pulumi"


def _log_delivery(call: Call) -> Properties:
    def described(entry: Properties) -> Properties:
        logs = entry["destinationType"] == "cloudwatch-logs"
        place = {"CloudWatchLogsDetails": {"LogGroup": entry["destination"]}}
        stream = {"KinesisFirehoseDetails": {"DeliveryStream": entry["destination"]}}
        return {
            "LogType": entry["logType"],
            "LogFormat": entry["logFormat"],
            "DestinationType": entry["destinationType"],
            "DestinationDetails": place if logs else stream,
        }

    entries = call.inputs.get("logDeliveryConfigurations", [])
    surplus = {entry["logType"] for entry in call.old.get("logDeliveryConfigurations", [])}
    surplus -= {entry["logType"] for entry in entries}
    listed = [*map(described, entries), *({"LogType": kind, "Enabled": False} for kind in sorted(surplus))]
    return {"LogDeliveryConfigurations": listed} if listed and call.changed("logDeliveryConfigurations") else {}


def _group_changes(call: Call) -> Properties:
    strategy = call.inputs.get("authTokenUpdateStrategy", "ROTATE")
    token = {"AuthTokenUpdateStrategy": strategy} if call.changed("authToken") else {}
    return {"ApplyImmediately": True, **token, **_log_delivery(call)}


def _resize(call: Call) -> None:
    """A replication group is resized by operations of their own, which count replicas, not clusters."""
    now, before = (int(inputs.get("numCacheClusters", 1)) for inputs in (call.inputs, call.old))
    if call.old and now != before:
        operation = "IncreaseReplicaCount" if now > before else "DecreaseReplicaCount"
        parameters = {"ReplicationGroupId": call.id, "NewReplicaCount": now - 1, "ApplyImmediately": True}
        call.cloud.call("elasticache", operation, **parameters)


def _seen_group(_call: Call, found: Any) -> Properties:
    return {
        "automaticFailoverEnabled": found.get("AutomaticFailover") in ("enabled", "enabling"),
        "multiAzEnabled": found.get("MultiAZ") == "enabled",
        "numCacheClusters": sum(len(group["NodeGroupMembers"]) for group in found["NodeGroups"]),
    }


def _last_will(call: Call) -> Properties:
    named = call.inputs.get("finalSnapshotIdentifier")
    return {"FinalSnapshotIdentifier": named} if named else {}


REPLICATION_GROUP = Api(
    type="aws:elasticache/replicationGroup:ReplicationGroup",
    service="elasticache",
    id_parameter="ReplicationGroupId",
    create="CreateReplicationGroup",
    describe="DescribeReplicationGroups",
    object_path="ReplicationGroups[0]",
    update="ModifyReplicationGroup",
    delete="DeleteReplicationGroup",
    name_input="replicationGroupId",
    api_names={
        "description": "ReplicationGroupDescription Description",
        "nodeType": "CacheNodeType",
        "parameterGroupName": "CacheParameterGroupName",
        "subnetGroupName": "CacheSubnetGroupName",
        "maintenanceWindow": "PreferredMaintenanceWindow",
    },
    outputs={
        "arn": "ARN",
        "memberClusters": "MemberClusters",
        "port": "NodeGroups[0].PrimaryEndpoint.Port",
        "primaryEndpointAddress": "NodeGroups[0].PrimaryEndpoint.Address",
        "readerEndpointAddress": "NodeGroups[0].ReaderEndpoint.Address",
    },
    replace_on_change="engine atRestEncryptionEnabled transitEncryptionEnabled kmsKeyId port subnetGroupName",
    masked_inputs="authToken",
    unmapped_inputs="applyImmediately logDeliveryConfigurations",
    forgotten_inputs="autoMinorVersionUpgrade",  # and nothing tells the groups, windows and logs of a replication group
    ready_when="Status == 'available' && NodeGroups[0].PrimaryEndpoint.Address",
    create_parameters=_log_delivery,
    update_parameters=_group_changes,
    delete_parameters=_last_will,
    after_write=_resize,
    observed_inputs=_seen_group,
)

SUBNETS = Api(
    type="aws:elasticache/subnetGroup:SubnetGroup",
    service="elasticache",
    id_parameter="CacheSubnetGroupName",
    create="CreateCacheSubnetGroup",
    describe="DescribeCacheSubnetGroups",
    object_path="CacheSubnetGroups[0]",
    update="ModifyCacheSubnetGroup",
    delete="DeleteCacheSubnetGroup",
    name_input="name",
    api_names={"name": "CacheSubnetGroupName", "description": "CacheSubnetGroupDescription"},
    outputs={"arn": "ARN", "vpcId": "VpcId"},
    tag_after_create=True,
    create_defaults={"CacheSubnetGroupDescription": MANAGED},
)


def _write_parameters(call: Call) -> None:
    """Sets the parameters of a group, and puts those back to their defaults that the program no longer names."""
    now = {parameter["name"]: str(parameter["value"]) for parameter in call.inputs.get("parameters", [])}
    before = {parameter["name"]: str(parameter["value"]) for parameter in call.old.get("parameters", [])}
    surplus = {name: value for name, value in before.items() if name not in now}
    for operation, values in (("ModifyCacheParameterGroup", now), ("ResetCacheParameterGroup", surplus)):
        if values and call.changed("parameters"):
            listed = [{"ParameterName": name, "ParameterValue": value} for name, value in values.items()]
            parameters = {"CacheParameterGroupName": call.id, "ParameterNameValues": listed}
            call.cloud.call("elasticache", operation, **parameters)


def _seen_parameters(call: Call, _found: Any) -> Properties:
    """The program's own parameters: the emulator never forgets that somebody once set another."""
    answer = call.cloud.call("elasticache", "DescribeCacheParameters", CacheParameterGroupName=call.id)
    found = {parameter["ParameterName"]: parameter.get("ParameterValue", "") for parameter in answer["Parameters"]}
    own = [parameter["name"] for parameter in call.inputs.get("parameters", [])]
    return {"parameters": [{"name": name, "value": found[name]} for name in own if name in found]}


PARAMETERS = Api(
    type="aws:elasticache/parameterGroup:ParameterGroup",
    service="elasticache",
    id_parameter="CacheParameterGroupName",
    create="CreateCacheParameterGroup",
    describe="DescribeCacheParameterGroups",
    object_path="CacheParameterGroups[0]",
    delete="DeleteCacheParameterGroup",
    name_input="name",
    api_names={"name": "CacheParameterGroupName", "family": "CacheParameterGroupFamily"},
    outputs={"arn": "ARN"},
    replace_on_change="family description",
    unmapped_inputs="parameters",
    create_defaults={"Description": MANAGED},
    after_write=_write_parameters,
    observed_inputs=_seen_parameters,
)

KINDS = (REPLICATION_GROUP.kind(), SUBNETS.kind(), PARAMETERS.kind())
