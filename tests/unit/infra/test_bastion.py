"""The bastion: nothing comes in, and there is none where it is not needed."""

from __future__ import annotations

import pytest

from tests.unit.infra.configs import DOCKER, FARGATE, changed
from tests.unit.infra.parts import declare, run
from tests.unit.infra.recorder import identity

TUNNEL = changed(FARGATE, database={"access": "tunnel"})


def test_the_bastion_has_no_key_no_address_and_no_open_port() -> None:
    declared = declare("bastion", TUNNEL)
    template = declared.one("aws:ec2/launchTemplate:LaunchTemplate").inputs
    instance = declared.one("aws:ec2/instance:Instance").inputs

    incoming = declared.of("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    assert not [one for one in incoming if one.inputs["securityGroupId"] == "SecurityGroup:network-bastion"]
    assert template["vpcSecurityGroupIds"] == ["SecurityGroup:network-bastion"]
    assert template["metadataOptions"] == {"httpTokens": "required", "httpEndpoint": "enabled"}
    assert [disk["ebs"]["encrypted"] for disk in template["blockDeviceMappings"]] == ["true"]
    assert not {"keyName", "userData", "networkInterfaces"} & template.keys()
    assert not {"keyName", "userData", "vpcSecurityGroupIds"} & instance.keys()
    assert instance["associatePublicIpAddress"] is False, "an existing VPC's subnet may give one by itself"
    assert instance["subnetId"] == "Subnet:network-app-eu-central-1a"
    assert instance["launchTemplate"]["id"] == identity("LaunchTemplate", "bastion")


def test_the_bastions_role_is_session_managers_and_nothing_more() -> None:
    declared = declare("bastion", TUNNEL)

    assert declared.one("aws:iam/rolePolicyAttachment:RolePolicyAttachment").inputs == {
        "role": "web-next-test-bastion",
        "policyArn": "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore",
    }
    assert not declared.of("aws:iam/rolePolicy:RolePolicy")
    assert '{"Service": "ec2.amazonaws.com"}' in declared.one("aws:iam/role:Role").inputs["assumeRolePolicy"]
    assert declared.one("aws:iam/instanceProfile:InstanceProfile").inputs["role"] == "web-next-test-bastion"


@pytest.mark.parametrize(
    ("config", "there"),
    [
        (FARGATE, False),
        (TUNNEL, True),
        (changed(FARGATE, database={"access": "later"}), True),
        (DOCKER, False),
        (changed(DOCKER, database={"access": "later"}), False),
    ],
    ids=["direct", "tunnel", "later", "docker", "docker later"],
)
def test_there_is_a_bastion_where_a_tunnel_needs_one_or_will(config: dict[str, str], there: bool) -> None:
    declared = run(config)

    assert [one.name for one in declared.of("aws:ec2/instance:Instance")] == ["bastion"] * there
    assert declared.outputs["audit_db_access"]["bastion"] == ("Instance:bastion" if there else None)
