"""What makes, changes and ends a stack's network and bastion.

EC2 gives ids and no names: what is a stack's has its tag. It gets the tag as it is made, but for a rule and for the
group that AWS puts into every VPC, which get it afterwards.
"""

from __future__ import annotations

from bootstrap.place import GETS_TAG, HAS_TAG, NAMED, NO_TAG, Place, Statement, allow

MADE = (
    "elastic-ip",
    "internet-gateway",
    "launch-template",
    "natgateway",
    "route-table",
    "security-group",
    "subnet",
    "vpc",
    "vpc-endpoint",
)
HOLDING = ("elastic-ip", "route-table", "security-group", "subnet", "vpc")
"""What others of a stack are made in."""
LAUNCHED = ("image", "instance", "launch-template", "network-interface", "security-group", "subnet", "volume")


def networking(place: Place) -> list[Statement]:
    """In `infra/network.py` and `infra/bastion.py`."""
    return [*_made(place), *_owned(place), *_tagged(place), *_bastion(place)]


def _made(place: Place) -> list[Statement]:
    inside = "CreateNatGateway CreateRouteTable CreateSubnet CreateVpcEndpoint"
    makes = f"AllocateAddress CreateInternetGateway CreateLaunchTemplate CreateSecurityGroup CreateVpc {inside}"
    return [
        allow("Makes", "ec2", makes, place.arn("ec2", *(f"{one}/*" for one in MADE)), GETS_TAG),
        allow("MakesInside", "ec2", inside, place.arn("ec2", *(f"{one}/*" for one in HOLDING)), HAS_TAG),
        # The VPC may be another's.
        allow("GroupsInside", "ec2", "CreateSecurityGroup", place.arn("ec2", "vpc/*")),
    ]


def _owned(place: Place) -> list[Statement]:
    authorize = "AuthorizeSecurityGroupEgress AuthorizeSecurityGroupIngress"
    return [
        allow(
            "Owns",
            "ec2",
            f"AssociateRouteTable AttachInternetGateway {authorize} CreateLaunchTemplateVersion CreateRoute "
            "DeleteInternetGateway DeleteLaunchTemplate DeleteNatGateway DeleteRoute DeleteRouteTable "
            "DeleteSecurityGroup DeleteSubnet DeleteTags DeleteVpc DeleteVpcEndpoints DetachInternetGateway "
            "DisassociateAddress DisassociateRouteTable ModifySecurityGroupRules ModifySubnetAttribute "
            "ModifyVpcAttribute ModifyVpcEndpoint ReleaseAddress ReplaceRoute "
            "ReplaceRouteTableAssociation RevokeSecurityGroupEgress RevokeSecurityGroupIngress",
            place.arn("ec2", "*/*"),
            HAS_TAG,
        ),
        allow("Rules", "ec2", authorize, place.arn("ec2", "security-group-rule/*")),
    ]


def _tagged(place: Place) -> list[Statement]:
    later = place.arn("ec2", "security-group/*", "security-group-rule/*")
    return [
        allow("TagsAtFirst", "ec2", "CreateTags", place.arn("ec2", "*/*"), {"Null": {"ec2:CreateAction": "false"}}),
        allow("TagsLater", "ec2", "CreateTags", place.arn("ec2", "*/*"), HAS_TAG),
        allow("TagsAfterwards", "ec2", "CreateTags", later, {**GETS_TAG, **NO_TAG}),
    ]


def _bastion(place: Place) -> list[Statement]:
    launched = [*place.arn("ec2", *(f"{one}/*" for one in LAUNCHED)), f"arn:aws:ec2:{place.region}::image/*"]
    image = f"arn:aws:ssm:{place.region}::parameter/aws/service/ami-amazon-linux-latest/*"
    return [
        allow(
            "Group",
            "autoscaling",
            "CreateAutoScalingGroup CreateOrUpdateTags DeleteAutoScalingGroup DeleteTags UpdateAutoScalingGroup",
            place.arn("autoscaling", f"autoScalingGroup:*:autoScalingGroupName/{NAMED}"),
        ),
        # Auto Scaling asks whether whoever makes a group may start what its template says, and which image is newest.
        allow(
            "Launch",
            "ec2",
            "RunInstances",
            launched,
            {"ArnLike": {"ec2:LaunchTemplate": place.arn("ec2", "launch-template/*")}},
        ),
        allow("Image", "ssm", "GetParameters", image),
    ]
