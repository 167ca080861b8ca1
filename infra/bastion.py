"""The way to a private database for whoever deploys from outside: a machine that only Session Manager reaches."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.naming import Names
from infra.network import POSTGRES, Network

IMAGE = "resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
"""Amazon Linux 2023, which comes with the Session Manager agent; AWS resolves the newest at launch."""
DAYS = 14
"""How old an instance gets before a new one of the newest image takes its place; AWS has a new image as often."""


@dataclass(frozen=True, kw_only=True)
class BastionArgs:
    """`name` is the group's and its role's, which has the `boundary`; `network` is the one that holds the database."""

    name: str
    boundary: str
    network: Network

    @classmethod
    def of(cls, names: Names, network: Network) -> BastionArgs:
        return cls(name=f"{names.prefix}-bastion", boundary=names.boundary_arn, network=network)


class Bastion(pulumi.ComponentResource):
    """An Auto Scaling group of one small instance in an app subnet: no key, no open port, no address of its own. It
    goes out to Session Manager and to the database, and nowhere else inside. Every two weeks, and when its zone fails,
    another instance takes its place."""

    group: aws.autoscaling.Group

    def __init__(self, name: str, args: BastionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:network:Bastion", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        group = args.network.group("bastion", "web-next: port forwarding to the audit database")
        args.network.allow("bastion", group, "database", args.network.database, POSTGRES)
        args.network.allow_https("bastion", group)
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
            ],
        }
        role = aws.iam.Role(
            name,
            name=args.name,
            assume_role_policy=json.dumps(trust),
            permissions_boundary=args.boundary,
            opts=child,
        )
        rights = aws.iam.RolePolicyAttachment(
            name,
            role=role.name,
            policy_arn="arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore",
            opts=child,
        )
        profile = aws.iam.InstanceProfile(name, name=args.name, role=role.name, opts=child)
        template = aws.ec2.LaunchTemplate(
            name,
            name=args.name,
            image_id=IMAGE,
            instance_type="t4g.nano",
            iam_instance_profile=aws.ec2.LaunchTemplateIamInstanceProfileArgs(arn=profile.arn),
            # EC2 refuses an interface's address beside a group of the whole instance. The group of one adds the subnet.
            network_interfaces=[
                aws.ec2.LaunchTemplateNetworkInterfaceArgs(
                    device_index=0,
                    security_groups=[group.id],
                    associate_public_ip_address="false",
                    delete_on_termination="true",
                )
            ],
            metadata_options=aws.ec2.LaunchTemplateMetadataOptionsArgs(http_tokens="required", http_endpoint="enabled"),
            block_device_mappings=[
                aws.ec2.LaunchTemplateBlockDeviceMappingArgs(
                    device_name="/dev/xvda",
                    ebs=aws.ec2.LaunchTemplateBlockDeviceMappingEbsArgs(encrypted="true", delete_on_termination="true"),
                )
            ],
            opts=child,
        )
        self.group = aws.autoscaling.Group(
            name,
            name=args.name,
            # A changed template counts from the next instance on: a refresh would end the tunnel of the very update.
            launch_template=aws.autoscaling.GroupLaunchTemplateArgs(id=template.id, version="$Latest"),
            vpc_zone_identifiers=args.network.subnet_ids["app"],
            min_size=1,
            max_size=1,
            max_instance_lifetime=DAYS * 24 * 3600,
            # The new instance is there before the old one goes.
            instance_maintenance_policy=aws.autoscaling.GroupInstanceMaintenancePolicyArgs(
                min_healthy_percentage=100, max_healthy_percentage=200
            ),
            tags=[aws.autoscaling.GroupTagArgs(key="Name", value=args.name, propagate_at_launch=True)],
            opts=pulumi.ResourceOptions(parent=self, depends_on=[rights]),
        )
        self.register_outputs({"group": self.group.name})
