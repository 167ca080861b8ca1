"""What must stay secret: kms, secretsmanager, ssm."""

from __future__ import annotations

import os
from typing import Any

from offline.standins.aws.api import Api
from offline.standins.aws.part import Part
from offline.standins.kind import Call, Kind, Properties


def _rotation(call: Call) -> None:
    if call.changed("enableKeyRotation"):
        operation = "EnableKeyRotation" if call.inputs.get("enableKeyRotation") else "DisableKeyRotation"
        call.cloud.call("kms", operation, KeyId=call.id)
    if call.old and call.changed("policy") and call.inputs.get("policy"):
        call.cloud.call("kms", "PutKeyPolicy", KeyId=call.id, PolicyName="default", Policy=call.inputs["policy"])


def _key_details(call: Call, _found: Any) -> Properties:
    rotation = call.cloud.call("kms", "GetKeyRotationStatus", KeyId=call.id)
    policy = call.cloud.call("kms", "GetKeyPolicy", KeyId=call.id, PolicyName="default")
    return {"enableKeyRotation": rotation["KeyRotationEnabled"], "policy": policy["Policy"]}


KEY = Api(
    type="aws:kms/key:Key",
    service="kms",
    id_parameter="KeyId",
    id_path="KeyMetadata.KeyId",
    create="CreateKey",
    describe="DescribeKey",
    object_path="KeyMetadata",
    gone_when="DeletionDate",
    update="UpdateKeyDescription",
    delete="ScheduleKeyDeletion",
    outputs={"arn": "Arn", "keyId": "KeyId"},
    replace_on_change="keyUsage customerMasterKeySpec multiRegion",
    delete_parameters=lambda call: {"PendingWindowInDays": call.inputs.get("deletionWindowInDays", 30)},
    update_parameters=lambda call: {"Description": call.inputs.get("description", "")},
    after_write=_rotation,
    observed_inputs=_key_details,
)

ALIAS = Api(
    type="aws:kms/alias:Alias",
    service="kms",
    id_parameter="AliasName",
    create="CreateAlias",
    describe="ListAliases",
    describe_parameters={"Limit": 1000},
    object_path="Aliases[?AliasName=='{id}'] | [0]",
    update="UpdateAlias",
    delete="DeleteAlias",
    name_input="name",
    api_names={"name": "AliasName"},
    outputs={"arn": "AliasArn"},
    has_tags=False,
)


def _recovery(call: Call) -> Properties:
    days = call.inputs.get("recoveryWindowInDays", 30)
    return {"RecoveryWindowInDays": days} if days else {"ForceDeleteWithoutRecovery": True}


SECRET = Api(
    type="aws:secretsmanager/secret:Secret",
    service="secretsmanager",
    id_parameter="SecretId",
    id_path="ARN",
    create="CreateSecret",
    describe="DescribeSecret",
    object_path="@",
    gone_when="DeletedDate",
    update="UpdateSecret",
    delete="DeleteSecret",
    name_input="name",
    outputs={"arn": "ARN"},
    delete_parameters=_recovery,
)


def _put_version(call: Call) -> tuple[str, Properties]:
    inputs = call.inputs
    parameters: Properties = {"SecretId": inputs["secretId"], "ClientRequestToken": os.urandom(16).hex()}
    for key, name in (("secretString", "SecretString"), ("versionStages", "VersionStages")):
        if key in inputs:
            parameters[name] = inputs[key]
    answer = call.cloud.call("secretsmanager", "PutSecretValue", **parameters)
    outputs = {"arn": answer["ARN"], "secretArn": answer["ARN"], "versionId": answer["VersionId"]}
    return f"{inputs['secretId']}|{answer['VersionId']}", outputs


def _read_version(call: Call) -> Properties | None:
    """The current value, whoever put it: a value put behind the program's back is drift."""
    secret, version = call.id.rsplit("|", 1)
    staged = {} if "versionStages" in call.inputs else {"VersionStage": "AWSCURRENT"}
    found = call.cloud.find("secretsmanager", "GetSecretValue", SecretId=secret, **(staged or {"VersionId": version}))
    return found and {"secretString": found.get("SecretString")}


def _unstage(call: Call) -> None:
    secret, version = call.id.rsplit("|", 1)
    found = call.cloud.find("secretsmanager", "DescribeSecret", SecretId=secret) or {}
    for stage in found.get("VersionIdsToStages", {}).get(version, []):
        if stage != "AWSCURRENT":
            call.cloud.find(
                "secretsmanager",
                "UpdateSecretVersionStage",
                SecretId=secret,
                VersionStage=stage,
                RemoveFromVersionId=version,
            )


VERSION = Kind(
    type="aws:secretsmanager/secretVersion:SecretVersion",
    outputs=("arn", "secretArn", "versionId"),
    replace=("secretId", "secretString", "versionStages"),
    hidden=("secretString",),
    create=_put_version,
    read=_read_version,
    delete=_unstage,
)

SECRET_POLICY = Part(
    type="aws:secretsmanager/secretPolicy:SecretPolicy",
    service="secretsmanager",
    key_inputs="secretArn",
    put="PutResourcePolicy",
    get="GetResourcePolicy",
    object_path="@",
    gone_when="!ResourcePolicy",
    delete="DeleteResourcePolicy",
    api_names={"secretArn": "SecretId", "policy": "ResourcePolicy"},
)

PARAMETER = Api(
    type="aws:ssm/parameter:Parameter",
    service="ssm",
    id_parameter="Name",
    create="PutParameter",
    describe="GetParameter",
    describe_parameters={"WithDecryption": True},
    object_path="Parameter",
    update="PutParameter",
    delete="DeleteParameter",
    name_input="name",
    api_names={"insecureValue": "Value"},
    outputs={"arn": "ARN", "version": "Version"},
    changing_outputs="version",
    masked_inputs="value",
    update_parameters=lambda _: {"Overwrite": True},
)

KINDS = (
    KEY.kind(),
    ALIAS.kind(),
    SECRET.kind(),
    VERSION,
    SECRET_POLICY.kind(),
    PARAMETER.kind(),
)
