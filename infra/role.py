"""The role the app runs as, and all it may do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.evidence import APP_ACTIONS, PREFIX, SPOOL
from infra.naming import Names
from infra.settings.keys import Settings
from infra.vault import APP_SECRETS


def permissions(names: Names, entries: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The app's statements: its objects, its secrets, its flags, and the key that its secrets are under. `entries` are
    the vault's that the settings ask for."""
    bucket = f"arn:aws:s3:::{names.bucket('evidence')}"
    own = [f"{PREFIX}*", f"{SPOOL}*"]
    return [
        {
            "Sid": "Objects",
            "Effect": "Allow",
            "Action": list(APP_ACTIONS),
            "Resource": [f"{bucket}/{pattern}" for pattern in own],
        },
        {
            "Sid": "Listing",
            "Effect": "Allow",
            "Action": ["s3:ListBucket"],
            "Resource": bucket,
            # IfExists: that an object is not there S3 tells only whoever may list, and asked for one it has no prefix.
            "Condition": {"StringLikeIfExists": {"s3:prefix": own}},
        },
        {
            "Sid": "Secrets",
            "Effect": "Allow",
            "Action": ["secretsmanager:GetSecretValue"],
            "Resource": [names.secret_arns(secret) for secret in (*APP_SECRETS, *entries)],
        },
        {
            "Sid": "Flags",
            "Effect": "Allow",
            "Action": ["ssm:GetParameter"],
            # Both tracks' apps run as this role.
            "Resource": [
                f"arn:aws:ssm:{names.region}:{names.account}:parameter{parameter}"
                for parameter in names.flags_parameters.output().values()
            ],
        },
        {
            "Sid": "Key",
            "Effect": "Allow",
            "Action": ["kms:Decrypt"],
            "Resource": f"arn:aws:kms:{names.region}:{names.account}:key/*",
            "Condition": {
                # By its alias: the key's own ARN is not known when a change is reviewed.
                "ForAnyValue:StringEquals": {"kms:ResourceAliases": names.key_alias},
                # It encrypts the database and the queues too, which are not the app's to decrypt.
                "StringEquals": {"kms:ViaService": f"secretsmanager.{names.region}.amazonaws.com"},
            },
        },
    ]


def trust(runtime: str, account: str) -> dict[str, Any]:
    """Who takes the role on: the account's own ECS tasks on AWS; on docker the account, by way of instance metadata."""
    principal: dict[str, Any] = {"Principal": {"AWS": f"arn:aws:iam::{account}:root"}}
    if runtime == "fargate":
        own = {"StringEquals": {"aws:SourceAccount": account}}
        principal = {"Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Condition": own}
    return {"Effect": "Allow", "Action": "sts:AssumeRole", **principal}


@dataclass(frozen=True, kw_only=True)
class AppRoleArgs:
    """`runtime` decides who takes the role on, `entries` are the vault's that the settings ask for."""

    names: Names
    runtime: str
    entries: Sequence[str]

    @classmethod
    def of(cls, settings: Settings, names: Names) -> AppRoleArgs:
        return cls(names=names, runtime=settings.runtime, entries=settings.vault_entries)


class AppRole(pulumi.ComponentResource):
    """The role and its one inline policy."""

    role: aws.iam.Role

    def __init__(self, name: str, args: AppRoleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:security:AppRole", name, None, opts)
        self.role = aws.iam.Role(
            name,
            name=args.names.app_role,
            assume_role_policy=json.dumps(
                {"Version": "2012-10-17", "Statement": [trust(args.runtime, args.names.account)]}
            ),
            permissions_boundary=args.names.boundary_arn if args.runtime == "fargate" else None,
            opts=pulumi.ResourceOptions(parent=self),
        )

        aws.iam.RolePolicy(
            name,
            name=args.names.app_role,
            role=self.role.id,
            policy=json.dumps({"Version": "2012-10-17", "Statement": permissions(args.names, args.entries)}),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({"arn": self.role.arn})
