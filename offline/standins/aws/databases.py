"""rds and elasticache: the emulator starts a real Postgres and a real Redis for them."""

from __future__ import annotations

from typing import Any

from offline.standins.aws.api import Api
from offline.standins.kind import Call, Properties

MANAGED = "Managed by Pulumi"


def _snapshot(call: Call) -> Properties:
    if call.inputs.get("skipFinalSnapshot"):
        return {"SkipFinalSnapshot": True}
    return {"FinalDBSnapshotIdentifier": call.inputs.get("finalSnapshotIdentifier", f"{call.id}-final")}


def _instance_groups(_call: Call, found: Any) -> Properties:
    return {
        "vpcSecurityGroupIds": [group["VpcSecurityGroupId"] for group in found.get("VpcSecurityGroups", [])],
        "dbSubnetGroupName": (found.get("DBSubnetGroup") or {}).get("DBSubnetGroupName"),
        "parameterGroupName": next(
            (group["DBParameterGroupName"] for group in found.get("DBParameterGroups", [])), None
        ),
    }


INSTANCE = Api(
    type="aws:rds/instance:Instance",
    service="rds",
    by="DBInstanceIdentifier",
    create="CreateDBInstance",
    describe="DescribeDBInstances",
    at="DBInstances[0]",
    update="ModifyDBInstance",
    delete="DeleteDBInstance",
    name="identifier",
    rename={
        "identifier": "DBInstanceIdentifier",
        "instanceClass": "DBInstanceClass",
        "username": "MasterUsername",
        "password": "MasterUserPassword",
        "parameterGroupName": "DBParameterGroupName",
        "backupWindow": "PreferredBackupWindow",
        "maintenanceWindow": "PreferredMaintenanceWindow",
        "caCertIdentifier": "CACertificateIdentifier",
        "iamDatabaseAuthenticationEnabled": "EnableIAMDatabaseAuthentication IAMDatabaseAuthenticationEnabled",
        "performanceInsightsEnabled": "EnablePerformanceInsights PerformanceInsightsEnabled",
        "enabledCloudwatchLogsExports": "EnableCloudwatchLogsExports EnabledCloudwatchLogsExports",
    },
    outputs={
        "address": "Endpoint.Address",
        "arn": "DBInstanceArn",
        "endpoint": "Endpoint.join(':', [Address, to_string(Port)])",
        "engineVersionActual": "EngineVersion",
        "hostedZoneId": "Endpoint.HostedZoneId",
        "port": "Endpoint.Port",
        "resourceId": "DbiResourceId",
        "status": "DBInstanceStatus",
    },
    replace="username engine dbName storageEncrypted kmsKeyId availabilityZone",
    hidden="password",
    aside="applyImmediately",
    ready="DBInstanceStatus == 'available' && Endpoint.Address",
    on_update=lambda _: {"ApplyImmediately": True},
    on_delete=_snapshot,
    observe=_instance_groups,
)


def _subnets(_call: Call, found: Any) -> Properties:
    subnets = [subnet["SubnetIdentifier"] for subnet in found.get("Subnets", [])]
    return {"subnetIds": subnets} if subnets else {}  # of a cache's group the emulator keeps none


RDS_SUBNETS = Api(
    type="aws:rds/subnetGroup:SubnetGroup",
    service="rds",
    by="DBSubnetGroupName",
    create="CreateDBSubnetGroup",
    describe="DescribeDBSubnetGroups",
    at="DBSubnetGroups[0]",
    update="ModifyDBSubnetGroup",
    delete="DeleteDBSubnetGroup",
    name="name",
    rename={"name": "DBSubnetGroupName", "description": "DBSubnetGroupDescription"},
    outputs={"arn": "DBSubnetGroupArn", "vpcId": "VpcId"},
    defaults={"DBSubnetGroupDescription": MANAGED},
    on_update=lambda call: {"SubnetIds": call.inputs["subnetIds"]},
    observe=_subnets,
)


def _rds_parameters(call: Call) -> None:
    if call.changed("parameters") and call.inputs.get("parameters"):
        listed = [
            {
                "ParameterName": parameter["name"],
                "ParameterValue": str(parameter["value"]),
                "ApplyMethod": parameter.get("applyMethod", "immediate"),
            }
            for parameter in call.inputs["parameters"]
        ]
        call.cloud.call("rds", "ModifyDBParameterGroup", DBParameterGroupName=call.id, Parameters=listed)


RDS_PARAMETERS = Api(
    type="aws:rds/parameterGroup:ParameterGroup",
    service="rds",
    by="DBParameterGroupName",
    create="CreateDBParameterGroup",
    describe="DescribeDBParameterGroups",
    at="DBParameterGroups[0]",
    delete="DeleteDBParameterGroup",
    name="name",
    rename={"name": "DBParameterGroupName", "family": "DBParameterGroupFamily"},
    outputs={"arn": "DBParameterGroupArn"},
    replace="family description",
    aside="parameters",
    defaults={"Description": MANAGED},
    after=_rds_parameters,
)

REPLICATION_GROUP = Api(
    type="aws:elasticache/replicationGroup:ReplicationGroup",
    service="elasticache",
    by="ReplicationGroupId",
    create="CreateReplicationGroup",
    describe="DescribeReplicationGroups",
    at="ReplicationGroups[0]",
    update="ModifyReplicationGroup",
    delete="DeleteReplicationGroup",
    name="replicationGroupId",
    rename={
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
    replace="engine atRestEncryptionEnabled transitEncryptionEnabled kmsKeyId port subnetGroupName",
    hidden="authToken",
    aside="applyImmediately",
    ready="Status == 'available' && NodeGroups[0].PrimaryEndpoint.Address",
    on_update=lambda _: {"ApplyImmediately": True},
)

CACHE_SUBNETS = Api(
    type="aws:elasticache/subnetGroup:SubnetGroup",
    service="elasticache",
    by="CacheSubnetGroupName",
    create="CreateCacheSubnetGroup",
    describe="DescribeCacheSubnetGroups",
    at="CacheSubnetGroups[0]",
    update="ModifyCacheSubnetGroup",
    delete="DeleteCacheSubnetGroup",
    name="name",
    rename={"name": "CacheSubnetGroupName", "description": "CacheSubnetGroupDescription"},
    outputs={"arn": "ARN", "vpcId": "VpcId"},
    tags_later=True,
    defaults={"CacheSubnetGroupDescription": MANAGED},
    observe=_subnets,
)


def _cache_parameters(call: Call) -> None:
    if call.changed("parameters") and call.inputs.get("parameters"):
        listed = [
            {"ParameterName": parameter["name"], "ParameterValue": str(parameter["value"])}
            for parameter in call.inputs["parameters"]
        ]
        call.cloud.call(
            "elasticache",
            "ModifyCacheParameterGroup",
            CacheParameterGroupName=call.id,
            ParameterNameValues=listed,
        )


CACHE_PARAMETERS = Api(
    type="aws:elasticache/parameterGroup:ParameterGroup",
    service="elasticache",
    by="CacheParameterGroupName",
    create="CreateCacheParameterGroup",
    describe="DescribeCacheParameterGroups",
    at="CacheParameterGroups[0]",
    delete="DeleteCacheParameterGroup",
    name="name",
    rename={"name": "CacheParameterGroupName", "family": "CacheParameterGroupFamily"},
    outputs={"arn": "ARN"},
    replace="family description",
    aside="parameters",
    defaults={"Description": MANAGED},
    after=_cache_parameters,
)

KINDS = tuple(
    row.kind() for row in (INSTANCE, RDS_SUBNETS, RDS_PARAMETERS, REPLICATION_GROUP, CACHE_SUBNETS, CACHE_PARAMETERS)
)
