"""The evidence check: put, fetched, refused to a stranger, archived, and noted in the bucket."""

from __future__ import annotations

import io
import json
from typing import Any

import boto3
import httpx
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber

from cutover import aws
from cutover.smoke.checks import evidence
from cutover.smoke.probe import CheckFailedError
from tests.support.edge_double import TARGET, Edge
from tests.support.outside import Outside

STORE = "https://bucket.s3.eu-central-1.amazonaws.com/evidence/smoke/1.zip"
OBJECT = "/evidence/smoke/1.zip"


class Bucket:
    """An app that grants and archives, and the bucket behind it; tests change what they answer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.edge, self.outside = Edge(), Outside().install(monkeypatch)
        self.content, self.note = b"", ""
        self.granted: dict[str, Any] = {"_mock": False, "key": "evidence/smoke/1.zip"}
        self.granted |= {"uploadUrl": f"{STORE}?put", "downloadUrl": f"{STORE}?get"}
        self.archived: dict[str, Any] = {"_mock": False, "metadataKey": "evidence/smoke/1.zip.json", "sizeBytes": 4096}
        self.edge.answers["/api/evidence/zip"] = lambda _: httpx.Response(200, json=self.granted)
        self.edge.answers["/api/evidence/archive"] = self._archive
        self.outside.answers["PUT", OBJECT] = self._put
        self.outside.answers["GET", OBJECT] = self._get
        monkeypatch.setattr(evidence, "read", lambda _places, _key: self.note)

    def look(self) -> str:
        return evidence.look(self.edge.probe())

    def _archive(self, request: httpx.Request) -> httpx.Response:
        self.note = self.note or json.dumps(json.loads(request.content))
        return httpx.Response(200, json=self.archived)

    def _put(self, request: httpx.Request) -> httpx.Response:
        self.content = request.content
        signed = (request.headers["content-type"], request.headers.get("if-none-match"))
        return httpx.Response(200 if signed == ("application/zip", "*") else 403)

    def _get(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=self.content) if request.url.query else httpx.Response(403)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Bucket:
    return Bucket(monkeypatch)


def test_bytes_that_come_back_and_are_noted_pass(bucket: Bucket) -> None:
    assert bucket.look() == "4096 bytes put, fetched and archived, a stranger got 403"


@pytest.mark.parametrize(
    ("granted", "archived", "note", "complaint"),
    [
        ({"_mock": True}, {}, "", "the upload is granted by a fallback: _mock is True"),
        ({}, {"_mock": True}, "", "the object is archived by a fallback: _mock is True"),
        ({}, {"sizeBytes": 7}, "", "the archive says that it has 7 bytes, 4096 were put"),
        ({}, {}, "{}", "1.zip.json, the archive's note, does not name smoke-.* and [0-9a-f]{64}"),
    ],
)
def test_a_fallback_and_a_false_note_fail(
    bucket: Bucket, granted: dict[str, Any], archived: dict[str, Any], note: str, complaint: str
) -> None:
    bucket.granted |= granted
    bucket.archived |= archived
    bucket.note = note

    with pytest.raises(CheckFailedError, match=complaint):
        bucket.look()


@pytest.mark.parametrize(
    ("method", "answer", "complaint"),
    [
        ("PUT", httpx.Response(403), "the object was not taken: PUT answered 403"),
        ("GET", httpx.Response(403), "4096 bytes were put, and GET answered 403 with 0 others"),
        ("GET", httpx.Response(200, content=b"x"), "4096 bytes were put, and GET answered 200 with 1 others"),
    ],
)
def test_a_store_that_refuses_or_has_something_else_fails(
    bucket: Bucket, method: str, answer: httpx.Response, complaint: str
) -> None:
    bucket.outside.answers[method, OBJECT] = lambda _: answer

    with pytest.raises(CheckFailedError, match=complaint):
        bucket.look()


def test_an_object_that_a_stranger_may_read_fails(bucket: Bucket) -> None:
    bucket.outside.answers["GET", OBJECT] = lambda _: httpx.Response(200, content=bucket.content)

    with pytest.raises(CheckFailedError, match="a stranger's GET of the object answered 200, 403 expected"):
        bucket.look()


def test_a_store_that_is_away_fails_without_the_signed_address(bucket: Bucket) -> None:
    bucket.outside.answers.clear()

    with pytest.raises(CheckFailedError) as failed:
        bucket.look()
    assert str(failed.value) == (
        "PUT at bucket.s3.eu-central-1.amazonaws.com: no answer (ConnectError: connection refused)"
    )


def test_the_note_is_read_from_the_bucket_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    s3 = boto3.client("s3", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
    monkeypatch.setattr(aws, "client", lambda _service, _places: s3)
    body = StreamingBody(io.BytesIO(b"noted"), 5)
    with Stubber(s3) as stub:
        stub.add_response("get_object", {"Body": body}, {"Bucket": "evidence", "Key": "k"})
        assert evidence.read(TARGET.places, "k") == "noted"
        stub.add_client_error("get_object", "AccessDenied", "no")
        with pytest.raises(CheckFailedError, match=r"k cannot be read from the bucket \(.*AccessDenied"):
            evidence.read(TARGET.places, "k")
