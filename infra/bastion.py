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


@dataclass(frozen=True, kw_only=True)
class BastionArgs:
    """`name` is the instance's and its role's; `network` is the one that holds the database."""

    name: str
    network: Network

    @classmethod
    def of(cls, names: Names, network: Network) -> BastionArgs:
        return cls(name=f"{names.prefix}-bastion", network=network)


class Bastion(pulumi.ComponentResource):
    """One small instance in an app subnet: no key, no open port, no address of its own. It goes out to Session
    Manager and to the database, and nowhere else inside."""

    instance: aws.ec2.Instance

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
        role = aws.iam.Role(name, name=args.name, assume_role_policy=json.dumps(trust), opts=child)
        aws.iam.RolePolicyAttachment(
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
            vpc_security_group_ids=[group.id],
            metadata_options=aws.ec2.LaunchTemplateMetadataOptionsArgs(http_tokens="required", http_endpoint="enabled"),
            block_device_mappings=[
                aws.ec2.LaunchTemplateBlockDeviceMappingArgs(
                    device_name="/dev/xvda",
                    ebs=aws.ec2.LaunchTemplateBlockDeviceMappingEbsArgs(encrypted="true", delete_on_termination="true"),
                )
            ],
            opts=child,
        )
        self.instance = aws.ec2.Instance(
            name,
            launch_template=aws.ec2.InstanceLaunchTemplateArgs(id=template.id, version="$Latest"),
            subnet_id=args.network.subnet_ids["app"][0],
            associate_public_ip_address=False,
            tags={"Name": args.name},
            opts=child,
        )
        self.register_outputs({"instance": self.instance.id})
