"""The role the app runs as, and all it may do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.evidence import PREFIX
from infra.naming import Names

SECRETS = ("AUDIT_DB_URL",)
"""The vault entries that the app reads at run time."""


def permissions(names: Names, evidence_bucket: str) -> list[dict[str, Any]]:
    """The app's statements: its objects, its secrets, its flags. The key's statement needs the key's ARN."""
    return [
        {
            "Sid": "Evidence",
            "Effect": "Allow",
            "Action": ["s3:PutObject", "s3:GetObject"],
            "Resource": f"arn:aws:s3:::{evidence_bucket}/{PREFIX}*",
        },
        {
            "Sid": "Secrets",
            "Effect": "Allow",
            "Action": ["secretsmanager:GetSecretValue"],
            "Resource": [names.secret_arns(secret) for secret in SECRETS],
        },
        {
            "Sid": "Flags",
            "Effect": "Allow",
            "Action": ["ssm:GetParameter"],
            "Resource": f"arn:aws:ssm:{names.region}:{names.account}:parameter{names.flags_parameter}",
        },
    ]


@dataclass(frozen=True, kw_only=True)
class AppRoleArgs:
    """`trusted` are the principals of the trust policy; `key_arn` is the key the app's secrets are under."""

    names: Names
    trusted: dict[str, str]
    statements: Sequence[dict[str, Any]]
    key_arn: pulumi.Input[str]


class AppRole(pulumi.ComponentResource):
    """The role and its one inline policy."""

    role: aws.iam.Role

    def __init__(self, name: str, args: AppRoleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:security:AppRole", name, None, opts)
        trust = {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Principal": args.trusted, "Action": "sts:AssumeRole"}],
        }
        self.role = aws.iam.Role(
            name,
            name=args.names.app_role,
            assume_role_policy=json.dumps(trust),
            opts=pulumi.ResourceOptions(parent=self),
        )

        def document(key_arn: str) -> str:
            decrypt = {"Sid": "Key", "Effect": "Allow", "Action": ["kms:Decrypt"], "Resource": key_arn}
            return json.dumps({"Version": "2012-10-17", "Statement": [*args.statements, decrypt]})

        aws.iam.RolePolicy(
            name,
            role=self.role.id,
            policy=pulumi.Output.from_input(args.key_arn).apply(document),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({"arn": self.role.arn})
