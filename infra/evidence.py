"""The evidence bucket: what the app uploads and spools, and what empties it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.bucket import SecureBucket, SecureBucketArgs, Statement
from infra.naming import Names
from infra.settings.keys import Settings

PREFIX = "evidence/"
SPOOL = "spool/"
"""Where audit entries wait for a database that is away: the app deletes each when it has got through."""
APP_ACTIONS = ("s3:PutObject", "s3:GetObject", "s3:DeleteObject")
"""What the app may do with its objects, and nobody else but the operators."""
VERSION_ACTIONS = ("s3:GetObjectVersion", "s3:DeleteObjectVersion")
"""What reads and removes an object by its version. The app has no use for it, and nobody may but the operators."""


def upload_statement(bucket: str, app_role_arn: str) -> Statement:
    """Sid EvidenceUpload, the playbook's, bound to the app's prefixes: put and get for the app's role only."""
    return {
        "Sid": "EvidenceUpload",
        "Effect": "Allow",
        "Principal": {"AWS": app_role_arn},
        "Action": ["s3:PutObject", "s3:GetObject"],
        "Resource": [f"arn:aws:s3:::{bucket}/{prefix}*" for prefix in (PREFIX, SPOOL)],
    }


def others_statement(bucket: str, role_arns: Sequence[str]) -> Statement:
    """Makes EvidenceUpload's "only" true: within an account an Allow to one role excludes nobody, nor from versions."""
    return {
        "Sid": "NobodyElse",
        "Effect": "Deny",
        "Principal": "*",
        "Action": [*APP_ACTIONS, *VERSION_ACTIONS],
        "Resource": f"arn:aws:s3:::{bucket}/*",
        "Condition": {"ArnNotEquals": {"aws:PrincipalArn": list(role_arns)}},
    }


@dataclass(frozen=True, kw_only=True)
class EvidenceArgs:
    """`retention_days` counts from upload (playbook: 30); `origin` is the console's, for uploads by the page.

    `operator_role_arns` may put and get too: whoever deploys and who is on call.
    """

    bucket: str
    app_role_arn: str
    operator_role_arns: Sequence[str]
    retention_days: int
    origin: str
    keep: bool

    @classmethod
    def of(cls, settings: Settings, names: Names) -> EvidenceArgs:
        return cls(
            bucket=names.bucket("evidence"),
            app_role_arn=names.app_role_arn,
            operator_role_arns=settings.operators,
            retention_days=settings.retention_days,
            origin=settings.origin,
            keep=settings.keeps("evidence"),
        )


class Evidence(pulumi.ComponentResource):
    """The bucket, the rule evidence-retention-30d that really empties it, the spool's, and CORS for the console."""

    bucket: SecureBucket

    def __init__(self, name: str, args: EvidenceArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:storage:Evidence", name, None, opts)
        self.bucket = SecureBucket(
            name,
            SecureBucketArgs(
                name=args.bucket,
                keep=args.keep,
                statements=[
                    upload_statement(args.bucket, args.app_role_arn),
                    others_statement(args.bucket, [args.app_role_arn, *args.operator_role_arns]),
                ],
            ),
            pulumi.ResourceOptions(parent=self),
        )
        after_versioning = pulumi.ResourceOptions(parent=self, protect=args.keep, depends_on=[self.bucket.versioning])
        aws.s3.BucketLifecycleConfiguration(
            name,
            bucket=self.bucket.bucket.bucket,
            rules=[
                aws.s3.BucketLifecycleConfigurationRuleArgs(
                    id="evidence-retention-30d",
                    status="Enabled",
                    filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=PREFIX),
                    # On a versioned bucket an expiration only writes a delete marker: the versions behind it
                    # and unfinished uploads must expire too, or nothing is ever freed.
                    expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=args.retention_days),
                    noncurrent_version_expiration=aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                        noncurrent_days=1
                    ),
                    abort_incomplete_multipart_upload=aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                        days_after_initiation=1
                    ),
                ),
                # A rule of its own: S3 takes expired delete markers and days only apart.
                aws.s3.BucketLifecycleConfigurationRuleArgs(
                    id="evidence-delete-markers",
                    status="Enabled",
                    filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=PREFIX),
                    expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(expired_object_delete_marker=True),
                ),
                # What has been deleted goes for good; what still waits never expires, however long it takes.
                aws.s3.BucketLifecycleConfigurationRuleArgs(
                    id="spool-deleted",
                    status="Enabled",
                    filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=SPOOL),
                    expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(expired_object_delete_marker=True),
                    noncurrent_version_expiration=aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                        noncurrent_days=1
                    ),
                ),
            ],
            opts=after_versioning,
        )
        aws.s3.BucketCorsConfiguration(
            name,
            bucket=self.bucket.bucket.bucket,
            cors_rules=[
                aws.s3.BucketCorsConfigurationCorsRuleArgs(
                    allowed_methods=["GET", "PUT"],
                    allowed_origins=[args.origin],
                    allowed_headers=["content-type", "if-none-match"],
                    max_age_seconds=3600,
                )
            ],
            opts=pulumi.ResourceOptions(parent=self, protect=args.keep),
        )
        self.register_outputs({"bucket": self.bucket.name})
