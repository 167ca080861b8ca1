"""The records bucket: deployment records and what proves them. The app has no access to it."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.bucket import SecureBucket, SecureBucketArgs, Statement
from infra.naming import Names
from infra.settings.keys import Settings

ONCE = ("approvals", "packs", "rollouts")
"""What is signed, and what a signature is about, by the beginnings of their keys."""


def written_once(bucket: str) -> Statement:
    """The policy statement by which S3 itself takes no second write of those, whoever asks. No upload in parts and no
    copy is made there: neither can say the condition (S3 user guide, "Enforce conditional writes")."""
    return {
        "Sid": "WrittenOnce",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:PutObject",
        "Resource": [f"arn:aws:s3:::{bucket}/{prefix}/*" for prefix in ONCE],
        "Condition": {"Null": {"s3:if-none-match": "true"}},
    }


@dataclass(frozen=True, kw_only=True)
class RecordsArgs:
    """`app_role_arn` is refused everything; `lock_days` is how long a version cannot be deleted."""

    bucket: str
    app_role_arn: str
    keep: bool
    lock_days: int = 90

    @classmethod
    def of(cls, settings: Settings, names: Names) -> RecordsArgs:
        return cls(bucket=names.bucket("records"), app_role_arn=names.app_role_arn, keep=settings.keeps("records"))


class Records(pulumi.ComponentResource):
    """A versioned bucket under Object Lock in governance mode, closed to the app's role, in which what is signed is
    written once."""

    bucket: SecureBucket

    def __init__(self, name: str, args: RecordsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:storage:Records", name, None, opts)
        arn = f"arn:aws:s3:::{args.bucket}"
        closed_to_app = {
            "Sid": "ClosedToTheApp",
            "Effect": "Deny",
            "Principal": {"AWS": args.app_role_arn},
            "Action": "s3:*",
            "Resource": [arn, f"{arn}/*"],
        }
        self.bucket = SecureBucket(
            name,
            SecureBucketArgs(
                name=args.bucket,
                keep=args.keep,
                statements=[closed_to_app, written_once(args.bucket)],
                object_lock=True,
            ),
            pulumi.ResourceOptions(parent=self),
        )
        aws.s3.BucketObjectLockConfiguration(
            name,
            bucket=self.bucket.bucket.bucket,
            object_lock_enabled="Enabled",
            rule=aws.s3.BucketObjectLockConfigurationRuleArgs(
                default_retention=aws.s3.BucketObjectLockConfigurationRuleDefaultRetentionArgs(
                    mode="GOVERNANCE", days=args.lock_days
                )
            ),
            opts=pulumi.ResourceOptions(parent=self, protect=args.keep, depends_on=[self.bucket.versioning]),
        )
        self.register_outputs({"bucket": self.bucket.name})
