"""Who may look at stacks and who may take a rollout back, with the rights that cutover's calls need, and no more."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

GITHUB = "token.actions.githubusercontent.com"
Statement = dict[str, Any]


def _allow(sid: str, actions: Sequence[str], resource: str, **condition: Any) -> Statement:
    statement = {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": resource}
    return {**statement, "Condition": condition} if condition else statement


@dataclass(frozen=True, kw_only=True)
class Rights:
    """Statements about the stacks of an account and region, whose state is in `bucket`, under the key named `alias`.
    A stack's own names begin with web-next-, whichever it is."""

    account: str
    region: str
    bucket: str
    alias: str

    def _arn(self, service: str, what: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{what}"

    def to_look(self) -> list[Statement]:
        """A preview of a stack and `cutover status`: the state, what routes, what gates go by, what is written."""
        state, records = f"arn:aws:s3:::{self.bucket}", f"arn:aws:s3:::web-next-*-records-{self.account}"
        own_key = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": self.alias}}
        return [
            _allow("State", ["s3:GetObject"], f"{state}/*"),
            _allow("StateListing", ["s3:ListBucket"], state),
            _allow("StateKey", ["kms:Decrypt"], self._arn("kms", "key/*"), **own_key),
            # Looks at load balancers and at figures name none: AWS has no rights for one of them.
            _allow("Split", [f"elasticloadbalancing:Describe{what}" for what in ("Listeners", "Rules", "Tags")], "*"),
            _allow("Figures", ["cloudwatch:GetMetricData"], "*"),
            _allow("Records", ["s3:GetObject", "s3:GetObjectVersion"], f"{records}/*"),
            _allow("RecordsListing", ["s3:ListBucket", "s3:ListBucketVersions"], records),
        ]

    def to_flip(self) -> list[Statement]:
        """The share of the traffic, whether tasks are kept, the flags, the rollout's record, and the message to the
        channel."""
        in_vault = {
            "ForAnyValue:StringLike": {"kms:ResourceAliases": "alias/web-next-*"},
            "StringEquals": {"kms:ViaService": f"secretsmanager.{self.region}.amazonaws.com"},
        }
        return [
            _allow(
                "Share",
                ["elasticloadbalancing:AddTags", "elasticloadbalancing:ModifyListener"],
                self._arn("elasticloadbalancing", "listener/app/web-next-*"),
            ),
            _allow("Targets", ["application-autoscaling:DescribeScalableTargets"], "*"),
            _allow(
                "Keeping",
                ["application-autoscaling:RegisterScalableTarget"],
                self._arn("application-autoscaling", "scalable-target/*"),
                StringEquals={"application-autoscaling:service-namespace": "ecs"},
            ),
            # Whoever registers a service's target needs these of the service.
            _allow("Services", ["ecs:DescribeServices", "ecs:UpdateService"], self._arn("ecs", "service/web-next-*/*")),
            _allow("Flags", ["ssm:GetParameter", "ssm:PutParameter"], self._arn("ssm", "parameter/web-next-*/flags/*")),
            _allow("Record", ["s3:PutObject"], f"arn:aws:s3:::web-next-*-records-{self.account}/*"),
            _allow(
                "Channel",
                ["secretsmanager:GetSecretValue"],
                self._arn("secretsmanager", "secret:web-next-*/SLACK_WEBHOOK_URL-??????"),
            ),
            _allow("ChannelKey", ["kms:Decrypt"], self._arn("kms", "key/*"), **in_vault),
        ]


class Roles(pulumi.ComponentResource):
    """The role `web-next-preview`, which pull requests of one repository at GitHub take on, and `web-next-on-call`,
    which people of the account do whose own rights let them. `provider` is whether the account's identity provider for
    GitHub is made too: there is one at most."""

    arns: dict[str, pulumi.Output[str]]

    def __init__(
        self, name: str, rights: Rights, *, repository: str, provider: bool, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("web-next:security:Roles", name, None, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        made = [self._github()] if provider else []
        pull_requests = {
            "Effect": "Allow",
            "Principal": {"Federated": f"arn:aws:iam::{rights.account}:oidc-provider/{GITHUB}"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {
                    f"{GITHUB}:aud": "sts.amazonaws.com",
                    f"{GITHUB}:sub": f"repo:{repository}:pull_request",
                }
            },
        }
        people = {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{rights.account}:root"},
            "Action": "sts:AssumeRole",
        }
        after_github = pulumi.ResourceOptions(parent=self, depends_on=made)
        self.arns = {
            "preview": self._role("preview", pull_requests, rights.to_look(), after_github),
            "on-call": self._role("on-call", people, [*rights.to_look(), *rights.to_flip()], self._child),
        }
        self.register_outputs({})

    def _github(self) -> aws.iam.OpenIdConnectProvider:
        return aws.iam.OpenIdConnectProvider(
            "github", url=f"https://{GITHUB}", client_id_lists=["sts.amazonaws.com"], opts=self._child
        )

    def _role(
        self, name: str, trust: Statement, statements: list[Statement], opts: pulumi.ResourceOptions
    ) -> pulumi.Output[str]:
        role = aws.iam.Role(name, name=f"web-next-{name}", assume_role_policy=_document([trust]), opts=opts)
        aws.iam.RolePolicy(name, name=f"web-next-{name}", role=role.id, policy=_document(statements), opts=self._child)
        return role.arn


def _document(statements: list[Statement]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
