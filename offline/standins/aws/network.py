"""ec2: the network that the databases and the service stand in."""

from __future__ import annotations

from offline.standins.aws.api import Api
from offline.standins.kind import Call, Kind, Properties, StandinError


def _vpc_dns(call: Call) -> None:
    for key, name in (("enableDnsSupport", "EnableDnsSupport"), ("enableDnsHostnames", "EnableDnsHostnames")):
        if call.changed(key):
            value = {"Value": call.inputs.get(key, key == "enableDnsSupport")}
            call.cloud.call("ec2", "ModifyVpcAttribute", VpcId=call.id, **{name: value})


VPC = Api(
    type="aws:ec2/vpc:Vpc",
    service="ec2",
    ec2="vpc",
    by="VpcId",
    id="Vpc.VpcId",
    create="CreateVpc",
    describe="DescribeVpcs",
    at="Vpcs[0]",
    delete="DeleteVpc",
    outputs={"ownerId": "OwnerId"},
    replace="cidrBlock instanceTenancy",
    aside="enableDnsSupport enableDnsHostnames",
    after=_vpc_dns,
)


def _public_addresses(call: Call) -> None:
    if call.changed("mapPublicIpOnLaunch"):
        value = {"Value": call.inputs.get("mapPublicIpOnLaunch", False)}
        call.cloud.call("ec2", "ModifySubnetAttribute", SubnetId=call.id, MapPublicIpOnLaunch=value)


SUBNET = Api(
    type="aws:ec2/subnet:Subnet",
    service="ec2",
    ec2="subnet",
    by="SubnetId",
    id="Subnet.SubnetId",
    create="CreateSubnet",
    describe="DescribeSubnets",
    at="Subnets[0]",
    delete="DeleteSubnet",
    outputs={"ownerId": "OwnerId"},
    replace="cidrBlock vpcId availabilityZone availabilityZoneId",
    after=_public_addresses,
)


def _no_inline_rules(call: Call) -> Properties:
    if inline := [key for key in ("ingress", "egress") if key in call.inputs]:
        raise StandinError(
            f"security group sets {' and '.join(inline)}; the stand-in applies rules that are resources only: "
            "declare SecurityGroupIngressRule and SecurityGroupEgressRule"
        )
    return {}


def _no_default_egress(call: Call) -> None:
    """A new group allows all egress; the official provider takes that away, so this one does."""
    if call.old:
        return
    groups = call.cloud.call("ec2", "DescribeSecurityGroups", GroupIds=[call.id])["SecurityGroups"]
    if rules := groups[0].get("IpPermissionsEgress"):
        call.cloud.call("ec2", "RevokeSecurityGroupEgress", GroupId=call.id, IpPermissions=rules)


SECURITY_GROUP = Api(
    type="aws:ec2/securityGroup:SecurityGroup",
    service="ec2",
    ec2="security-group",
    by="GroupId",
    id="GroupId",
    create="CreateSecurityGroup",
    describe="DescribeSecurityGroups",
    at="SecurityGroups[0]",
    delete="DeleteSecurityGroup",
    name="name",
    rename={"name": "GroupName"},
    outputs={"ownerId": "OwnerId"},
    replace="description vpcId",
    defaults={"Description": "Managed by Pulumi"},
    on_create=_no_inline_rules,
    after=_no_default_egress,
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


def _rule(direction: str) -> Kind:
    return Api(
        type=f"aws:vpc/securityGroup{direction}Rule:SecurityGroup{direction}Rule",
        service="ec2",
        ec2="security-group-rule",
        by="SecurityGroupRuleId",
        id="SecurityGroupRules[0].SecurityGroupRuleId",
        create=f"AuthorizeSecurityGroup{direction}",
        describe="DescribeSecurityGroupRules",
        at="SecurityGroupRules[0]",
        delete=f"RevokeSecurityGroup{direction}",
        rename={"securityGroupId": "GroupId"},
        outputs={"securityGroupRuleId": "SecurityGroupRuleId"},
        replace="cidrIpv4 cidrIpv6 description fromPort ipProtocol prefixListId referencedSecurityGroupId "
        "securityGroupId toPort",
        on_create=_permission,
        on_delete=lambda call: {"GroupId": call.inputs["securityGroupId"]},
    ).kind()


KINDS = (VPC.kind(), SUBNET.kind(), SECURITY_GROUP.kind(), _rule("Ingress"), _rule("Egress"))
