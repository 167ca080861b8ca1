from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from typing import Any

import httpx
import pytest
from botocore.exceptions import NoCredentialsError
from pydantic import ValidationError

from tests.support.evidence_double import DOWN, ENDS, KEY, MemoryBucket, executor, refusal, run
from tests.support.memory_audit import MemoryAudit
from tests.support.standing_in import in_request
from webnext import aws
from webnext.app import create_app
from webnext.bucket import (
    MAX_BYTES,
    BrokenError,
    Bucket,
    Uploaded,
    new_key,
)
from webnext.contract.base import MAX_DETAILS
from webnext.contract.evidence import ArchiveRequest, EvidenceRequest
from webnext.dependency import AwayError
from webnext.evidence import production
from webnext.evidence.production import S3Evidence
from webnext.services import Services

REQUEST = EvidenceRequest(runId="run-1")
GIVEN = {
    "uploadUrl": "https://executor/put",
    "downloadUrl": "https://executor/get",
    "key": "evidence/run-1/e-1.zip",
    "expiresAt": "2026-01-01T00:00:00Z",
}


@pytest.fixture
def bucket() -> MemoryBucket:
    return MemoryBucket()


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


def test_the_routes_answer_503_404_409_and_422_and_what_was_removed_is_audited(
    services: Services, audit: MemoryAudit, bucket: MemoryBucket
) -> None:
    adapter = S3Evidence(bucket, executor()[0])
    real = replace(services, evidence=adapter)

    assert status(real, "/api/evidence/archive", {"key": KEY}) == 404
    bucket.objects[KEY] = Uploaded(MAX_BYTES + 1, "e", None)
    assert status(real, "/api/evidence/archive", {"key": KEY}) == 422
    assert status(real, "/api/evidence/archive", {"key": KEY}) == 404
    [row] = audit.rows
    assert (row.action, row.actor, row.details["key"]) == ("evidence.too_large", "web-next for 127.0.0.1", KEY)
    assert str(MAX_BYTES + 1) in row.details["why"]
    bucket.objects[KEY] = Uploaded(1, "e", None)
    metadata = {"a": "x" * (MAX_DETAILS - 8)}
    assert status(real, "/api/evidence/archive", {"key": KEY, "metadata": metadata}) == 200
    assert status(real, "/api/evidence/archive", {"key": KEY}) == 409
    metadata["a"] += "x"
    assert status(real, "/api/evidence/archive", {"key": KEY, "metadata": metadata}) == 422
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


def test_the_adapter_is_made_of_the_settings() -> None:
    adapter = S3Evidence(Bucket("b", "eu-central-1"), executor()[0])

    assert adapter.adapter == "production"
