"""The s3 family on the real engine: the life of a bucket with its settings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.engine import Emulator, Project

pytestmark = pytest.mark.engine

BUCKET = """
bucket = aws.s3.Bucket("evidence", force_destroy=True, tags={"tier": "evidence"}, opts=opts)
aws.s3.BucketPolicy("policy", bucket=bucket.bucket, opts=opts, policy=bucket.arn.apply(lambda arn: json.dumps({
    "Version": "2012-10-17",
    "Statement": [{"Sid": "TlsOnly", "Effect": "Deny", "Principal": "*", "Action": "s3:*",
                   "Resource": [arn, arn + "/*"],
                   "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]}, indent=2)))
aws.s3.BucketLifecycleConfiguration("lifecycle", bucket=bucket.bucket, opts=opts, rules=[
    {"id": "retention-30d", "status": "Enabled", "filter": {"prefix": ""}, "expiration": {"days": DAYS},
     "noncurrent_version_expiration": {"noncurrent_days": 1},
     "abort_incomplete_multipart_upload": {"days_after_initiation": 1}}])
aws.s3.BucketPublicAccessBlock("private", bucket=bucket.bucket, block_public_acls=True, block_public_policy=True,
    ignore_public_acls=True, restrict_public_buckets=True, opts=opts)
aws.s3.BucketServerSideEncryptionConfiguration("encryption", bucket=bucket.bucket, opts=opts, rules=[
    {"apply_server_side_encryption_by_default": {"sse_algorithm": "aws:kms", "kms_master_key_id": "alias/aws/s3"},
     "bucket_key_enabled": True}])
aws.s3.BucketVersioning("versions", bucket=bucket.bucket, versioning_configuration={"status": "Enabled"}, opts=opts)
aws.s3.BucketOwnershipControls("owner", bucket=bucket.bucket, opts=opts,
    rule={"object_ownership": "BucketOwnerEnforced"})
aws.s3.BucketCorsConfiguration("cors", bucket=bucket.bucket, opts=opts, cors_rules=[
    {"allowed_origins": ["https://localhost"], "allowed_methods": ["GET", "PUT"], "max_age_seconds": 300}])
aws.s3.BucketObjectv2("weights", bucket=bucket.bucket, key="weights.json", content="{}", opts=opts,
    content_type="application/json", checksum_algorithm="CRC32")
pulumi.export("bucket", bucket.bucket)
pulumi.export("region", bucket.region)
"""


def test_a_bucket_and_its_settings_live_from_up_to_destroy(project: Project, emulator: Emulator) -> None:
    project.write(emulator.provider, BUCKET.replace("DAYS", "30"))
    preview = project.preview()
    assert "11 to create" in preview
    assert 'project: "web-next"' in preview, "default tags are part of the plan"
    project.up()
    project.unchanged()

    project.write(emulator.provider, BUCKET.replace("DAYS", "7"))
    assert "rules[0].expiration.days" in project.run("preview", "--json").text
    project.up()
    project.unchanged()

    s3, bucket = emulator.client("s3"), str(project.outputs()["bucket"])
    rules = s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert [rule["Expiration"] for rule in rules] == [{"Days": 7}], "the change reached the bucket"
    assert s3.get_bucket_encryption(Bucket=bucket), "so did what didn't change"

    s3.delete_bucket_policy(Bucket=bucket)
    rules[0]["Status"] = "Disabled"
    s3.put_bucket_lifecycle_configuration(Bucket=bucket, LifecycleConfiguration={"Rules": rules})
    s3.put_object(Bucket=bucket, Key="weights.json", Body=b'{"candidate": 100}')
    drift = project.preview("--refresh")
    assert '"Enabled" => "Disabled"' in drift, "the drift is shown"
    assert "+ candidate: 100" in drift, "an object's content is watched"
    assert "+ 1 to create ~ 2 to update" in drift, "and so is the repair"

    project.repair()
    project.unchanged()
    statement = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])["Statement"][0]
    assert statement["Sid"] == "TlsOnly"
    project.destroy()
    assert bucket not in [found["Name"] for found in s3.list_buckets()["Buckets"]]


def test_a_policy_spelled_otherwise_is_no_drift(project: Project, emulator: Emulator) -> None:
    project.write(emulator.provider, BUCKET.replace("DAYS", "30"))
    project.up()
    s3, bucket = emulator.client("s3"), str(project.outputs()["bucket"])
    policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy, separators=(",", ":"), sort_keys=True))
    project.unchanged()
