"""The load balancer's access logs: a line for each request, whatever became of it."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.bucket import SecureBucket, SecureBucketArgs, Statement
from infra.naming import Names

DELIVERY = "logdelivery.elasticloadbalancing.amazonaws.com"


def delivery_statement(bucket: str, account: str) -> Statement:
    """Lets Elastic Load Balancing write this account's logs, after its guide ("Enable access logs for your Application
    Load Balancer"). Load balancers of other accounts write under their own account's id, which is not let in."""
    return {
        "Sid": "LogDelivery",
        "Effect": "Allow",
        "Principal": {"Service": DELIVERY},
        "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{bucket}/AWSLogs/{account}/*",
    }


@dataclass(frozen=True, kw_only=True)
class AccessLogsArgs:
    """Logs are kept for `days`."""

    bucket: str
    account: str
    days: int
    keep: bool

    @classmethod
    def of(cls, names: Names, days: int, *, keep: bool) -> AccessLogsArgs:
        return cls(bucket=names.bucket("access-logs"), account=names.account, days=days, keep=keep)


class AccessLogs(pulumi.ComponentResource):
    """A bucket that the load balancer alone writes to, and that empties itself."""

    bucket: str

    def __init__(self, name: str, args: AccessLogsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:fargate:AccessLogs", name, None, opts)
        self.bucket = args.bucket
        made = SecureBucket(
            name,
            SecureBucketArgs(
                name=args.bucket, keep=args.keep, statements=[delivery_statement(args.bucket, args.account)]
            ),
            pulumi.ResourceOptions(parent=self),
        )
        aws.s3.BucketLifecycleConfiguration(
            name,
            bucket=made.bucket.bucket,
            rules=[
                aws.s3.BucketLifecycleConfigurationRuleArgs(
                    id="expired",
                    status="Enabled",
                    filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix="AWSLogs/"),
                    expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=args.days),
                    noncurrent_version_expiration=aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                        noncurrent_days=1
                    ),
                    abort_incomplete_multipart_upload=aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                        days_after_initiation=1
                    ),
                ),
                # A rule of its own: S3 takes expired delete markers and days only apart.
                aws.s3.BucketLifecycleConfigurationRuleArgs(
                    id="delete-markers",
                    status="Enabled",
                    filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix="AWSLogs/"),
                    expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(expired_object_delete_marker=True),
                ),
            ],
            opts=pulumi.ResourceOptions(parent=self, protect=args.keep, depends_on=[made.versioning]),
        )
        self.register_outputs({"bucket": self.bucket})
