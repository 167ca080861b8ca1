"""rds: the emulator starts a real Postgres for an instance; parameters and subnets are only kept."""

from __future__ import annotations

from typing import Any

from offline.standins.aws.api import Api
from offline.standins.kind import Call, Properties

MANAGED = "Managed by Pulumi"


def _last_will(call: Call) -> Properties:
    kept = {"DeleteAutomatedBackups": call.inputs.get("deleteAutomatedBackups", True)}
    if call.inputs.get("skipFinalSnapshot"):
        return {**kept, "SkipFinalSnapshot": True}
    return {**kept, "FinalDBSnapshotIdentifier": call.inputs.get("finalSnapshotIdentifier", f"{call.id}-final")}


def _say_again(call: Call) -> None:
    """The emulator drops these when it creates an instance, and keeps them when it changes one."""
    again: Properties = {key: call.inputs[key] for key in ("backupWindow", "caCertIdentifier") if key in call.inputs}
    if again and not call.old:
        parameters = INSTANCE.parameters(call.cloud, INSTANCE.update, again)
        call.cloud.call("rds", INSTANCE.update, DBInstanceIdentifier=call.id, ApplyImmediately=True, **parameters)


def _instance_groups(_call: Call, found: Any) -> Properties:
    return {
        "vpcSecurityGroupIds": [group["VpcSecurityGroupId"] for group in found.get("VpcSecurityGroups", [])],
        "parameterGroupName": next(
            (group["DBParameterGroupName"] for group in found.get("DBParameterGroups", [])), None
        ),
    }


INSTANCE = Api(
    type="aws:rds/instance:Instance",
    service="rds",
    id_parameter="DBInstanceIdentifier",
    create="CreateDBInstance",
    describe="DescribeDBInstances",
    object_path="DBInstances[0]",
    update="ModifyDBInstance",
    delete="DeleteDBInstance",
    name_input="identifier",
    api_names={
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
    replace_on_change="username engine dbName storageEncrypted kmsKeyId availabilityZone",
    masked_inputs="password",
    unmapped_inputs="applyImmediately",
    forgotten_inputs="autoMinorVersionUpgrade enabledCloudwatchLogsExports iamDatabaseAuthenticationEnabled "
    "performanceInsightsEnabled",
    ready_when="DBInstanceStatus == 'available' && Endpoint.Address",
    update_parameters=lambda _: {"ApplyImmediately": True},
    delete_parameters=_last_will,
    after_write=_say_again,
    observed_inputs=_instance_groups,
)

SUBNETS = Api(
    type="aws:rds/subnetGroup:SubnetGroup",
    service="rds",
    id_parameter="DBSubnetGroupName",
    create="CreateDBSubnetGroup",
    describe="DescribeDBSubnetGroups",
    object_path="DBSubnetGroups[0]",
    update="ModifyDBSubnetGroup",
    delete="DeleteDBSubnetGroup",
    name_input="name",
    api_names={"name": "DBSubnetGroupName", "description": "DBSubnetGroupDescription"},
    outputs={"arn": "DBSubnetGroupArn", "vpcId": "VpcId"},
    create_defaults={"DBSubnetGroupDescription": MANAGED},
    update_parameters=lambda call: {"SubnetIds": call.inputs["subnetIds"]},
    observed_inputs=lambda _call, found: {"subnetIds": [each["SubnetIdentifier"] for each in found.get("Subnets", [])]},
)


def _write_parameters(call: Call) -> None:
    """Sets the parameters of a group, and puts those back to their defaults that the program no longer names."""
    named = [parameter["name"] for parameter in call.inputs.get("parameters", [])]
    listed = [
        {
            "ParameterName": parameter["name"],
            "ParameterValue": str(parameter["value"]),
            "ApplyMethod": parameter.get("applyMethod", "immediate"),
        }
        for parameter in call.inputs.get("parameters", [])
    ]
    surplus = [
        {"ParameterName": parameter["name"], "ApplyMethod": parameter.get("applyMethod", "immediate")}
        for parameter in call.old.get("parameters", [])
        if parameter["name"] not in named
    ]
    for operation, parameters in (("ModifyDBParameterGroup", listed), ("ResetDBParameterGroup", surplus)):
        if parameters and call.changed("parameters"):
            call.cloud.call("rds", operation, DBParameterGroupName=call.id, Parameters=parameters)


def _seen_parameters(call: Call, _found: Any) -> Properties:
    """What somebody set, the program's own first and in its order."""
    answer = call.cloud.call("rds", "DescribeDBParameters", DBParameterGroupName=call.id, Source="user")
    found = {parameter["ParameterName"]: parameter for parameter in answer["Parameters"]}
    own = [parameter["name"] for parameter in call.inputs.get("parameters", [])]
    return {
        "parameters": [
            {"name": name, "value": found[name].get("ParameterValue", ""), "applyMethod": found[name]["ApplyMethod"]}
            for name in sorted(found, key=lambda name: own.index(name) if name in own else len(own))
        ]
    }


PARAMETERS = Api(
    type="aws:rds/parameterGroup:ParameterGroup",
    service="rds",
    id_parameter="DBParameterGroupName",
    create="CreateDBParameterGroup",
    describe="DescribeDBParameterGroups",
    object_path="DBParameterGroups[0]",
    delete="DeleteDBParameterGroup",
    name_input="name",
    api_names={"name": "DBParameterGroupName", "family": "DBParameterGroupFamily"},
    outputs={"arn": "DBParameterGroupArn"},
    replace_on_change="family description",
    unmapped_inputs="parameters",
    create_defaults={"Description": MANAGED},
    after_write=_write_parameters,
    observed_inputs=_seen_parameters,
)

KINDS = (INSTANCE.kind(), SUBNETS.kind(), PARAMETERS.kind())
