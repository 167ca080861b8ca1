"""Evidence in the emulator's S3: signed addresses, metadata, and an S3 that goes away under load."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.containers import free_port
from tests.support.evidence import REGION, ZIP, Store
from webnext import bucket as bucket_module
from webnext.app import create_app
from webnext.assembly import services_for
from webnext.bucket import CONTENT_TYPE, Bucket
from webnext.contract.evidence import ArchiveAnswer, ArchiveRequest, EvidenceAnswer, EvidenceRequest
from webnext.dependency import PAUSE_SECONDS, AwayError
from webnext.evidence import production
from webnext.evidence.production import S3Evidence
from webnext.executor import Executor
from webnext.services import ArchivedError, NotUploadedError, TooLargeError
from webnext.settings import Settings

if TYPE_CHECKING:
    pass

pytestmark = pytest.mark.engine

GIVEN = {
    "uploadUrl": "https://executor.invalid/put",
    "downloadUrl": "https://executor.invalid/get",
    "key": "evidence/run-1/executor.zip",
    "expiresAt": "2026-01-01T00:00:00Z",
}


def stand_in() -> Executor:
    return Executor("http://executor", httpx.MockTransport(lambda _: httpx.Response(200, json=GIVEN)))


def adapter(store: Store) -> S3Evidence:
    return S3Evidence(Bucket(store.name, REGION), stand_in())


async def ready(store: Store) -> S3Evidence:
    """An adapter that has found its credentials: as long as that takes on a busy machine, grants are a fallback's."""
    made = adapter(store)
    async with asyncio.timeout(30):
        while True:
            with suppress(AwayError):
                await made.ping()
                return made
            await asyncio.sleep(0.2)


def granted(store: Store, **request: Any) -> EvidenceAnswer:
    async def grant() -> EvidenceAnswer:
        return await (await ready(store)).grant(EvidenceRequest.model_validate({"runId": "run-1"} | request))

    return asyncio.run(grant())


def archived(store: Store, key: str, **request: Any) -> ArchiveAnswer:
    async def archive() -> ArchiveAnswer:
        return await (await ready(store)).archive(ArchiveRequest.model_validate({"key": key} | request), "trace-001")

    return asyncio.run(archive())


def put(url: str, content: bytes = ZIP, content_type: str | None = CONTENT_TYPE) -> int:
    headers = {"if-none-match": "*"} | ({"content-type": content_type} if content_type else {})
    return httpx.put(url, content=content, headers=headers, trust_env=False).status_code


def get(url: str) -> httpx.Response:
    return httpx.get(url, trust_env=False)


# Addresses


@pytest.mark.usefixtures("as_app")
def test_what_is_put_is_what_is_got(store: Store) -> None:
    grant = granted(store)

    assert grant.mock is False
    assert put(grant.uploadUrl) == 200
    answer = get(grant.downloadUrl)
    assert (answer.status_code, answer.content) == (200, ZIP)
    assert answer.headers["content-type"] == CONTENT_TYPE
    assert store.keys() == [grant.key]


@pytest.mark.usefixtures("as_app")
def test_an_address_is_for_its_own_method_only(store: Store) -> None:
    grant = granted(store)
    put(grant.uploadUrl)

    assert get(grant.uploadUrl).status_code == 403
    assert put(grant.downloadUrl, b"other") == 403
    assert httpx.delete(grant.uploadUrl, trust_env=False).status_code == 403
    assert get(grant.downloadUrl).content == ZIP


@pytest.mark.usefixtures("as_app")
def test_an_address_uploads_once_and_what_was_archived_stays_what_is_got(store: Store) -> None:
    grant = granted(store)
    bare = {"content-type": CONTENT_TYPE}
    assert httpx.put(grant.uploadUrl, content=ZIP, headers=bare, trust_env=False).status_code == 403
    assert put(grant.uploadUrl) == 200
    assert put(grant.uploadUrl, b"other") == 412
    archived(store, grant.key)
    assert put(grant.uploadUrl, b"other") == 412
    assert get(grant.downloadUrl).content == ZIP


@pytest.mark.usefixtures("as_app")
@pytest.mark.parametrize("content_type", ["text/html", "application/zip; charset=utf-8", None])
def test_another_content_type_is_refused(store: Store, content_type: str | None) -> None:
    assert put(granted(store).uploadUrl, ZIP, content_type) == 403
    assert store.keys() == []


@pytest.mark.usefixtures("as_app")
def test_another_size_than_the_one_asked_for_is_refused(store: Store) -> None:
    grant = granted(store, sizeBytes=len(ZIP))

    assert put(grant.uploadUrl, ZIP + b"x") == 403
    assert put(grant.uploadUrl, ZIP[:-1]) == 403
    assert store.keys() == []
    assert put(grant.uploadUrl) == 200


@pytest.mark.usefixtures("as_app")
def test_a_forged_key_bucket_or_life_is_refused(store: Store) -> None:
    grant = granted(store)
    name = grant.key.rpartition("/")[2]

    for forged in (
        grant.uploadUrl.replace(name, "other.zip"),
        grant.uploadUrl.replace(grant.key, f"evidence/run-1/../../{name}"),
        grant.uploadUrl.replace("X-Amz-Expires=900", "X-Amz-Expires=90000"),
        grant.uploadUrl.replace(f"/{store.name}/", f"/{store.name}-other/"),
        grant.uploadUrl[:-1] + ("0" if grant.uploadUrl[-1] != "0" else "1"),
    ):
        assert forged != grant.uploadUrl
        assert put(forged) == 403
    assert store.keys() == []


@pytest.mark.usefixtures("as_app")
def test_an_address_that_has_ended_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_module, "GRANT_SECONDS", 1)
    grant = granted(store)

    while datetime.now(UTC) <= grant.expiresAt + timedelta(seconds=1):
        asyncio.run(asyncio.sleep(0.1))

    assert put(grant.uploadUrl) == 403
    assert get(grant.downloadUrl).status_code == 403


@pytest.mark.usefixtures("as_app")
def test_a_bucket_that_is_not_there_is_away(store: Store) -> None:
    missing = replace(store, names=replace(store.names, evidence=f"{store.name}-missing"))

    async def ask() -> None:
        one = adapter(missing)
        assert (await one.grant(EvidenceRequest(runId="run-1"))).mock is True
        async with asyncio.timeout(30):
            while True:
                try:
                    await one.ping()
                except AwayError as away:
                    if "NoSuchBucket" in str(away):
                        return
                await asyncio.sleep(0.2)

    asyncio.run(ask())


# Metadata


@pytest.mark.usefixtures("as_app")
def test_an_uploaded_zip_is_archived_once(store: Store) -> None:
    grant = granted(store)
    with pytest.raises(NotUploadedError):
        archived(store, grant.key)
    put(grant.uploadUrl)

    answer = archived(store, grant.key, runId="run-1", sha256="0f" * 32, metadata={"result": "ok"})
    again = archived(store, grant.key, runId="run-1", sha256="0f" * 32, metadata={"result": "ok"})

    assert answer == again
    assert (answer.metadataKey, answer.sizeBytes, answer.mock) == (f"{grant.key}.json", len(ZIP), False)
    assert len(store.versions(answer.metadataKey)) == 1
    [uploaded] = store.versions(grant.key)
    kept = json.loads(store.client.get_object(Bucket=store.name, Key=answer.metadataKey)["Body"].read())
    assert (kept["etag"], kept["versionId"]) == (uploaded["ETag"].strip('"'), uploaded["VersionId"])
    assert (kept["claimedSha256"], kept["traceId"], kept["metadata"]) == ("0f" * 32, "trace-001", {"result": "ok"})


@pytest.mark.usefixtures("as_app")
def test_metadata_is_written_once_whoever_knows_the_key(store: Store) -> None:
    grant = granted(store)
    put(grant.uploadUrl)
    archived(store, grant.key)

    with pytest.raises(ArchivedError):
        archived(store, grant.key, metadata={"result": "another"})
    store.client.put_object(Bucket=store.name, Key=grant.key, Body=b"other")
    with pytest.raises(ArchivedError):
        archived(store, grant.key)
    assert len(store.versions(f"{grant.key}.json")) == 1


@pytest.mark.usefixtures("as_app")
def test_archiving_side_by_side_leaves_one_version(store: Store) -> None:
    grant = granted(store)
    put(grant.uploadUrl)

    async def many() -> None:
        one = await ready(store)
        await asyncio.gather(*(one.archive(ArchiveRequest(key=grant.key), f"trace-{n}") for n in range(8)))

    asyncio.run(many())

    assert len(store.versions(f"{grant.key}.json")) == 1


@pytest.mark.usefixtures("as_app")
def test_a_zip_above_the_limit_is_removed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(production, "MAX_BYTES", len(ZIP) - 1)
    grant = granted(store)
    put(grant.uploadUrl)

    with pytest.raises(TooLargeError):
        archived(store, grant.key)

    assert store.keys() == []


# Faults


class Line:
    """A TCP line to the emulator that can stand still, and be cut, under everything that goes through it."""

    def __init__(self, target: str) -> None:
        self._target = urlsplit(target)
        self._flows = asyncio.Event()
        self._flows.set()
        self._server: asyncio.Server | None = None
        self._ends: set[asyncio.StreamWriter] = set()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self.port)

    async def cut(self) -> None:
        if self._server:
            self._server.close()
        for end in list(self._ends):
            end.transport.abort()

    def pause(self) -> None:
        self._flows.clear()

    def resume(self) -> None:
        self._flows.set()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(self._target.hostname, self._target.port)
        self._ends |= {writer, back}
        try:
            await asyncio.gather(self._pump(reader, back), self._pump(there, writer))
        finally:
            self._ends -= {writer, back}

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                await self._flows.wait()
                sink.write(data)
                await sink.drain()
        sink.close()


class Load:
    """Grants asked for without a pause by ten clients, and how they were answered."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self.answers: Counter[tuple[int, bool]] = Counter()
        self.last: dict[str, Any] = {}

    async def __aenter__(self) -> Load:
        self._clients = [asyncio.create_task(self._ask()) for _ in range(10)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for asking in self._clients:
            asking.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def _ask(self) -> None:
        while True:
            answer = await self._http.post("/api/evidence/zip", json={"runId": "run-1"})
            self.last = answer.json()
            self.answers[answer.status_code, bool(self.last.get("_mock"))] += 1

    async def until(self, mock: bool, count: int = 30) -> None:
        """Return after `count` more answers of a kind; fail when they do not come."""
        wanted = self.answers[200, mock] + count
        async with asyncio.timeout(30):
            while self.answers[200, mock] < wanted:
                await asyncio.sleep(0.01)


def under_load(store: Store, use: Callable[[str], None], work: Callable[[Line, Load], Awaitable[None]]) -> Load:
    async def run() -> Load:
        line = Line(store.machine.emulator)
        use(line.url)
        evidence = adapter(store)
        services = replace(services_for(Settings()), evidence=evidence)
        transport = httpx.ASGITransport(app=create_app(services))
        await evidence.open()
        try:
            async with httpx.AsyncClient(transport=transport, base_url="http://web-next", timeout=30) as http:
                async with Load(http) as load:
                    await work(line, load)
                return load
        finally:
            await evidence.close()
            line.resume()
            await line.cut()

    return asyncio.run(run())


def test_without_s3_at_the_start_the_fallback_answers_until_it_is_there(
    store: Store, as_app: Callable[[str], None]
) -> None:
    async def start_late(line: Line, load: Load) -> None:
        await load.until(mock=True)
        await line.open()
        await load.until(mock=False)

    load = under_load(store, as_app, start_late)

    assert {status for status, _ in load.answers} == {200}


def test_while_s3_is_cut_or_stands_still_the_fallback_answers_and_never_a_500(
    store: Store, as_app: Callable[[str], None]
) -> None:
    async def fail_twice(line: Line, load: Load) -> None:
        await line.open()
        await load.until(mock=False)
        await line.cut()
        await load.until(mock=True)
        await line.open()
        await load.until(mock=False)
        line.pause()
        await load.until(mock=True)
        await asyncio.sleep(PAUSE_SECONDS + 2)  # some tries against the silent one
        line.resume()
        await load.until(mock=False)
        answer = load.last
        assert (await asyncio.to_thread(put, answer["uploadUrl"])) == 200

    load = under_load(store, as_app, fail_twice)

    assert {status for status, _ in load.answers} == {200}
