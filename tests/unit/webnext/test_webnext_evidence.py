from __future__ import annotations

import asyncio
import json
import secrets
import threading
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import httpx
import pytest
from botocore.credentials import RefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError, ConnectTimeoutError, NoCredentialsError
from pydantic import ValidationError

from tests.support.standing_in import in_request
from webnext import aws
from webnext.app import create_app
from webnext.contract import ArchiveRequest, EvidenceRequest
from webnext.dependency import AwayError
from webnext.evidence import production
from webnext.evidence.bucket import (
    GRANT_SECONDS,
    MAX_BYTES,
    REFUSED_REFRESH_SECONDS,
    BrokenError,
    Bucket,
    Grant,
    Uploaded,
    new_key,
)
from webnext.evidence.production import S3Evidence
from webnext.executor import Executor
from webnext.services import NotUploadedError, Services, TooLargeError

REQUEST = EvidenceRequest(runId="run-1")
ENDS = datetime(2026, 1, 1, tzinfo=UTC)
DOWN = ConnectTimeoutError(endpoint_url="http://s3")
GIVEN = {
    "uploadUrl": "https://executor/put",
    "downloadUrl": "https://executor/get",
    "key": "evidence/run-1/e-1.zip",
    "expiresAt": "2026-01-01T00:00:00Z",
}


def refusal(code: str, status: int = 403) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "GetObject")


class MemoryBucket(Bucket):
    """A bucket in a dictionary; `failure` is raised by every call while it is set."""

    def __init__(self) -> None:
        super().__init__("evidence-test", "eu-central-1")
        self.objects: dict[str, Uploaded] = {}
        self.written: dict[str, bytes] = {}
        self.writes = 0
        self.probes = 0
        self.failure: Exception | None = None
        self.holds: threading.Event | None = None

    def probe(self) -> None:
        self.probes += 1
        if self.holds:
            self.holds.wait(5)
        self._fail()

    def sign(self, key: str, size: int | None = None) -> Grant:
        self._fail()
        return Grant(f"https://s3/{key}?put={size}", f"https://s3/{key}?get", ENDS)

    def head(self, key: str) -> Uploaded | None:
        self._fail()
        return self.objects.get(key)

    def read(self, key: str) -> bytes:
        return self.written[key]

    def write(self, key: str, content: bytes, *, only_new: bool) -> bool:
        if only_new and key in self.written:
            return False
        self.written[key] = content
        self.writes += 1
        return True

    def _fail(self) -> None:
        if self.failure:
            raise self.failure


def executor(answer: Any = None, status: int = 200) -> tuple[Executor, list[tuple[str, Any]]]:
    """An executor that gives one answer, and what it was sent; without an answer it is away."""
    asked: list[tuple[str, Any]] = []

    def handle(request: httpx.Request) -> httpx.Response:
        asked.append((request.url.path, json.loads(request.content)))
        if answer is None:
            raise httpx.ConnectError("refused")
        return httpx.Response(status, json=answer)

    return Executor("http://executor", httpx.MockTransport(handle)), asked


@pytest.fixture
def bucket() -> MemoryBucket:
    return MemoryBucket()


def run(work: Callable[[], Awaitable[Any]]) -> Any:
    async def whole() -> Any:
        return await work()

    return asyncio.run(whole())


# Grants


def test_a_grant_is_s3s_own_while_s3_answers(bucket: MemoryBucket) -> None:
    adapter = S3Evidence(bucket, executor()[0])

    granted = run(lambda: adapter.grant(EvidenceRequest(runId="run-1", jobId="job-1", sizeBytes=7)))

    assert granted.mock is False
    assert granted.key.startswith("evidence/run-1/")
    assert granted.uploadUrl == f"https://s3/{granted.key}?put=7"
    assert granted.expiresAt == ENDS


def test_keys_are_in_the_order_of_their_making_and_what_archive_takes() -> None:
    keys = [new_key("a..b") for _ in range(200)]

    assert len(set(keys)) == 200
    assert sorted(key[:-13] for key in keys) == [key[:-13] for key in keys]
    assert ArchiveRequest(key=keys[0]).key == keys[0]


@pytest.mark.parametrize("failure", [DOWN, NoCredentialsError(), BrokenError("503"), refusal("InvalidAccessKeyId")])
def test_while_s3_is_away_the_executor_grants_and_it_is_said(bucket: MemoryBucket, failure: Exception) -> None:
    bucket.failure = failure
    stand_in, asked = executor(GIVEN | {"ok": True, "extra": 1})

    granted, away = in_request(lambda: S3Evidence(bucket, stand_in).grant(EvidenceRequest(jobId="job-1", sizeBytes=7)))

    assert (granted.mock, granted.key, granted.uploadUrl) == (True, GIVEN["key"], GIVEN["uploadUrl"])
    assert asked == [("/evidence/zip", {"jobId": "job-1", "sizeBytes": 7})]
    assert away == "s3"


@pytest.mark.parametrize(("answer", "status"), [(None, 200), ({"uploadUrl": 1}, 200), (GIVEN, 500), (GIVEN, 404)])
def test_without_s3_and_executor_there_is_no_grant_and_both_causes_are_named(
    bucket: MemoryBucket, answer: Any, status: int
) -> None:
    bucket.failure = DOWN

    with pytest.raises(AwayError, match=r"^evidence: s3: .*; executor: "):
        run(lambda: S3Evidence(bucket, executor(answer, status)[0]).grant(REQUEST))


def test_s3_is_asked_once_for_all_who_wait_and_then_not_for_a_while(bucket: MemoryBucket) -> None:
    now = 0.0
    adapter = S3Evidence(bucket, executor(GIVEN)[0], clock=lambda: now)

    async def grants() -> None:
        nonlocal now
        await asyncio.gather(*(adapter.grant(REQUEST) for _ in range(50)))
        assert bucket.probes == 1
        bucket.failure, now = DOWN, 2.9
        await adapter.ping()
        now = 3.1
        with pytest.raises(AwayError):
            await adapter.ping()
        assert bucket.probes == 2

    asyncio.run(grants())


def test_a_hanging_s3_holds_nobody_up_and_is_taken_back_when_it_answers(
    bucket: MemoryBucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(production, "PROBE_SECONDS", 0.05)
    bucket.holds = threading.Event()
    adapter = S3Evidence(bucket, executor(GIVEN)[0])

    async def grants() -> None:
        assert {(await adapter.grant(REQUEST)).mock for _ in range(3)} == {True}
        assert all(granted.mock for granted in await asyncio.gather(*(adapter.grant(REQUEST) for _ in range(50))))
        assert bucket.probes == 3, "an open breaker asks nobody"
        assert bucket.holds
        bucket.holds.set()
        bucket.holds = None
        while (await adapter.grant(REQUEST)).mock:
            await asyncio.sleep(0.05)

    asyncio.run(grants())


def test_an_s3_that_hangs_leaves_the_others_their_threads(bucket: MemoryBucket) -> None:
    bucket.holds = threading.Event()
    adapter = S3Evidence(bucket, executor()[0])

    async def read_a_secret() -> str:
        grants = [asyncio.create_task(adapter._call(bucket.probe)) for _ in range(20)]
        while bucket.probes < production.THREADS:
            await asyncio.sleep(0.01)
        try:
            return await asyncio.wait_for(aws.in_thread(lambda: "secret"), 1)
        finally:
            assert bucket.holds
            bucket.holds.set()
            await asyncio.gather(*grants)
            await adapter.close()

    assert asyncio.run(read_a_secret()) == "secret"


def test_opening_waits_for_nothing(bucket: MemoryBucket) -> None:
    bucket.holds = threading.Event()

    async def start() -> None:
        adapter = S3Evidence(bucket, executor()[0])
        await adapter.open()
        await adapter.close()

    asyncio.run(asyncio.wait_for(start(), 2))
    bucket.holds.set()


# Archive

KEY = "evidence/run-1/20260101T000000000000Z-0a1b2c3d.zip"


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


def test_archiving_the_same_again_writes_nothing_and_something_else_replaces_it(bucket: MemoryBucket) -> None:
    bucket.objects[KEY] = Uploaded(42, "etag", "v1")
    first = archived(bucket, metadata={"a": 1})
    content = bucket.written[f"{KEY}.json"]

    assert archived(bucket, metadata={"a": 1}) == first
    assert (bucket.writes, bucket.written[f"{KEY}.json"]) == (1, content)

    archived(bucket, metadata={"a": 2})
    bucket.objects[KEY] = Uploaded(43, "other", "v2")
    archived(bucket, metadata={"a": 2})
    assert bucket.writes == 3
    assert json.loads(bucket.written[f"{KEY}.json"])["etag"] == "other"


@pytest.mark.parametrize("spoilt", [b"\xff", b"{", b"[]"])
def test_metadata_that_is_none_is_replaced(bucket: MemoryBucket, spoilt: bytes) -> None:
    bucket.objects[KEY] = Uploaded(42, "etag", None)
    bucket.written[f"{KEY}.json"] = spoilt

    archived(bucket)

    assert json.loads(bucket.written[f"{KEY}.json"])["sizeBytes"] == 42


def test_what_was_not_uploaded_is_not_archived_nor_asked_of_the_executor(bucket: MemoryBucket) -> None:
    stand_in, asked = executor({"metadataKey": "m", "sizeBytes": 1})

    with pytest.raises(NotUploadedError, match=KEY):
        run(lambda: S3Evidence(bucket, stand_in).archive(ArchiveRequest(key=KEY), "t"))

    assert asked == []


def test_an_object_larger_than_evidence_may_be_is_refused(bucket: MemoryBucket) -> None:
    bucket.objects[KEY] = Uploaded(MAX_BYTES + 1, "etag", None)

    with pytest.raises(TooLargeError, match=str(MAX_BYTES + 1)):
        archived(bucket)

    assert bucket.written == {}
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
        def write(self, key: str, content: bytes, *, only_new: bool) -> bool:
            raise refusal("AccessDenied")

    refusing = Refusing()
    refusing.objects[KEY] = Uploaded(1, "e", None)

    with pytest.raises(AwayError, match="AccessDenied"):
        archived(refusing)


@pytest.mark.parametrize(
    "key",
    [
        "evidence/../x/y.zip",
        "evidence/run//y.zip",
        "evidence//run/y.zip",
        "evidence/run/../y.zip",
        "evidence/run/..zip",
        "evidence/run/.hidden.zip",
        "evidence/run/deeper/y.zip",
        "evidence/run/y.zip.json",
        "evidence/run/y.zip\n",
        "evidence/run/y\r\nx-evil: 1.zip",
        "evidence/y.zip",
        "spool/audit/y.zip",
        "/evidence/run/y.zip",
        "evidence/run/y%2f..%2f.zip",
        "evidence/r\x00n/y.zip",
        f"evidence/{'r' * 101}/y.zip",
    ],
)
def test_a_key_that_climbs_or_is_none_of_a_grant_is_a_422(services: Services, key: str) -> None:
    assert status(services, "/api/evidence/archive", {"key": key}) == 422
    with pytest.raises(ValidationError):
        ArchiveRequest(key=key)


@pytest.mark.parametrize(
    "run_id", ["../x", "a/b", "a\r\nx-evil: 1", ".hidden", "", "a" * 101, "a%2fb", "a\x00", "ä", "a b", "-a"]
)
def test_a_run_that_is_a_path_or_a_header_is_a_422(services: Services, run_id: str) -> None:
    assert status(services, "/api/evidence/zip", {"runId": run_id}) == 422


@pytest.mark.parametrize("size", [0, -1, MAX_BYTES + 1, "many"])
def test_a_size_that_no_evidence_has_is_a_422(services: Services, size: Any) -> None:
    assert status(services, "/api/evidence/zip", {"runId": "r", "sizeBytes": size}) == 422


def test_the_routes_answer_503_404_and_422(services: Services, bucket: MemoryBucket) -> None:
    adapter = S3Evidence(bucket, executor()[0])
    real = replace(services, evidence=adapter)

    assert status(real, "/api/evidence/archive", {"key": KEY}) == 404
    bucket.objects[KEY] = Uploaded(MAX_BYTES + 1, "e", None)
    assert status(real, "/api/evidence/archive", {"key": KEY}) == 422
    gone = MemoryBucket()
    gone.failure = DOWN
    assert (
        status(replace(services, evidence=S3Evidence(gone, executor()[0])), "/api/evidence/zip", {"runId": "r"}) == 503
    )


def status(services: Services, path: str, body: Any) -> int:
    async def ask() -> int:
        transport = httpx.ASGITransport(app=create_app(services))
        async with httpx.AsyncClient(transport=transport, base_url="http://web-next") as client:
            return (await client.post(path, json=body)).status_code

    return asyncio.run(ask())


# Signatures, made by botocore without a network


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials in the environment, of this test only, and the address that AWS' own endpoint is."""
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA" + secrets.token_hex(8).upper())
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secrets.token_hex(20))


@pytest.mark.usefixtures("credentials")
def test_put_and_get_are_signed_apart_for_the_buckets_own_host_with_type_and_size() -> None:
    before = datetime.now(UTC).replace(microsecond=0)

    grant = Bucket("evidence-test", "eu-central-1").sign(KEY, 7)

    put, get = urlsplit(grant.put), urlsplit(grant.get)
    assert put.netloc == get.netloc == "evidence-test.s3.eu-central-1.amazonaws.com"
    assert put.path == get.path == f"/{KEY}"
    signed = {name: parse_qs(part.query) for name, part in (("put", put), ("get", get))}
    assert signed["put"]["X-Amz-SignedHeaders"] == ["content-length;content-type;host"]
    assert signed["get"]["X-Amz-SignedHeaders"] == ["host"]
    assert signed["put"]["X-Amz-Signature"] != signed["get"]["X-Amz-Signature"]
    assert {signed[name]["X-Amz-Expires"][0] for name in signed} == {str(GRANT_SECONDS)}
    assert before <= grant.ends - timedelta(seconds=GRANT_SECONDS) <= datetime.now(UTC)


@pytest.mark.usefixtures("credentials")
def test_without_a_size_the_type_is_signed_all_the_same() -> None:
    grant = Bucket("evidence-test", "eu-central-1").sign(KEY)

    assert parse_qs(urlsplit(grant.put).query)["X-Amz-SignedHeaders"] == ["content-type;host"]


@pytest.mark.parametrize(
    ("left", "renewable", "seconds"),
    [
        (3600, False, GRANT_SECONDS),
        (14 * 60, False, REFUSED_REFRESH_SECONDS),
        (14 * 60, True, GRANT_SECONDS),
        (60, True, GRANT_SECONDS),
    ],
)
def test_no_address_is_promised_to_outlive_the_roles_credentials(
    monkeypatch: pytest.MonkeyPatch, left: int, renewable: bool, seconds: int
) -> None:
    def issued(after: float) -> dict[str, str]:
        ends = datetime.now(UTC) + timedelta(seconds=after)
        keys = {"access_key": "AS" + secrets.token_hex(8), "secret_key": secrets.token_hex(20)}
        return {**keys, "token": secrets.token_hex(8), "expiry_time": ends.isoformat()}

    def renew() -> dict[str, str]:
        if not renewable:
            raise ConnectTimeoutError(endpoint_url="http://sts")
        return issued(3600)

    held = RefreshableCredentials.create_from_metadata(issued(left), renew, "test")
    session = boto3.session.Session()
    session._session._credentials = held
    monkeypatch.setattr(aws, "session", lambda: session)

    grant = Bucket("evidence-test", "eu-central-1").sign(KEY)

    assert parse_qs(urlsplit(grant.put).query)["X-Amz-Expires"] == [str(seconds)]
    assert grant.ends <= held._expiry_time


def test_a_role_that_is_refused_does_not_pass_for_an_answer_of_s3(monkeypatch: pytest.MonkeyPatch) -> None:
    def renew() -> dict[str, str]:
        raise refusal("AccessDenied")

    keys = {"access_key": "AS" + secrets.token_hex(8), "secret_key": secrets.token_hex(20), "token": ""}
    ended = {**keys, "expiry_time": (datetime.now(UTC) + timedelta(seconds=60)).isoformat()}
    session = boto3.session.Session()
    session._session._credentials = RefreshableCredentials.create_from_metadata(ended, renew, "test")
    monkeypatch.setattr(aws, "session", lambda: session)

    with pytest.raises(BrokenError, match="no credentials"):
        Bucket("evidence-test", "eu-central-1").probe()


def test_a_client_is_not_made_without_credentials_and_is_made_once_they_are_there(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    bucket = Bucket("evidence-test", "eu-central-1")
    with pytest.raises(BotoCoreError):
        bucket.sign(KEY)

    request.getfixturevalue("credentials")

    assert bucket.sign(KEY).put.startswith("https://")


def test_the_adapter_is_made_of_the_settings() -> None:
    adapter = S3Evidence(Bucket("b", "eu-central-1"), executor()[0])

    assert adapter.adapter == "production"
