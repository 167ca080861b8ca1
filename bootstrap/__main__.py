"""What comes before every stack on AWS, once in an account: the bucket that keeps their state, the key that its secrets
are under, and the roles of whoever works with stacks. A project of its own: its state cannot lie in that bucket."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # Pulumi has a program find what is beside it, and no more

import pulumi
import pulumi_aws as aws

from bootstrap.place import Place
from bootstrap.roles import OPERATORS, Roles
from infra.bucket import SecureBucket, SecureBucketArgs
from outputs import partition

NAME = "web-next-state"

config = pulumi.Config("web-next")
account, region = config.require("account"), config.require("region")
if refused := partition.refusal(region):
    raise pulumi.RunError(f"Pulumi.account.yaml: {refused}")
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
    opts=pulumi.ResourceOptions(provider=provider, protect=True),
)
roles = Roles(
    "roles",
    Place(
        account=account,
        region=region,
        bucket=bucket.name,
        alias=f"alias/{NAME}",
        zones=config.require_object("hostedZones"),
        evidence=config.require_object("evidenceBuckets"),
    ),
    repository=config.require("repository"),
    provider=config.require_bool("githubProvider"),
    opts=pulumi.ResourceOptions(providers=[provider]),
)

# Known before anything is made, and right once all of it is.
pulumi.export("backend", f"s3://{bucket.name}?region={region}")
pulumi.export("secrets_provider", f"awskms://alias/{NAME}?region={region}")
pulumi.export("roles", roles.arns)
pulumi.export("operators", [roles.arns[role] for role in OPERATORS])
