"""Buckets. What S3 keeps apart, a bucket and its settings, is judged together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policy import documents
from policy.iam import Principal
from policy.resources import NotKnownError, Resource, Stack
from policy.rule import rule

BUCKET = "aws:s3/bucket:Bucket"
SERVICE = "aws:ecs/service:Service"
TASK, ROLE = "aws:ecs/taskDefinition:TaskDefinition", "aws:iam/role:Role"
PROOF = "records"
"""The bucket that keeps proof, by its name in the program."""
UPLOADS, SPOOL = "evidence", "spool/"
"""The bucket that uploads are in, and under what there waits until the database has it."""
LOCK_DAYS = 90
"""Longer than a rollout, the next one and the quarter's review."""
SIGNED = ("approvals", "packs", "rollouts")
"""Signatures, and what they are about. A lock keeps each version, and not which of them is read."""
_PUBLIC_ACCESS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
_ACTIONS = {
    "/any": ("s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:DeleteObject", "s3:DeleteObjectVersion"),
    "": ("s3:ListBucket", "s3:GetBucketPolicy", "s3:PutBucketPolicy"),
}
"""What is asked of an object, and of the bucket itself."""


@rule(
    "s3-public-access-blocked",
    BUCKET,
    severity="high",
    covers=["FSBP S3.2", "FSBP S3.3", "FSBP S3.8", "FSBP S3.12", "CIS 2.1.4"],
    todo="declare BucketPublicAccessBlock with all four true, and BucketOwnershipControls of BucketOwnerEnforced",
)
def public_access_blocked(bucket: Resource, stack: Stack) -> Iterator[str]:
    """A bucket blocks public access in all four ways, and has no ACLs"""
    blocks = settings_of(stack, "PublicAccessBlock", bucket)
    for block in blocks:
        if off := [name for name in _PUBLIC_ACCESS if block.get(name) is not True]:
            yield f"{', '.join(off)} not true"
    if not blocks:
        yield "no BucketPublicAccessBlock"
    owners = settings_of(stack, "OwnershipControls", bucket)
    if "BucketOwnerEnforced" not in [one.get("rule.objectOwnership") for one in owners]:
        yield f"objectOwnership {', '.join(str(one.get('rule.objectOwnership')) for one in owners) or 'not set'}"


@rule(
    "s3-encrypted",
    BUCKET,
    severity="high",
    covers=["AWS S3.4"],
    todo="declare a BucketServerSideEncryptionConfiguration with AES256 or aws:kms",
)
def encrypted(bucket: Resource, stack: Stack) -> Iterator[str]:
    """A bucket says how its objects are encrypted"""
    path = "applyServerSideEncryptionByDefault.sseAlgorithm"
    for settings in settings_of(stack, "ServerSideEncryptionConfiguration", bucket):
        algorithms = [settings.get(f"rules.{index}.{path}") for index, _ in enumerate(settings.all("rules"))]
        if not algorithms or not set(algorithms) <= {"AES256", "aws:kms", "aws:kms:dsse"}:
            yield f"encryption by {algorithms}"
        return
    yield "no BucketServerSideEncryptionConfiguration"


@rule(
    "s3-tls-only",
    BUCKET,
    severity="high",
    covers=["FSBP S3.5", "CIS 2.1.1"],
    todo="deny s3:* to everybody where aws:SecureTransport is false, on the bucket and its objects",
)
def tls_only(bucket: Resource, stack: Stack) -> Iterator[str]:
    """A bucket's policy refuses every request without TLS, whoever asks"""
    document = policy_of(bucket, stack)
    owner = Principal(arn=f"arn:aws:iam::{documents.OWNER}:role/administrator")
    who = [owner, *(documents.named(document) if document else ())]
    for part, actions in _ACTIONS.items():
        for principal, action in documents.allowed(document, who, actions, f"{arn_of(bucket)}{part}", secure=False):
            yield f"{principal} may {action} without TLS"
            return


@rule(
    "s3-not-public",
    BUCKET,
    severity="high",
    covers=["FSBP S3.2", "FSBP S3.3", "FSBP S3.6"],
    todo="name the account's own roles in the policy, never everybody or another account",
)
def not_public(bucket: Resource, stack: Stack) -> Iterator[str]:
    """A bucket's policy lets in nobody without credentials, and no other account"""
    document = policy_of(bucket, stack)
    arn = arn_of(bucket)
    objects = {one.replace("*", "any") for one in documents.resources(document) if one.startswith(f"{arn}/")}
    for target in (arn, f"{arn}/any", *sorted(objects)):
        actions = _ACTIONS["" if target == arn else "/any"]
        for principal, action in documents.let_in(document, stack, actions, target):
            yield f"{principal} may {action} on {target}"


@rule(
    "s3-versioned",
    BUCKET,
    severity="medium",
    covers=["AWS S3.14"],
    todo="declare BucketVersioning with status Enabled, and leave force_destroy away",
)
def versioned(bucket: Resource, stack: Stack) -> Iterator[str]:
    """A bucket keeps what is overwritten and deleted"""
    if bucket.get("forceDestroy") and stack.keeps(bucket.name):
        yield "forceDestroy: its objects go with it"
    for settings in settings_of(stack, "Versioning", bucket):
        if (status := settings.get("versioningConfiguration.status")) != "Enabled":
            yield f"versioning {status}"
        return
    yield "no BucketVersioning"


@rule(
    "s3-really-emptied",
    BUCKET,
    severity="medium",
    covers=["AWS S3.10", "FSBP S3.13"],
    todo="expire noncurrent versions, delete markers and unfinished uploads under the same prefix",
)
def really_emptied(bucket: Resource, stack: Stack) -> Iterator[str]:
    """What expires in a versioned bucket is gone: its versions, delete markers and unfinished uploads expire too"""
    for settings in settings_of(stack, "LifecycleConfiguration", bucket):
        rules = [one for one in settings.all("rules") if one.get("status") == "Enabled"]
        for one in rules:
            if not (one.get("expiration") or {}).get("days"):
                continue
            prefix = str(narrowed(one)[0])
            same = of_all_under(prefix, rules)
            ends = {
                "noncurrent versions": any(other.get("noncurrentVersionExpiration") for other in same),
                "unfinished uploads": any(other.get("abortIncompleteMultipartUpload") for other in same),
                "delete markers": any(
                    (other.get("expiration") or {}).get("expiredObjectDeleteMarker") for other in same
                ),
            }
            if stay := [what for what, end in ends.items() if not end]:
                under = prefix or "the whole bucket"
                yield f"{one.get('id')} expires objects under {under}, and {', '.join(stay)} stay"


@rule(
    "s3-locked",
    BUCKET,
    severity="high",
    covers=["AWS S3.15"],
    todo=f"lock for {LOCK_DAYS} days or more; deny s3:* to the services' role, and s3:PutObject of what is signed to "
    "whoever asks without If-None-Match",
)
def locked(bucket: Resource, stack: Stack) -> Iterator[str]:
    """Proof under Object Lock stays for months, out of the service's reach, and what is signed is written once"""
    settings = settings_of(stack, "ObjectLockConfiguration", bucket)
    if not bucket.get("objectLockEnabled"):
        if not settings and bucket.name != PROOF:
            return
        yield "objectLockEnabled is not set"
    kept = [one.get("rule.defaultRetention") or {} for one in settings]
    days = max((one.get("days") or 365 * (one.get("years") or 0) for one in kept), default=0)
    if days < LOCK_DAYS:
        yield f"a version can be deleted after {days:g} days"
    document = policy_of(bucket, stack)
    tasks = [task for service in stack.of(SERVICE) for task in stack.behind(service, "taskDefinition", TASK)]
    roles = {role.urn: role for task in tasks for role in stack.behind(task, "taskRoleArn", ROLE)}
    for role in roles.values():
        end = f"/{role.get('name')}"
        named = [who for who in documents.named(document or {"Statement": []}) if str(who.arn).endswith(end)]
        for principal, action in documents.allowed(
            document,
            named or [Principal(arn=f"arn:aws:iam::{documents.OWNER}:role{end}")],
            _ACTIONS["/any"],
            f"{arn_of(bucket)}/any",
        ):
            yield f"the tasks' role {principal} may {action}"
            return
    owner = Principal(arn=f"arn:aws:iam::{documents.OWNER}:role/administrator")
    for prefix in SIGNED:
        for principal, action in documents.allowed(
            document, [owner], ["s3:PutObject"], f"{arn_of(bucket)}/{prefix}/any"
        ):
            yield f"{principal} may {action} over what is in {prefix}/"


@rule(
    "s3-kept",
    BUCKET,
    severity="high",
    todo=f"expire by days under other prefixes than {SPOOL}, and nothing of a bucket with Object Lock",
)
def kept(bucket: Resource, stack: Stack) -> Iterator[str]:
    """Nothing expires that waits in the spool, or is proof under Object Lock"""
    proof = bucket.get("objectLockEnabled")
    for settings in settings_of(stack, "LifecycleConfiguration", bucket):
        for one in settings.all("rules"):
            ends, under = one.get("expiration") or {}, str(narrowed(one)[0])
            objects = ends.get("days") or ends.get("date")
            if one.get("status") != "Enabled":
                continue
            if proof and (objects or one.get("noncurrentVersionExpiration")):
                yield f"{one.get('id')} expires what is locked"
            elif bucket.name == UPLOADS and objects and (under.startswith(SPOOL) or SPOOL.startswith(under)):
                yield f"{one.get('id')} expires objects under {under or 'the whole bucket'}"


def settings_of(stack: Stack, kind: str, bucket: Resource) -> list[Resource]:
    """The resources that say one kind of setting of a bucket, such as its Versioning."""
    return stack.about(f"aws:s3/bucket{kind}:Bucket{kind}", "bucket", bucket)


def narrowed(lifecycle: Mapping[str, Any]) -> tuple[str, bool]:
    """Under which prefix a rule of a lifecycle is about objects, and whether about some of them alone, by a tag or by
    their size."""
    of = lifecycle.get("filter") or {}
    told = {"prefix": lifecycle.get("prefix"), **of, **(of.get("and") or {})}
    return told["prefix"] or "", any(value for key, value in told.items() if key not in ("and", "prefix"))


def of_all_under(prefix: str, lifecycles: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rules of a lifecycle that are about whatever lies under a prefix."""
    about = ((one, *narrowed(one)) for one in lifecycles)
    return [one for one, under, some in about if prefix.startswith(under) and not some]


def policy_of(bucket: Resource, stack: Stack) -> documents.Document | None:
    """A bucket's policy; None where it has none."""
    for policy in settings_of(stack, "Policy", bucket):
        document: documents.Document = policy.document("policy")
        return document
    return None


def arn_of(bucket: Resource) -> str:
    """A bucket's ARN. Raises NotKnownError where Pulumi makes its name up."""
    name = bucket.get("bucket")
    if not name:
        raise NotKnownError(bucket, "bucket")
    return f"arn:aws:s3:::{name}"
