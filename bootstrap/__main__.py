"""What comes before every stack on AWS, once in an account: the bucket that keeps their state, and the key that its
secrets are under. It is a project of its own: its own state cannot lie in the bucket that it makes."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # Pulumi has a program find what is beside it, and no more

import pulumi
import pulumi_aws as aws

from infra.bucket import SecureBucket, SecureBucketArgs

NAME = "web-next-state"

config = pulumi.Config("web-next")
account, region = config.require("account"), config.require("region")
tags = aws.ProviderDefaultTagsArgs(tags={"service": "web-next", "stack": "bootstrap", "managed-by": "pulumi"})
provider = aws.Provider("aws", region=region, allowed_account_ids=[account], default_tags=tags)
bucket = SecureBucket(
    "state", SecureBucketArgs(name=f"{NAME}-{account}", keep=True), pulumi.ResourceOptions(providers=[provider])
)
key = aws.kms.Key(
    "state",
    description="Encrypts the secrets in the state of the stacks of web-next",
    enable_key_rotation=True,
    deletion_window_in_days=30,
    opts=pulumi.ResourceOptions(provider=provider, protect=True),
)
alias = aws.kms.Alias(
    "state",
    name=f"alias/{NAME}",
    target_key_id=key.key_id,
    opts=pulumi.ResourceOptions(provider=provider),
)

# Known before anything is made, and right once all of it is.
pulumi.export("backend", f"s3://{bucket.name}?region={region}")
pulumi.export("secrets_provider", f"awskms://alias/{NAME}?region={region}")
