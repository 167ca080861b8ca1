"""The bastion: nothing comes in, and there is none where it is not needed."""

from __future__ import annotations

import pytest

from tests.unit.infra.parts import declare, run
from tests.unit.infra.recorder import DOCKER, FARGATE, Recorder, changed, identity

TUNNEL = changed(FARGATE, databaseAccess="tunnel")


def test_the_bastion_has_no_key_no_address_and_no_open_port(engine: Recorder) -> None:
    declare("bastion", TUNNEL)
    template = engine.one("aws:ec2/launchTemplate:LaunchTemplate").inputs
    instance = engine.one("aws:ec2/instance:Instance").inputs

    incoming = engine.of("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    assert not [one for one in incoming if one.inputs["securityGroupId"] == "SecurityGroup:network-bastion"]
    assert template["vpcSecurityGroupIds"] == ["SecurityGroup:network-bastion"]
    assert template["metadataOptions"] == {"httpTokens": "required", "httpEndpoint": "enabled"}
    assert [disk["ebs"]["encrypted"] for disk in template["blockDeviceMappings"]] == ["true"]
    assert not {"keyName", "userData", "networkInterfaces"} & template.keys()
    assert not {"keyName", "userData", "vpcSecurityGroupIds"} & instance.keys()
    assert instance["associatePublicIpAddress"] is False, "an existing VPC's subnet may give one by itself"
    assert instance["subnetId"] == "Subnet:network-app-eu-central-1a"
    assert instance["launchTemplate"]["id"] == identity("LaunchTemplate", "bastion")


def test_the_bastions_role_is_session_managers_and_nothing_more(engine: Recorder) -> None:
    declare("bastion", TUNNEL)

    assert engine.one("aws:iam/rolePolicyAttachment:RolePolicyAttachment").inputs == {
        "role": "web-next-test-bastion",
        "policyArn": "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore",
    }
    assert not engine.of("aws:iam/rolePolicy:RolePolicy")
    assert '{"Service": "ec2.amazonaws.com"}' in engine.one("aws:iam/role:Role").inputs["assumeRolePolicy"]
    assert engine.one("aws:iam/instanceProfile:InstanceProfile").inputs["role"] == "web-next-test-bastion"


@pytest.mark.parametrize(
    ("config", "there"),
    [
        (FARGATE, False),
        (TUNNEL, True),
        (changed(FARGATE, databaseAccess="later"), True),
        (DOCKER, False),
        (changed(DOCKER, databaseAccess="later"), False),
    ],
    ids=["direct", "tunnel", "later", "docker", "docker later"],
)
def test_there_is_a_bastion_where_a_tunnel_needs_one_or_will(
    engine: Recorder, monkeypatch: pytest.MonkeyPatch, config: dict[str, str], there: bool
) -> None:
    outputs = run(monkeypatch, config)

    assert [one.name for one in engine.of("aws:ec2/instance:Instance")] == ["bastion"] * there
    assert outputs["audit_db_access"]["bastion"] == ("Instance:bastion" if there else None)
