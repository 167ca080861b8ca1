"""Secrets Manager's entries: under which key, for how long they can be had back, and who reads them."""

from __future__ import annotations

from collections.abc import Iterator

from policy import documents
from policy.iam import Principal
from policy.resources import Resource, Stack
from policy.rule import rule

SECRET = "aws:secretsmanager/secret:Secret"  # noqa: S105 - a type
POLICY = "aws:secretsmanager/secretPolicy:SecretPolicy"
LEAST_DAYS = 7
"""The fewest that AWS lets a deleted entry wait, unless it goes at once."""


@rule(
    "secrets-own-key-and-kept",
    SECRET,
    severity="medium",
    todo=f"set kms_key_id to the vault's key, and recovery_window_in_days to {LEAST_DAYS} or more",
)
def kept(secret: Resource, stack: Stack) -> Iterator[str]:
    """A secret is under a key of our own, and can be had back for a week"""
    if not secret.under_own_key("kmsKeyId"):
        yield "AWS' own key"
    days = secret.get("recoveryWindowInDays")
    if days is not None and days < LEAST_DAYS and stack.keeps("vault"):
        yield f"recoveryWindowInDays {days:g}"


@rule(
    "secrets-readers-named",
    SECRET,
    severity="high",
    todo="deny GetSecretValue to every principal but the readers, by ArnNotEquals on aws:PrincipalArn",
)
def readers_named(secret: Resource, stack: Stack) -> Iterator[str]:
    """A secret is read by the roles that its policy names, and by no administrator or other account beside them"""
    policies = stack.about(POLICY, "secretArn", secret)
    document = policies[0].document("policy") if policies else None
    administrator = Principal(arn=f"arn:aws:iam::{documents.OWNER}:role/administrator")
    arn, reads = (
        f"arn:aws:secretsmanager:eu-central-1:{documents.OWNER}:secret:any-a1B2c3",
        ["secretsmanager:GetSecretValue"],
    )
    for principal, action in documents.allowed(document, [administrator], reads, arn):
        yield f"{principal} may {action}"
    for principal, action in documents.let_in(document, stack, reads, arn):
        yield f"{principal} may {action}"
    for policy in policies:
        if policy.get("blockPublicPolicy") is not True:
            yield f"blockPublicPolicy {policy.get('blockPublicPolicy')}"
