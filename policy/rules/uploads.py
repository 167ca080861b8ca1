"""What a policy lets be written into a bucket: who else may have it, and that it goes again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from policy import documents
from policy.iam import Principal
from policy.iam.patterns import like
from policy.resources import Resource, Stack
from policy.rule import rule
from policy.rules.s3 import BUCKET, arn_of, of_all_under, policy_of, settings_of

_ADMINISTRATOR = Principal(arn=f"arn:aws:iam::{documents.OWNER}:role/administrator")
_ACTIONS = ("s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion")


@rule(
    "uploads-closed",
    BUCKET,
    severity="high",
    todo="deny objects and their versions to everybody but the roles by name, aws:PrincipalArn in ArnNotEquals",
)
def closed(bucket: Resource, stack: Stack) -> Iterator[str]:
    """What a role may upload into a bucket nobody else reads, writes or deletes, administrators included"""
    document = policy_of(bucket, stack)
    for prefix in _written(bucket, stack, "AWS"):
        target = f"{arn_of(bucket)}/{prefix}any"
        for principal, action in documents.allowed(document, [_ADMINISTRATOR], _ACTIONS, target):
            yield f"{principal} may {action} under {prefix or 'the whole bucket'}"
            return


@rule(
    "uploads-expire",
    BUCKET,
    severity="medium",
    covers=["FSBP S3.13", "AWS S3.10"],
    todo="expire what is written by days, and what was deleted there: noncurrent versions and delete markers",
)
def expire(bucket: Resource, stack: Stack) -> Iterator[str]:
    """What a policy lets be written into a bucket expires, and what was deleted there is gone for good"""
    prefixes = _written(bucket, stack, "AWS", "Service")
    if not prefixes:
        return
    enabled = [
        one
        for settings in settings_of(stack, "LifecycleConfiguration", bucket)
        for one in settings.all("rules")
        if one.get("status") == "Enabled"
    ]
    if not any(
        (one.get("expiration") or {}).get("days") for prefix in prefixes for one in of_all_under(prefix, enabled)
    ):
        yield f"nothing under {', '.join(prefixes)} expires"
    for prefix in prefixes:
        rules = of_all_under(prefix, enabled)
        ends = {
            "noncurrent versions": any(one.get("noncurrentVersionExpiration") for one in rules),
            "delete markers": any((one.get("expiration") or {}).get("expiredObjectDeleteMarker") for one in rules),
        }
        if stay := [what for what, end in ends.items() if not end]:
            yield f"what is deleted under {prefix or 'the whole bucket'} is not gone, {' and '.join(stay)} stay"


def _written(bucket: Resource, stack: Stack, *kinds: str) -> list[str]:
    """The prefixes under which a bucket's policy lets principals of these kinds put objects."""
    found: dict[str, None] = {}
    document = policy_of(bucket, stack)
    for statement in documents.statements(document) if document else ():
        who = statement.get("Principal")
        named = who == "*" or (isinstance(who, Mapping) and any(kind in who for kind in kinds))
        actions = documents.as_list(statement.get("Action", statement.get("NotAction")))
        puts = any(like(one, "s3:PutObject", ignore_case=True) for one in actions) is not ("NotAction" in statement)
        if statement["Effect"] == "Allow" and named and puts:
            for arn in documents.as_list(statement.get("Resource", "*")):
                found[arn.partition("/")[2].rstrip("*")] = None
    return list(found)
