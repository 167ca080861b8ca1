"""The bastion: nothing comes in, and there is none where it is not needed."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import pytest

from cutover.schema.tunnel import MADE_ALONE
from tests.unit.infra.configs import DOCKER, FARGATE, changed
from tests.unit.infra.parts import declare, run, stands_on
from tests.unit.infra.recorder import Recording, identity

TUNNEL = changed(FARGATE, database={"access": "tunnel"})


GROUP = "aws:autoscaling/group:Group"


def test_the_bastion_has_no_key_no_address_and_no_open_port() -> None:
    declared = declare("bastion", TUNNEL)
    template = declared.one("aws:ec2/launchTemplate:LaunchTemplate").inputs
    (interface,) = template["networkInterfaces"]

    incoming = declared.of("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")
    assert not [one for one in incoming if one.inputs["securityGroupId"] == "SecurityGroup:network-bastion"]
    assert interface["securityGroups"] == ["SecurityGroup:network-bastion"]
    assert interface["associatePublicIpAddress"] == "false", "an existing VPC's subnet may give one by itself"
    assert template["metadataOptions"] == {"httpTokens": "required", "httpEndpoint": "enabled"}
    assert [disk["ebs"]["encrypted"] for disk in template["blockDeviceMappings"]] == ["true"]
    assert not {"keyName", "userData"} & template.keys()


def refused(declared: Recording) -> list[str]:
    """What EC2 refuses of a launch: "Network interfaces and an instance-level security groups (or subnet ID) may not
    be specified on the same request". An instance's public address is an interface's."""
    found = []
    for one in (*declared.of("aws:ec2/launchTemplate:LaunchTemplate"), *declared.of("aws:ec2/instance:Instance")):
        inputs = one.inputs
        interface = inputs.get("networkInterfaces") or "associatePublicIpAddress" in inputs
        whole = {"vpcSecurityGroupIds", "securityGroupNames", "subnetId"} & inputs.keys()
        if "launchTemplate" in inputs:
            whole |= declared.one("aws:ec2/launchTemplate:LaunchTemplate").inputs.keys() & {"vpcSecurityGroupIds"}
        if interface and whole:
            found.append(f"{one.token} {one.name}: an interface, and {', '.join(sorted(whole))}")
    for group in declared.of(GROUP):
        template = declared.one("aws:ec2/launchTemplate:LaunchTemplate").inputs
        subnets = [
            interface["subnetId"] for interface in template.get("networkInterfaces", ()) if "subnetId" in interface
        ]
        if subnets and "vpcZoneIdentifiers" in group.inputs:
            found.append(f"{group.name}: a group's subnets, and the template's")
    return found


@pytest.mark.parametrize("access", ["direct", "later", "tunnel"])
def test_ec2_takes_every_launch_that_is_declared(access: str) -> None:
    assert refused(run(changed(FARGATE, database={"access": access}))) == []


def test_an_instance_of_the_newest_image_takes_the_old_ones_place_every_two_weeks() -> None:
    declared = declare("bastion", TUNNEL)
    template = declared.one("aws:ec2/launchTemplate:LaunchTemplate").inputs
    group = declared.one(GROUP).inputs

    assert template["imageId"].startswith("resolve:ssm:/aws/service/ami-amazon-linux-latest/")
    assert group["maxInstanceLifetime"] == 14 * 86400
    assert group["instanceMaintenancePolicy"] == {"minHealthyPercentage": 100, "maxHealthyPercentage": 200}
    assert (group["minSize"], group["maxSize"]) == (1, 1)


def test_the_bastion_comes_back_in_another_zone_and_no_update_ends_a_tunnel() -> None:
    declared = declare("bastion", TUNNEL)
    group = declared.one(GROUP).inputs

    assert group["vpcZoneIdentifiers"] == ["Subnet:network-app-eu-central-1a", "Subnet:network-app-eu-central-1b"]
    assert group["launchTemplate"] == {"id": identity("LaunchTemplate", "bastion"), "version": "$Latest"}
    assert "instanceRefresh" not in group, "an update that changes the template runs through the instance of before"


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

    assert [one.name for one in declared.of(GROUP)] == ["bastion"] * there
    assert declared.outputs["audit_db_access"]["bastion"] == ("web-next-test-bastion" if there else None)


def test_one_target_makes_the_bastion_with_its_ways_and_nothing_that_they_lead_to() -> None:
    declared = run(TUNNEL)
    (target,) = re.findall(r"--target '(\S+)'", MADE_ALONE)
    # The engine, other than its double, has no stack in the URNs of what belongs to it.
    urns = {one.urn: one.urn.replace("pulumi:pulumi:Stack$", "") for one in declared.registered}
    made = {urn for urn, real in urns.items() if fnmatchcase(real, target)}
    ways = "aws:vpc/securityGroup(In|E)gressRule:|aws:ec2/(natGateway|route|routeTableAssociation|vpcEndpoint):"

    assert stands_on(declared, declared.one(GROUP).urn) & urns.keys() <= made
    assert {one.urn for one in declared.registered if re.match(ways, one.token)} <= made
    assert {one.token.partition("/")[0] for one in declared.registered if one.custom and one.urn in made} == {
        *("aws:autoscaling", "aws:ec2", "aws:iam", "aws:vpc")
    }
