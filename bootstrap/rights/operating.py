"""What cutover's own calls ask for: to look, to flip the share, to sign, to push images, to bring a stack up and smoke
it."""

from __future__ import annotations

from bootstrap.place import NAMED, Place, Statement, allow

DOCUMENT = "AWS-StartPortForwardingSessionToRemoteHost"
"""What the tunnel is made by, as `cutover.schema.tunnel` has it; AWS' own, in no account."""
OWN_SESSION = {"StringLike": {"ssm:resourceTag/aws:ssmmessages:session-id": "${aws:userid}"}}
"""After "Sample IAM policies for Session Manager": whoever has begun a session ends it."""


def looking(place: Place) -> list[Statement]:
    """A preview of a stack and `cutover status`: the state, what routes, what gates go by, what is written."""
    return [
        *state(place),
        # Looks at load balancers and at figures name none: AWS has no rights for one of them.
        allow("Split", "elasticloadbalancing", "DescribeListeners DescribeRules DescribeTags", "*"),
        allow("Figures", "cloudwatch", "GetMetricData", "*"),
        allow("Records", "s3", "GetObject GetObjectVersion", place.buckets("records", inside="/*")),
        allow("RecordsListing", "s3", "ListBucket ListBucketVersions", place.buckets("records")),
    ]


def state(place: Place) -> list[Statement]:
    """The stacks' state, read, and the secrets in it."""
    return [
        allow("State", "s3", "GetObject", f"{place.state}/*"),
        allow("StateListing", "s3", "ListBucket", place.state),
        allow("StateKey", "kms", "Decrypt", place.arn("kms", "key/*"), _state_key(place)),
    ]


def _state_key(place: Place) -> Statement:
    return {"ForAnyValue:StringEquals": {"kms:ResourceAliases": place.alias}}


def flipping(place: Place) -> list[Statement]:
    """The share of the traffic, whether tasks are kept, the flags, the rollout's record, what is left of one that has
    ended, and the message to the channel."""
    of_services = {"StringEquals": {"application-autoscaling:service-namespace": "ecs"}}
    listeners = place.arn("elasticloadbalancing", f"listener/app/{NAMED}")
    return [
        allow("Share", "elasticloadbalancing", "AddTags ModifyListener", listeners),
        allow("Targets", "application-autoscaling", "DescribeScalableTargets", "*"),
        allow(
            "Keeping",
            "application-autoscaling",
            "RegisterScalableTarget",
            place.arn("application-autoscaling", "scalable-target/*"),
            of_services,
        ),
        # Whoever registers a service's target needs these of the service.
        allow("Services", "ecs", "DescribeServices UpdateService", place.arn("ecs", f"service/{NAMED}/*")),
        allow("Flags", "ssm", "GetParameter PutParameter", place.arn("ssm", f"parameter/{NAMED}/flags/*")),
        allow(
            "Record",
            "s3",
            "PutObject",
            [
                each
                for key in ("rollout.json", "journal.json", "rollouts/*")
                for each in place.buckets("records", inside=f"/{key}")
            ],
        ),
        allow(
            "Channel",
            "secretsmanager",
            "GetSecretValue",
            place.arn("secretsmanager", f"secret:{NAMED}/SLACK_WEBHOOK_URL-??????"),
        ),
        allow("ChannelKey", "kms", "Decrypt", place.arn("kms", "key/*"), place.entries_by_alias),
    ]


def signing(place: Place) -> list[Statement]:
    """`cutover approve` of a pack that is in the bucket."""
    return [allow("Approvals", "s3", "PutObject", place.buckets("records", inside="/approvals/*"))]


def pushing(place: Place) -> list[Statement]:
    """`cutover image push`, and what a scan has found of what it pushed."""
    return [
        allow("Login", "ecr", "GetAuthorizationToken", "*"),
        allow(
            "Images",
            "ecr",
            "BatchCheckLayerAvailability BatchGetImage CompleteLayerUpload DescribeImageScanFindings "
            "GetDownloadUrlForLayer InitiateLayerUpload PutImage UploadLayerPart",
            place.arn("ecr", f"repository/{NAMED}"),
        ),
    ]


def bringing_up(place: Place) -> list[Statement]:
    """What `up`, the smoke suite, a rollout's verbs, `preflight`, `dns` and `drill restore` ask for beside what the
    providers read and write."""
    return [
        *state(place),
        # The copy of bootstrap's own state lies beside these, and is not its to write.
        allow("StateWriting", "s3", "DeleteObject PutObject", f"{place.state}/.pulumi/*"),
        allow("StateVersions", "s3", "GetBucketVersioning", place.state),
        allow("StateSecrets", "kms", "Encrypt", place.arn("kms", "key/*"), _state_key(place)),
        allow("Evidence", "s3", "GetObject", place.buckets("evidence", inside="/*")),
        allow("Versions", "s3", "GetObjectVersion", place.buckets("records", inside="/*")),
        allow("VersionsListing", "s3", "ListBucketVersions", place.buckets("records")),
        allow("Figures", "cloudwatch", "GetMetricData", "*"),
        # Tasks are listed by their service, which is no resource to AWS here.
        allow("TasksListing", "ecs", "ListTasks", "*"),
        allow("Tasks", "ecs", "DescribeTasks", place.arn("ecs", f"task/{NAMED}/*")),
        allow("Health", "elasticloadbalancing", "DescribeTargetHealth", "*"),
        allow("Confirmed", "sns", "ListSubscriptionsByTopic", place.arn("sns", NAMED)),
        allow("Pushed", "ecr", "BatchGetImage", place.arn("ecr", f"repository/{NAMED}")),
        allow(
            "Drill",
            "rds",
            "RestoreDBInstanceToPointInTime",
            place.arn("rds", *(f"{one}:{NAMED}" for one in ("db", "pg", "subgrp")), "og:default:*", "auto-backup:*"),
        ),
    ]


def tunnelling(place: Place) -> list[Statement]:
    """A port forwarded to the database by way of a bastion, and no shell there."""
    return [
        allow("Forwarding", "ssm", "StartSession", f"arn:aws:ssm:{place.region}::document/{DOCUMENT}"),
        allow(
            "Bastion",
            "ssm",
            "StartSession",
            place.arn("ec2", "instance/*"),
            {
                "StringLike": {"ssm:resourceTag/Name": f"{NAMED}-bastion"},
                # Without it a session that names no document is a shell.
                "BoolIfExists": {"ssm:SessionDocumentAccessCheck": "true"},
            },
        ),
        allow("OwnSession", "ssm", "TerminateSession", place.arn("ssm", "session/*"), OWN_SESSION),
    ]
