"""A bucket as every bucket here must be: private, TLS only, encrypted, versioned."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws

Statement = dict[str, Any]


def tls_only(bucket: str) -> Statement:
    """The policy statement that refuses every request that does not come over TLS."""
    arn = f"arn:aws:s3:::{bucket}"
    return {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


@dataclass(frozen=True, kw_only=True)
class SecureBucketArgs:
    """`statements` join the TLS-only statement in the policy; `object_lock` must be decided at creation.

    `keep` refuses its end and its replacement, and that of all that is set on it, for Pulumi protects nothing that
    belongs to what is protected. Otherwise it goes with all it holds.
    """

    name: str
    keep: bool
    statements: Sequence[Statement] = ()
    object_lock: bool = False


class SecureBucket(pulumi.ComponentResource):
    """A bucket with public access blocked, owner-enforced objects, encryption, versions and its policy."""

    name: str
    arn: str
    bucket: aws.s3.Bucket
    versioning: aws.s3.BucketVersioning

    def __init__(self, name: str, args: SecureBucketArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("web-next:storage:SecureBucket", name, None, opts)
        self.name = args.name
        self.arn = f"arn:aws:s3:::{args.name}"
        child = pulumi.ResourceOptions(parent=self, protect=args.keep)
        self.bucket = aws.s3.Bucket(
            name,
            bucket=args.name,
            object_lock_enabled=args.object_lock,
            force_destroy=not args.keep,
            opts=child,
        )
        aws.s3.BucketOwnershipControls(
            name,
            bucket=self.bucket.bucket,
            rule=aws.s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
            opts=child,
        )
        public_access = aws.s3.BucketPublicAccessBlock(
            name,
            bucket=self.bucket.bucket,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=child,
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            name,
            bucket=self.bucket.bucket,
            rules=[
                aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                    apply_server_side_encryption_by_default=aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
                        sse_algorithm="AES256"
                    ),
                    bucket_key_enabled=True,
                )
            ],
            opts=child,
        )
        self.versioning = aws.s3.BucketVersioning(
            name,
            bucket=self.bucket.bucket,
            versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
            opts=child,
        )
        policy = {"Version": "2012-10-17", "Statement": [*args.statements, tls_only(args.name)]}
        aws.s3.BucketPolicy(
            name,
            bucket=self.bucket.bucket,
            policy=json.dumps(policy),
            # S3 refuses a policy that arrives while public access is still being blocked.
            opts=pulumi.ResourceOptions(parent=self, protect=args.keep, depends_on=[public_access]),
        )
        self.register_outputs({"name": self.name, "arn": self.arn})
