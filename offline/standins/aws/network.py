"""ec2: networks, subnets, and the security groups with their rules."""

from __future__ import annotations

from typing import Any

from offline.standins.aws.api import Api
from offline.standins.kind import Call, Kind, Properties, StandinError

_DNS = {"enableDnsSupport": "EnableDnsSupport", "enableDnsHostnames": "EnableDnsHostnames"}


def _vpc_dns(call: Call) -> None:
    for key, name in _DNS.items():
        if call.changed(key):
            value = {"Value": call.inputs.get(key, key == "enableDnsSupport")}
            call.cloud.call("ec2", "ModifyVpcAttribute", VpcId=call.id, **{name: value})


def _seen_dns(call: Call, _found: Any) -> Properties:
    asked = {key: name for key, name in _DNS.items() if key in call.inputs}
    return {
        key: call.cloud.call("ec2", "DescribeVpcAttribute", VpcId=call.id, Attribute=key)[name]["Value"]
        for key, name in asked.items()
    }


VPC = Api(
    type="aws:ec2/vpc:Vpc",
    service="ec2",
    ec2_type="vpc",
    id_parameter="VpcId",
    id_path="Vpc.VpcId",
    create="CreateVpc",
    describe="DescribeVpcs",
    object_path="Vpcs[0]",
    delete="DeleteVpc",
    outputs={"ownerId": "OwnerId"},
    replace_on_change="cidrBlock instanceTenancy",
    unmapped_inputs="enableDnsSupport enableDnsHostnames",
    after_write=_vpc_dns,
    observed_inputs=_seen_dns,
)


def _public_addresses(call: Call) -> None:
    if call.changed("mapPublicIpOnLaunch"):
        value = {"Value": call.inputs.get("mapPublicIpOnLaunch", False)}
        call.cloud.call("ec2", "ModifySubnetAttribute", SubnetId=call.id, MapPublicIpOnLaunch=value)


SUBNET = Api(
    type="aws:ec2/subnet:Subnet",
    service="ec2",
    ec2_type="subnet",
    id_parameter="SubnetId",
    id_path="Subnet.SubnetId",
    create="CreateSubnet",
    describe="DescribeSubnets",
    object_path="Subnets[0]",
    delete="DeleteSubnet",
    outputs={"ownerId": "OwnerId"},
    replace_on_change="cidrBlock vpcId availabilityZone availabilityZoneId",
    after_write=_public_addresses,
)


def _no_inline_rules(call: Call) -> Properties:
    if inline := [key for key in ("ingress", "egress") if call.inputs.get(key)]:
        raise StandinError(
            f"security group sets {' and '.join(inline)}; the stand-in applies rules that are resources only: "
            "declare SecurityGroupIngressRule and SecurityGroupEgressRule"
        )
    return {}


def _no_default_egress(call: Call) -> None:
    """A new group allows all egress; the official provider takes that away, so this one does."""
    if not call.old:
        _revoke(call, "IpPermissionsEgress", "RevokeSecurityGroupEgress")


def _revoke(call: Call, listed: str, operation: str) -> None:
    groups = call.cloud.call("ec2", "DescribeSecurityGroups", GroupIds=[call.id])["SecurityGroups"]
    if rules := groups[0].get(listed):
        call.cloud.call("ec2", operation, GroupId=call.id, IpPermissions=rules)


SECURITY_GROUP = Api(
    type="aws:ec2/securityGroup:SecurityGroup",
    service="ec2",
    ec2_type="security-group",
    id_parameter="GroupId",
    id_path="GroupId",
    create="CreateSecurityGroup",
    describe="DescribeSecurityGroups",
    object_path="SecurityGroups[0]",
    delete="DeleteSecurityGroup",
    name_input="name",
    api_names={"name": "GroupName"},
    outputs={"ownerId": "OwnerId"},
    replace_on_change="description vpcId",
    create_defaults={"Description": "Managed by Pulumi"},
    create_parameters=_no_inline_rules,
    after_write=_no_default_egress,
)


def _default_group(call: Call) -> Properties:
    _no_inline_rules(call)
    named = {"vpc-id": call.inputs["vpcId"], "group-name": "default"}
    return {"Filters": [{"Name": name, "Values": [value]} for name, value in named.items()]}


def _no_rules(call: Call) -> None:
    _no_inline_rules(call)
    _revoke(call, "IpPermissions", "RevokeSecurityGroupIngress")
    _revoke(call, "IpPermissionsEgress", "RevokeSecurityGroupEgress")


def _seen_rules(_call: Call, found: Any) -> Properties:
    return {
        key: [
            {"protocol": rule["IpProtocol"], "cidrBlocks": [cidr["CidrIp"] for cidr in rule.get("IpRanges", [])]}
            for rule in found.get(listed, [])
        ]
        for key, listed in (("ingress", "IpPermissions"), ("egress", "IpPermissionsEgress"))
    }


# The group that every VPC is born with is taken over, emptied, and left to go with its VPC.
DEFAULT_SECURITY_GROUP = Api(
    type="aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
    service="ec2",
    ec2_type="security-group",
    id_parameter="GroupId",
    id_path="SecurityGroups[0].GroupId",
    create="DescribeSecurityGroups",
    describe="DescribeSecurityGroups",
    object_path="SecurityGroups[0]",
    outputs={"name": "GroupName", "description": "Description", "ownerId": "OwnerId"},
    replace_on_change="vpcId",
    tag_after_create=True,
    create_parameters=_default_group,
    after_write=_no_rules,
    observed_inputs=_seen_rules,
)


def _permission(call: Call) -> Properties:
    inputs = call.inputs
    described = {"Description": inputs["description"]} if "description" in inputs else {}
    rule: Properties = {"IpProtocol": inputs["ipProtocol"]}
    for key, name in (("fromPort", "FromPort"), ("toPort", "ToPort")):
        if key in inputs:
            rule[name] = inputs[key]
    peers = {
        "cidrIpv4": ("IpRanges", "CidrIp"),
        "cidrIpv6": ("Ipv6Ranges", "CidrIpv6"),
        "prefixListId": ("PrefixListIds", "PrefixListId"),
        "referencedSecurityGroupId": ("UserIdGroupPairs", "GroupId"),
    }
    for key, (group, name) in peers.items():
        if key in inputs:
            rule[group] = [{name: inputs[key], **described}]
    return {"GroupId": inputs["securityGroupId"], "IpPermissions": [rule]}


_RULE = {
    "cidrIpv4": "CidrIpv4",
    "cidrIpv6": "CidrIpv6",
    "description": "Description",
    "fromPort": "FromPort",
    "ipProtocol": "IpProtocol",
    "prefixListId": "PrefixListId",
    "toPort": "ToPort",
}


def _changed_rule(call: Call) -> Properties:
    if not call.changed(*_RULE):
        return {}
    rule = {name: call.inputs[key] for key, name in _RULE.items() if key in call.inputs}
    listed = [{"SecurityGroupRuleId": call.id, "SecurityGroupRule": rule}]
    return {"GroupId": call.inputs["securityGroupId"], "SecurityGroupRules": listed}


def _seen_peer(_call: Call, found: Any) -> Properties:
    return (
        {"referencedSecurityGroupId": found["ReferencedGroupInfo"]["GroupId"]} if "ReferencedGroupInfo" in found else {}
    )


def _rule(direction: str) -> Kind:
    return Api(
        type=f"aws:vpc/securityGroup{direction}Rule:SecurityGroup{direction}Rule",
        service="ec2",
        ec2_type="security-group-rule",
        id_parameter="SecurityGroupRuleId",
        id_path="SecurityGroupRules[0].SecurityGroupRuleId",
        create=f"AuthorizeSecurityGroup{direction}",
        describe="DescribeSecurityGroupRules",
        object_path="SecurityGroupRules[0]",
        update="ModifySecurityGroupRules",
        delete=f"RevokeSecurityGroup{direction}",
        api_names={"securityGroupId": "GroupId"},
        outputs={"securityGroupRuleId": "SecurityGroupRuleId"},
        replace_on_change="referencedSecurityGroupId securityGroupId",  # the emulator's update doesn't take the former
        create_parameters=_permission,
        update_parameters=_changed_rule,
        delete_parameters=lambda call: {"GroupId": call.inputs["securityGroupId"]},
        observed_inputs=_seen_peer,
    ).kind()


KINDS = (
    VPC.kind(),
    SUBNET.kind(),
    SECURITY_GROUP.kind(),
    DEFAULT_SECURITY_GROUP.kind(),
    _rule("Ingress"),
    _rule("Egress"),
)
