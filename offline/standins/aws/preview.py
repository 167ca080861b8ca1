"""Types that the emulator has no use for: they can be previewed, and nothing else."""

from __future__ import annotations

from offline.standins.kind import Kind


def _kind(type_: str, outputs: str, *, name: str = "", replace: str = "", tags: bool = True) -> Kind:
    computed = (*outputs.split(), *(("tagsAll",) if tags else ()))
    return Kind(type=type_, outputs=computed, name=name, replace=(*replace.split(), *name.split()), tags=tags)


KINDS = (
    _kind("aws:ec2/internetGateway:InternetGateway", "arn ownerId"),
    _kind("aws:ec2/eip:Eip", "arn allocationId publicIp"),
    _kind("aws:ec2/natGateway:NatGateway", "associationId networkInterfaceId publicIp", replace="subnetId"),
    _kind("aws:ec2/routeTable:RouteTable", "arn ownerId", replace="vpcId"),
    _kind("aws:ec2/route:Route", "origin state", replace="routeTableId destinationCidrBlock", tags=False),
    _kind("aws:ec2/routeTableAssociation:RouteTableAssociation", "", tags=False),
    _kind("aws:ec2/vpcEndpoint:VpcEndpoint", "arn dnsEntries state", replace="vpcId serviceName"),
    _kind("aws:ecs/cluster:Cluster", "arn", name="name"),
    _kind(
        "aws:ecs/taskDefinition:TaskDefinition",
        "arn arnWithoutRevision revision",
        replace="containerDefinitions",
    ),
    _kind("aws:ecs/service:Service", "arn", name="name", replace="cluster"),
    _kind("aws:iam/policy:Policy", "arn policyId", name="name"),
    _kind("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "", replace="role policyArn", tags=False),
    _kind(
        "aws:lb/loadBalancer:LoadBalancer",
        "arn arnSuffix dnsName vpcId zoneId",
        name="name",
        replace="internal",
    ),
    _kind(
        "aws:lb/targetGroup:TargetGroup",
        "arn arnSuffix",
        name="name",
        replace="port protocol vpcId targetType",
    ),
    _kind("aws:lb/listener:Listener", "arn", replace="loadBalancerArn"),
    _kind("aws:lb/listenerRule:ListenerRule", "arn", replace="listenerArn"),
)
