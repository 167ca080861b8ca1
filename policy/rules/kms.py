"""Keys of our own."""

from __future__ import annotations

from collections.abc import Iterator

from policy import documents
from policy.resources import Resource, Stack
from policy.rule import rule

KEY = "aws:kms/key:Key"
LEAST_DAYS = 30
"""The most that AWS lets a key wait before it is gone, and all that it encrypted with it."""

USES = ("kms:CreateGrant", "kms:Decrypt", "kms:GenerateDataKey", "kms:PutKeyPolicy", "kms:ScheduleKeyDeletion")
"""What reads with a key, hands it on, or takes it away."""


@rule(
    "kms-rotated-and-kept",
    KEY,
    severity="high",
    covers=["FSBP KMS.3", "AWS KMS.4", "CIS 3.6"],
    todo=f"set enable_key_rotation and deletion_window_in_days to {LEAST_DAYS}, and leave is_enabled alone",
)
def kept(key: Resource, _stack: Stack) -> Iterator[str]:
    """A key is changed every year, and can be had back for a month"""
    if key.get("enableKeyRotation") is not True:
        yield f"enableKeyRotation {key.get('enableKeyRotation')}"
    days = key.get("deletionWindowInDays")
    if days is not None and days < LEAST_DAYS:
        yield f"deletionWindowInDays {days:g}"
    if key.get("isEnabled") is False:
        yield "isEnabled false"


@rule(
    "kms-closed",
    KEY,
    severity="high",
    covers=["FSBP KMS.5"],
    todo="leave the policy away, so that the account's own policies decide, or name roles of the account",
)
def closed(key: Resource, stack: Stack) -> Iterator[str]:
    """A key is used by nobody outside the account"""
    arn = f"arn:aws:kms:eu-central-1:{documents.OWNER}:key/any"
    for principal, action in documents.let_in(key.document("policy"), stack, USES, arn):
        yield f"{principal} may {action}"
