"""What is archived of an upload: its metadata, once, and never one that is too large."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from tests.support.evidence_double import DOWN, KEY, MemoryBucket, executor, refusal, run
from tests.support.standing_in import in_request
from webnext.bucket import (
    MAX_BYTES,
    Uploaded,
)
from webnext.contract.evidence import ArchiveRequest
from webnext.dependency import AwayError
from webnext.evidence.production import S3Evidence
from webnext.services import ArchivedError, NotUploadedError, TooLargeError


@pytest.fixture
def bucket() -> MemoryBucket:
    return MemoryBucket()


def archived(bucket: MemoryBucket, **given: Any) -> Any:
    return run(lambda: S3Evidence(bucket, executor()[0]).archive(ArchiveRequest(**{"key": KEY} | given), "trace-001"))


def test_the_metadata_is_kept_beside_the_object(bucket: MemoryBucket) -> None:
    bucket.objects[KEY] = Uploaded(42, "etag", "v1")

    answer = archived(bucket, runId="run-1", sha256="ab" * 32, metadata={"result": "ok"})

    assert (answer.metadataKey, answer.sizeBytes, answer.mock) == (f"{KEY}.json", 42, False)
    kept = json.loads(bucket.written[f"{KEY}.json"])
    assert datetime.fromisoformat(kept.pop("archivedAt")).tzinfo is not None
    assert kept == {
        "key": KEY,
        "runId": "run-1",
        "jobId": None,
        "sizeBytes": 42,
        "etag": "etag",
        "versionId": "v1",
        "claimedSha256": "ab" * 32,
        "metadata": {"result": "ok"},
        "traceId": "trace-001",
    }


def test_metadata_is_written_once(bucket: MemoryBucket) -> None:
    bucket.objects[KEY] = Uploaded(42, "etag", "v1")
    first = archived(bucket, metadata={"a": 1})
    content = bucket.written[f"{KEY}.json"]

    assert archived(bucket, metadata={"a": 1}) == first
    for given in ({"metadata": {"a": 2}}, {"metadata": {"a": 1}, "runId": "run-2"}, {}):
        with pytest.raises(ArchivedError, match="is there with other metadata: it is written once"):
            archived(bucket, **given)
    bucket.objects[KEY] = Uploaded(42, "other", "v2")
    with pytest.raises(ArchivedError):
        archived(bucket, metadata={"a": 1})
    assert (bucket.writes, bucket.written[f"{KEY}.json"]) == (1, content)


@pytest.mark.parametrize("spoilt", [b"\xff", b"{", b"[]"])
def test_metadata_that_is_none_stays_too(bucket: MemoryBucket, spoilt: bytes) -> None:
    bucket.objects[KEY] = Uploaded(42, "etag", None)
    bucket.written[f"{KEY}.json"] = spoilt

    with pytest.raises(ArchivedError):
        archived(bucket)
    assert bucket.written[f"{KEY}.json"] == spoilt


def test_what_the_executor_has_archived_otherwise_is_no_503(bucket: MemoryBucket) -> None:
    bucket.failure = DOWN

    with pytest.raises(ArchivedError, match=KEY):
        run(lambda: S3Evidence(bucket, executor({}, 409)[0]).archive(ArchiveRequest(key=KEY), "t"))


def test_what_was_not_uploaded_is_not_archived_nor_asked_of_the_executor(bucket: MemoryBucket) -> None:
    stand_in, asked = executor({"metadataKey": "m", "sizeBytes": 1})

    with pytest.raises(NotUploadedError, match=KEY):
        run(lambda: S3Evidence(bucket, stand_in).archive(ArchiveRequest(key=KEY), "t"))

    assert asked == []


def test_an_object_larger_than_evidence_may_be_is_removed(bucket: MemoryBucket) -> None:
    bucket.objects[KEY] = Uploaded(MAX_BYTES + 1, "etag", None)

    with pytest.raises(TooLargeError, match=str(MAX_BYTES + 1)):
        archived(bucket)

    assert (bucket.objects, bucket.written) == ({}, {})
    bucket.objects[KEY] = Uploaded(MAX_BYTES, "etag", None)
    assert archived(bucket).sizeBytes == MAX_BYTES


@pytest.mark.parametrize(("key", "failure"), [(KEY, DOWN), ("evidence/run-1/of-the-executor.zip", None)])
def test_the_executor_archives_while_s3_is_away_and_what_it_granted(
    bucket: MemoryBucket, key: str, failure: Exception | None
) -> None:
    bucket.failure = failure
    stand_in, asked = executor({"metadataKey": "there", "sizeBytes": 9, "key": "another"})

    archive = ArchiveRequest(key=key, metadata={"a": 1})
    answer, away = in_request(lambda: S3Evidence(bucket, stand_in).archive(archive, "t"))

    assert (answer.key, answer.metadataKey, answer.sizeBytes, answer.mock) == (key, "there", 9, True)
    assert asked == [("/evidence/archive", {"key": key, "metadata": {"a": 1}})]
    assert away == "s3"


def test_what_neither_has_was_not_uploaded(bucket: MemoryBucket) -> None:
    with pytest.raises(NotUploadedError):
        archived(bucket, key="evidence/run-1/of-nobody.zip")


def test_s3s_refusal_of_the_app_is_no_500(bucket: MemoryBucket) -> None:
    class Refusing(MemoryBucket):
        def write(self, key: str, content: bytes, *, only_new: bool = True) -> bool:
            raise refusal("AccessDenied")

    refusing = Refusing()
    refusing.objects[KEY] = Uploaded(1, "e", None)

    with pytest.raises(AwayError, match="AccessDenied"):
        archived(refusing)
