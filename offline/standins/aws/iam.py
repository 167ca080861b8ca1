"""iam: roles, what they may do, and the profiles that hand them to machines."""

from __future__ import annotations

from typing import Any

from offline.standins.aws.api import Api
from offline.standins.aws.part import Part
from offline.standins.kind import Call, Properties


def _trust(call: Call) -> None:
    if call.old and call.changed("assumeRolePolicy"):
        call.cloud.call(
            "iam", "UpdateAssumeRolePolicy", RoleName=call.id, PolicyDocument=call.inputs["assumeRolePolicy"]
        )


ROLE = Api(
    type="aws:iam/role:Role",
    service="iam",
    id_parameter="RoleName",
    create="CreateRole",
    describe="GetRole",
    object_path="Role",
    update="UpdateRole",
    delete="DeleteRole",
    name_input="name",
    api_names={"name": "RoleName", "assumeRolePolicy": "AssumeRolePolicyDocument"},
    outputs={"arn": "Arn", "uniqueId": "RoleId", "createDate": "CreateDate"},
    replace_on_change="path",
    after_write=_trust,
)


ROLE_POLICY = Part(
    type="aws:iam/rolePolicy:RolePolicy",
    service="iam",
    key_inputs="role name",
    put="PutRolePolicy",
    get="GetRolePolicy",
    object_path="@",
    delete="DeleteRolePolicy",
    api_names={"role": "RoleName", "name": "PolicyName", "policy": "PolicyDocument"},
)

ROLE_POLICY_ATTACHMENT = Part(
    type="aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    service="iam",
    key_inputs="role policyArn",
    put="AttachRolePolicy",
    get="ListAttachedRolePolicies",
    object_path="AttachedPolicies[?PolicyArn=='{policyArn}'] | [0]",
    delete="DetachRolePolicy",
    api_names={"role": "RoleName"},
)


def _hold(call: Call, wanted: str | None) -> None:
    """Leaves the wanted role in the instance profile and no other."""
    found = call.cloud.find("iam", "GetInstanceProfile", InstanceProfileName=call.id)
    held = [role["RoleName"] for role in found["InstanceProfile"]["Roles"]] if found else []
    for role in held:
        if role != wanted:
            call.cloud.call("iam", "RemoveRoleFromInstanceProfile", InstanceProfileName=call.id, RoleName=role)
    if wanted and wanted not in held:
        call.cloud.call("iam", "AddRoleToInstanceProfile", InstanceProfileName=call.id, RoleName=wanted)


def _let_go(call: Call) -> Properties:
    _hold(call, None)
    return {}


def _seen_role(_call: Call, found: Any) -> Properties:
    return {"role": next((role["RoleName"] for role in found["Roles"]), None)}


INSTANCE_PROFILE = Api(
    type="aws:iam/instanceProfile:InstanceProfile",
    service="iam",
    tag_operations="iam profile",
    id_parameter="InstanceProfileName",
    create="CreateInstanceProfile",
    describe="GetInstanceProfile",
    object_path="InstanceProfile",
    delete="DeleteInstanceProfile",
    name_input="name",
    api_names={"name": "InstanceProfileName"},
    outputs={"arn": "Arn", "uniqueId": "InstanceProfileId", "createDate": "CreateDate"},
    replace_on_change="path",
    unmapped_inputs="role",
    after_write=lambda call: _hold(call, call.inputs.get("role")),
    delete_parameters=_let_go,
    observed_inputs=_seen_role,
)

KINDS = tuple(row.kind() for row in (ROLE, ROLE_POLICY, ROLE_POLICY_ATTACHMENT, INSTANCE_PROFILE))
