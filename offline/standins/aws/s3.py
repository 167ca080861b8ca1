"""S3: buckets and objects."""

from __future__ import annotations

import base64

from offline.standins.aws.mapper import member, to_api
from offline.standins.kind import URN_TAG, Call, ConflictError, Kind, Properties, StandinError

BUCKET_INPUTS = {"bucket", "forceDestroy", "objectLockEnabled", "region", "tags"}


def _bucket_tags(call: Call, name: str) -> dict[str, str]:
    answer = call.cloud.find("s3", "GetBucketTagging", Bucket=name) or {"TagSet": []}
    return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}


def _bucket_outputs(call: Call, name: str) -> Properties:
    region = call.cloud.region
    return {
        "arn": f"arn:aws:s3:::{name}",
        "bucketDomainName": f"{name}.s3.amazonaws.com",
        "bucketRegion": region,
        "bucketRegionalDomainName": f"{name}.s3.{region}.amazonaws.com",
        "region": region,
        "tagsAll": call.inputs.get("tags", {}),
    }


def _create_bucket(call: Call) -> tuple[str, Properties]:
    name = call.inputs["bucket"]
    if inline := sorted(set(call.inputs) - BUCKET_INPUTS):
        raise StandinError(
            f"bucket {name!r} sets {', '.join(inline)}; the stand-in applies a bucket's settings only where they are "
            "resources of their own: declare BucketVersioning, BucketLifecycleConfiguration and the like"
        )
    owned = _head(call, name)
    if owned and (owner := _bucket_tags(call, name).get(URN_TAG)) != call.urn:
        raise ConflictError("Bucket", name, owner)
    if not owned:
        where: Properties = {"Tags": [{"Key": URN_TAG, "Value": call.urn}]}
        if call.cloud.region != "us-east-1":
            where["LocationConstraint"] = call.cloud.region
        locked = call.inputs.get("objectLockEnabled", False)
        call.cloud.call(
            "s3",
            "CreateBucket",
            Bucket=name,
            CreateBucketConfiguration=where,
            ObjectLockEnabledForBucket=locked,
        )
    call.id = name
    return name, _update_bucket(call)


def _head(call: Call, name: str) -> bool:
    return call.cloud.find("s3", "HeadBucket", Bucket=name) is not None


def _update_bucket(call: Call) -> Properties:
    tags = {**call.inputs.get("tags", {}), URN_TAG: call.urn}
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    call.cloud.call("s3", "PutBucketTagging", Bucket=call.id, Tagging={"TagSet": listed})
    return _bucket_outputs(call, call.id)


def _read_bucket(call: Call) -> Properties | None:
    if not _head(call, call.id):
        return None
    tags = {key: value for key, value in _bucket_tags(call, call.id).items() if key != URN_TAG}
    return {**_bucket_outputs(call, call.id), "bucket": call.id, "tags": tags, "tagsAll": tags}


def _delete_bucket(call: Call) -> None:
    if call.inputs.get("forceDestroy"):
        _remove_versions(call, call.id)
    call.cloud.find("s3", "DeleteBucket", Bucket=call.id)


def _remove_versions(call: Call, bucket: str, key: str | None = None) -> None:
    """Removes every version, of one key or of all, those under a governance lock too."""
    while True:
        page = call.cloud.find("s3", "ListObjectVersions", Bucket=bucket, Prefix=key or "") or {}
        listed = [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        found = [item for item in listed if key in (None, item["Key"])]
        if not found:
            return
        for item in found:
            call.cloud.call(
                "s3",
                "DeleteObject",
                Bucket=bucket,
                Key=item["Key"],
                VersionId=item["VersionId"],
                BypassGovernanceRetention=True,
            )


def _object_parameters(call: Call) -> Properties:
    inputs = call.inputs
    body = base64.b64decode(inputs["contentBase64"]) if "contentBase64" in inputs else inputs.get("content", "")
    from urllib.parse import urlencode

    tags = urlencode({**inputs.get("tags", {}), URN_TAG: call.urn})
    shape, _ = call.cloud.shape("s3", "PutObject")
    renames = {"kmsKeyId": "SSEKMSKeyId", "websiteRedirect": "WebsiteRedirectLocation"}
    skipped = ("content", "contentBase64", "tags", "region", "etag", "source", "sourceHash", "forceDestroy")
    names = {key: member(shape, key, renames) for key in inputs if key not in skipped}
    parameters = {name: to_api(shape.members[name], inputs[key], {}) for key, name in names.items() if name}
    return {**parameters, "Body": body.encode() if isinstance(body, str) else body, "Tagging": tags}


def _write_object(call: Call) -> Properties:
    if "source" in call.inputs:
        raise StandinError("object sets source; the stand-in uploads content or contentBase64 only: read the file")
    parameters = _object_parameters(call)
    answer = call.cloud.call("s3", "PutObject", **parameters)
    return {
        "arn": f"arn:aws:s3:::{parameters['Bucket']}/{parameters['Key']}",
        "etag": answer.get("ETag", "").strip('"'),
        "versionId": answer.get("VersionId", ""),
        "tagsAll": call.inputs.get("tags", {}),
    }


def _create_object(call: Call) -> tuple[str, Properties]:
    return f"{call.inputs['bucket']}/{call.inputs['key']}", _write_object(call)


def _read_object(call: Call) -> Properties | None:
    bucket, key = call.id.split("/", 1)
    answer = call.cloud.find("s3", "GetObject", Bucket=bucket, Key=key)
    if answer is None:
        return None
    seen: Properties = {"etag": answer["ETag"].strip('"'), "versionId": answer.get("VersionId", "")}
    if "content" in call.inputs:
        seen["content"] = answer["Body"].read().decode(errors="replace")
    if "contentType" in call.inputs:
        seen["contentType"] = answer.get("ContentType")
    return seen


def _delete_object(call: Call) -> None:
    bucket, key = call.id.split("/", 1)
    if call.inputs.get("forceDestroy"):
        _remove_versions(call, bucket, key)
    else:
        call.cloud.find("s3", "DeleteObject", Bucket=bucket, Key=key)


OBJECT_OUTPUTS = ("arn", "etag", "tagsAll", "versionId")

KINDS = (
    Kind(
        type="aws:s3/bucket:Bucket",
        outputs=("arn", "bucketDomainName", "bucketRegion", "bucketRegionalDomainName", "region", "tagsAll"),
        name="bucket",
        replace=("bucket", "objectLockEnabled", "region"),
        tags=True,
        create=_create_bucket,
        read=_read_bucket,
        update=_update_bucket,
        delete=_delete_bucket,
    ),
    *(
        Kind(
            type=token,
            outputs=OBJECT_OUTPUTS,
            replace=("bucket", "key"),
            changing=("etag", "versionId"),
            tags=True,
            create=_create_object,
            read=_read_object,
            update=_write_object,
            delete=_delete_object,
        )
        for token in ("aws:s3/bucketObject:BucketObject", "aws:s3/bucketObjectv2:BucketObjectv2")
    ),
)
