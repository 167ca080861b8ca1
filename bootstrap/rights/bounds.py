"""What nobody who deploys may, whatever is allowed elsewhere; and the most that a role of a stack can do."""

from __future__ import annotations

from collections.abc import Sequence

from bootstrap.place import NAMED, Place, Statement, allow, deny

CHANGES = "Add Attach Create Delete Detach Pass Put Remove Set Tag Untag Update"
"""How the names of IAM's actions that change something begin, and of the one that gives a role away."""


def bounds(place: Place, own: Sequence[str]) -> list[Statement]:
    """Against whoever deploys: the account's `own` roles, made here, their rights, and the state's key. Their names and
    tag are those of a stack's, and with any of them it could make itself an administrator."""
    changes = " ".join(f"{one}*" for one in CHANGES.split())
    guarded = place.iam(*(f"role/{role}" for role in own), f"policy/{NAMED}", "oidc-provider/*")
    state = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": place.alias}}
    return [
        deny("OwnRoles", "iam", changes, guarded),
        deny(
            "StateKey",
            "kms",
            "DisableKeyRotation PutKeyPolicy ScheduleKeyDeletion TagResource UntagResource UpdateKeyDescription",
            place.arn("kms", "key/*"),
            state,
        ),
        deny("StateAlias", "kms", "CreateAlias DeleteAlias UpdateAlias", place.arn("kms", place.alias)),
    ]


def boundary(place: Place) -> list[Statement]:
    """The most that any role of a stack can do: what the app, the tasks' starter, the bastion, the watch and its
    schedule are given, for every stack. A role has what its own policy and this one allow both."""
    flags = place.arn("ssm", f"parameter/{NAMED}/flags/*")
    roles = place.iam(f"role/{NAMED}-watch", f"role/{NAMED}-execution")
    tasks = place.arn("ecs", f"task-definition/{NAMED}-watch:*")
    return [
        allow("Objects", "s3", "DeleteObject GetObject PutObject", place.buckets("evidence", "records", inside="/*")),
        allow("Listing", "s3", "ListBucket", place.buckets("evidence", "records")),
        allow("Secrets", "secretsmanager", "GetSecretValue", place.arn("secretsmanager", f"secret:{NAMED}")),
        allow("Key", "kms", "Decrypt", place.arn("kms", "key/*"), place.entries_by_alias),
        allow("Flags", "ssm", "GetParameter PutParameter", flags),
        allow("Login", "ecr", "GetAuthorizationToken", "*"),
        # Images may be of another account's registry.
        allow(
            "Images",
            "ecr",
            "BatchCheckLayerAvailability BatchGetImage GetDownloadUrlForLayer",
            "arn:aws:ecr:*:*:repository/*",
        ),
        allow("Logs", "logs", "CreateLogStream PutLogEvents", place.arn("logs", f"log-group:/ecs/{NAMED}")),
        allow(
            "Session",
            "ssmmessages",
            "CreateControlChannel CreateDataChannel OpenControlChannel OpenDataChannel",
            "*",
        ),
        allow("Agent", "ssm", "UpdateInstanceInformation", "*"),
        allow("Split", "elasticloadbalancing", "DescribeListeners DescribeRules DescribeTags", "*"),
        allow(
            "Share",
            "elasticloadbalancing",
            "AddTags ModifyListener",
            place.arn("elasticloadbalancing", f"listener/app/{NAMED}"),
        ),
        allow("Targets", "application-autoscaling", "DescribeScalableTargets", "*"),
        allow(
            "Keeping",
            "application-autoscaling",
            "RegisterScalableTarget",
            place.arn("application-autoscaling", "scalable-target/*"),
        ),
        allow("Services", "ecs", "DescribeServices UpdateService", place.arn("ecs", f"service/{NAMED}/*")),
        allow("Gates", "cloudwatch", "GetMetricData", "*"),
        allow("Run", "ecs", "RunTask", tasks),
        allow("Roles", "iam", "PassRole", roles, {"StringEquals": {"iam:PassedToService": "ecs-tasks.amazonaws.com"}}),
    ]
