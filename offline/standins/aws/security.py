"""Who may do what, and what must stay secret: iam, kms, secretsmanager, ssm."""

from __future__ import annotations

import json
import os
from typing import Any

from offline.standins.aws.api import Api
from offline.standins.kind import Call, Kind, Properties


def _trust(call: Call) -> None:
    if call.old and call.changed("assumeRolePolicy"):
        call.cloud.call(
            "iam", "UpdateAssumeRolePolicy", RoleName=call.id, PolicyDocument=call.inputs["assumeRolePolicy"]
        )


ROLE = Api(
    type="aws:iam/role:Role",
    service="iam",
    by="RoleName",
    create="CreateRole",
    describe="GetRole",
    at="Role",
    update="UpdateRole",
    delete="DeleteRole",
    name="name",
    rename={"name": "RoleName", "assumeRolePolicy": "AssumeRolePolicyDocument"},
    outputs={"arn": "Arn", "uniqueId": "RoleId", "createDate": "CreateDate"},
    replace="path",
    after=_trust,
)


def _role_policy(call: Call) -> Properties:
    inputs = call.inputs
    parameters = {
        "RoleName": inputs["role"],
        "PolicyName": inputs["name"],
        "PolicyDocument": inputs["policy"],
    }
    call.cloud.call("iam", "PutRolePolicy", **parameters)
    return {}


def _role_policy_id(identity: str) -> dict[str, str]:
    role, name = identity.split(":", 1)
    return {"RoleName": role, "PolicyName": name}


def _read_role_policy(call: Call) -> Properties | None:
    found = call.cloud.find("iam", "GetRolePolicy", **_role_policy_id(call.id))
    return found and {"policy": json.dumps(found["PolicyDocument"])}


ROLE_POLICY = Kind(
    type="aws:iam/rolePolicy:RolePolicy",
    name="name",
    replace=("name", "role"),
    create=lambda call: (f"{call.inputs['role']}:{call.inputs['name']}", _role_policy(call)),
    read=_read_role_policy,
    update=_role_policy,
    delete=lambda call: call.cloud.find("iam", "DeleteRolePolicy", **_role_policy_id(call.id)),
)


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
    by="KeyId",
    id="KeyMetadata.KeyId",
    create="CreateKey",
    describe="DescribeKey",
    at="KeyMetadata",
    gone="DeletionDate",
    update="UpdateKeyDescription",
    delete="ScheduleKeyDeletion",
    outputs={"arn": "Arn", "keyId": "KeyId"},
    replace="keyUsage customerMasterKeySpec multiRegion",
    on_delete=lambda call: {"PendingWindowInDays": call.inputs.get("deletionWindowInDays", 30)},
    on_update=lambda call: {"Description": call.inputs.get("description", "")},
    after=_rotation,
    observe=_key_details,
)

ALIAS = Api(
    type="aws:kms/alias:Alias",
    service="kms",
    by="AliasName",
    create="CreateAlias",
    describe="ListAliases",
    describe_also={"Limit": 1000},
    at="Aliases[?AliasName=='{id}'] | [0]",
    update="UpdateAlias",
    delete="DeleteAlias",
    name="name",
    rename={"name": "AliasName"},
    outputs={"arn": "AliasArn"},
    tags=False,
)


def _recovery(call: Call) -> Properties:
    days = call.inputs.get("recoveryWindowInDays", 30)
    return {"RecoveryWindowInDays": days} if days else {"ForceDeleteWithoutRecovery": True}


SECRET = Api(
    type="aws:secretsmanager/secret:Secret",
    service="secretsmanager",
    by="SecretId",
    id="ARN",
    create="CreateSecret",
    describe="DescribeSecret",
    at="@",
    gone="DeletedDate",
    update="UpdateSecret",
    delete="DeleteSecret",
    name="name",
    outputs={"arn": "ARN"},
    on_delete=_recovery,
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


PARAMETER = Api(
    type="aws:ssm/parameter:Parameter",
    service="ssm",
    by="Name",
    create="PutParameter",
    describe="GetParameter",
    describe_also={"WithDecryption": True},
    at="Parameter",
    update="PutParameter",
    delete="DeleteParameter",
    name="name",
    rename={"insecureValue": "Value"},
    outputs={"arn": "ARN", "version": "Version"},
    changing="version",
    hidden="value",
    on_update=lambda _: {"Overwrite": True},
)

KINDS = (
    ROLE.kind(),
    ROLE_POLICY,
    KEY.kind(),
    ALIAS.kind(),
    SECRET.kind(),
    VERSION,
    PARAMETER.kind(),
)
