"""What watches a rollout on AWS may do: what a tick's calls ask for, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from infra.naming import Names
from infra.vault import CHANNEL

Statement = dict[str, Any]
RECORD, JOURNAL = "rollout.json", "journal.json"
"""As `cutover.rollout.record` and `journal` have them."""


def watch_permissions(names: Names) -> list[Statement]:
    """The statements of what ticks: the rollout's record and journal, the share of the traffic, the flags, what
    tasks there are, what the gates see, and the message to the channel."""
    here = f"{names.region}:{names.account}"
    records = f"arn:aws:s3:::{names.bucket('records')}"
    parameters = names.flags_parameters.output().values()
    in_vault = {
        "ForAnyValue:StringEquals": {"kms:ResourceAliases": names.key_alias},
        "StringEquals": {"kms:ViaService": f"secretsmanager.{names.region}.amazonaws.com"},
    }
    return [
        _allow("Record", ["s3:GetObject", "s3:PutObject"], [f"{records}/{each}" for each in (RECORD, JOURNAL)]),
        # Only whoever may list is told that there is no record yet; others are refused.
        _allow("Listing", ["s3:ListBucket"], records),
        # Looks at load balancers name none: AWS has no rights for one of them.
        _allow("Split", [f"elasticloadbalancing:Describe{what}" for what in ("Listeners", "Rules", "Tags")], "*"),
        _allow(
            "Share",
            ["elasticloadbalancing:AddTags", "elasticloadbalancing:ModifyListener"],
            f"arn:aws:elasticloadbalancing:{here}:listener/app/{names.balancer}/*",
        ),
        _allow(
            "Flags",
            ["ssm:GetParameter", "ssm:PutParameter"],
            [f"arn:aws:ssm:{here}:parameter{parameter}" for parameter in parameters],
        ),
        _allow("Targets", ["application-autoscaling:DescribeScalableTargets"], "*"),
        # Their ARNs end with ids that are AWS' own.
        _allow(
            "Keeping",
            ["application-autoscaling:RegisterScalableTarget"],
            f"arn:aws:application-autoscaling:{here}:scalable-target/*",
            StringEquals={"application-autoscaling:service-namespace": "ecs"},
        ),
        # Stable's tasks follow the candidate's; and whoever registers a service's target needs these of the service.
        _allow(
            "Services",
            ["ecs:DescribeServices", "ecs:UpdateService"],
            [f"arn:aws:ecs:{here}:service/{names.prefix}/{track}" for track in ("stable", "candidate")],
        ),
        # Metrics cannot be named either.
        _allow("Gates", ["cloudwatch:GetMetricData"], "*"),
        _allow("Channel", ["secretsmanager:GetSecretValue"], names.secret_arns(CHANNEL)),
        _allow("Key", ["kms:Decrypt"], f"arn:aws:kms:{here}:key/*", **in_vault),
    ]


def schedule_permissions(names: Names, family: str, cluster: str, roles: Sequence[str]) -> list[Statement]:
    """The statements of what starts a tick: a task of one family in one cluster, with these roles and no others."""
    here = f"{names.region}:{names.account}"
    return [
        _allow(
            "Run",
            ["ecs:RunTask"],
            f"arn:aws:ecs:{here}:task-definition/{family}:*",
            ArnEquals={"ecs:cluster": f"arn:aws:ecs:{here}:cluster/{cluster}"},
        ),
        _allow(
            "Roles",
            ["iam:PassRole"],
            [f"arn:aws:iam::{names.account}:role/{role}" for role in roles],
            StringEquals={"iam:PassedToService": "ecs-tasks.amazonaws.com"},
        ),
    ]


def _allow(sid: str, actions: Sequence[str], resource: str | Sequence[str], **condition: Any) -> Statement:
    statement = {"Sid": sid, "Effect": "Allow", "Action": list(actions), "Resource": resource}
    return {**statement, "Condition": condition} if condition else statement
