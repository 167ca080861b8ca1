"""The audit adapter over a real Postgres, a real S3 API and an executor played here, each of which a test can break."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from cutover.schema import migrator
from outputs.emulator import secret
from tests.support.containers import docker, free_port, pause, wait_until
from tests.support.engine import Emulator
from tests.support.postgres import WRITER, Database, Server, new_database
from webnext.app import create_app
from webnext.assembly import services_for
from webnext.audit.production import ProductionAudit
from webnext.audit.replay import Replayer
from webnext.audit.spool import BAD, PREFIX, Spool
from webnext.audit.writer import Writer
from webnext.contract.audit import AuditEntryV1
from webnext.dependency import AwayError
from webnext.executor import Executor
from webnext.postgres import Postgres
from webnext.settings import Settings
from webnext.vault import Vault

MIGRATIONS = migrator.load(Path(__file__).parents[2] / "migrations")
ENTRY: dict[str, Any] = {"action": "deploy", "result": "ok"}


def entry(**given: Any) -> AuditEntryV1:
    return AuditEntryV1.model_validate(ENTRY | given)


@dataclass
class Secrets:
    """A Secrets Manager that holds the database's address and counts how often it is asked."""

    url: str
    asked: int = 0

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]:  # noqa: N803
        assert SecretId == "web-next-test/AUDIT_DB_URL"
        self.asked += 1
        return {"SecretString": self.url}


@dataclass
class Double:
    """An executor that keeps what it is given, once for each key; `state` is up, away, hangs or refuses."""

    state: str = "up"
    kept: dict[str, dict[str, Any]] = field(default_factory=dict)
    items: Any = field(default_factory=list)

    async def answer(self, request: httpx.Request) -> httpx.Response:
        if self.state == "away":
            raise httpx.ConnectError("connection refused")
        if self.state == "hangs":
            await asyncio.sleep(60)
        if self.state == "refuses":
            return httpx.Response(400, json={"_err": "no"})
        if request.url.path == "/audit/list":
            return httpx.Response(200, json={"items": self.items})
        assert request.url.path == "/audit/push"
        kept = {"traceId": request.headers["x-trace-id"], **json.loads(request.content)}
        self.kept[request.headers["idempotency-key"]] = kept
        return httpx.Response(200, json={"ok": True, "id": request.headers["idempotency-key"]})

    def bring_in(self, database: Database) -> None:
        """What the executor does later: its entries go into Postgres, under their keys."""
        with database.connect(WRITER) as writer:
            for key, kept in self.kept.items():
                writer.execute(
                    "WITH fresh AS (INSERT INTO audit_idempotency VALUES (%s, nextval('audit_log_id_seq'), now()) "
                    "ON CONFLICT DO NOTHING RETURNING entry_id, entry_ts) "
                    "INSERT INTO audit_log (id, ts, action, result, trace_id) SELECT *, %s, %s, %s FROM fresh",
                    (key, kept["action"], kept["result"], kept["traceId"]),
                )


class Gate:
    """A port in front of another one. `state` is open, shut (connections end), hangs (nothing passes)."""

    def __init__(self, url: str) -> None:
        self._url = urlsplit(url)
        self._streams: set[asyncio.StreamWriter] = set()
        self.port = free_port()
        self.state = "open"
        self.swallow_after: int | None = None
        """With a number, this many more pieces pass from the client; from then on no answer comes back."""

    @property
    def url(self) -> str:
        return self._url._replace(
            netloc=f"{self._url.netloc.rpartition('@')[0]}@127.0.0.1:{self.port}".lstrip("@")
        ).geturl()

    def shut(self) -> None:
        self.state = "shut"
        self.cut()

    def cut(self) -> None:
        for stream in self._streams:
            stream.close()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Gate]:
        server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        try:
            yield self
        finally:
            self.cut()
            server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.state == "shut":
            writer.close()
            return
        there = await asyncio.open_connection(self._url.hostname, self._url.port)
        self._streams |= {writer, there[1]}
        await asyncio.gather(self._pass(reader, there[1], up=True), self._pass(there[0], writer, up=False))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, up: bool) -> None:
        try:
            while piece := await reader.read(65536):
                while self.state == "hangs":
                    await asyncio.sleep(0.05)
                if up and self.swallow_after:
                    self.swallow_after -= 1
                elif not up and self.swallow_after == 0:
                    continue
                writer.write(piece)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()
            self._streams.discard(writer)


@dataclass
class Rig:
    """One process of the app: its adapter, its HTTP, and what it stands on."""

    audit: ProductionAudit
    replayer: Replayer
    spool: Spool
    http: httpx.AsyncClient
    app: Any
    secrets: Secrets
    executor: Double
    database: Database
    s3: Any
    bucket: str

    async def push(self, key: str | None = None, **given: Any) -> dict[str, Any]:
        headers = {"idempotency-key": key} if key else {}
        answer = await self.http.post("/api/audit/push", json=ENTRY | given, headers=headers)
        assert answer.status_code in (200, 409, 503), answer.text
        return {"status": answer.status_code, **answer.json()}

    async def newest(self, **wanted: Any) -> dict[str, Any]:
        answer: dict[str, Any] = (await self.http.post("/api/audit/list", json=wanted)).json()
        return answer

    def rows(self, columns: str = "trace_id") -> list[Any]:
        """The audit log in order, as its owner sees it."""
        with self.database.connect() as owner:
            found = owner.execute(f"SELECT {columns} FROM audit_log ORDER BY ts, id".encode()).fetchall()
        return [row[0] if len(row) == 1 else row for row in found]

    async def replay(self) -> None:
        """Replay until nothing waits any more."""
        async with asyncio.timeout(120):
            while self.waiting():
                await self.replayer.replay()

    def waiting(self) -> list[str]:
        return [name for name in self.spooled() if not name.startswith(BAD)]

    def spooled(self, prefix: str = PREFIX) -> list[str]:
        """The names of the objects, a thousand at most."""
        return [each["Key"] for each in self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix).get("Contents", [])]


@dataclass
class Ground:
    """What outlives the app's processes."""

    database: Database
    emulator: Emulator
    bucket: str
    executor: Double = field(default_factory=Double)

    @asynccontextmanager
    async def process(
        self, url: str | None = None, *, replaying: bool = False, spool: bool = True
    ) -> AsyncIterator[Rig]:
        """A running app; `url` is what its vault holds. Without `replaying` a test calls the replayer itself."""
        secrets = Secrets(url or self.database.server.url(WRITER, self.database.name))
        postgres, place = Postgres(Vault("web-next-test/", lambda: secrets)), Spool(self.bucket, "eu-central-1")
        executor = Executor("http://executor", transport=httpx.MockTransport(self.executor.answer))
        audit = ProductionAudit(postgres, executor, place if spool else None)
        services = replace(services_for(Settings()), audit=audit)
        app = create_app(services)
        if replaying:
            await audit.open()
        else:
            await postgres.open()
            try:  # as the replayer does first of all: it makes the client; a call is short for that on a busy machine
                await anext(place.pages())
            except AwayError:
                await anext(place.pages())
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://web-next", timeout=30
        ) as http:
            try:
                yield Rig(
                    audit=audit,
                    replayer=Replayer(postgres, Writer(postgres), place),
                    spool=place,
                    http=http,
                    app=app,
                    secrets=secrets,
                    executor=self.executor,
                    database=self.database,
                    s3=self.emulator.client("s3"),
                    bucket=self.bucket,
                )
            finally:
                await audit.close()
                place.close()
                await executor.close()

    def run(self, test: Callable[[Rig], Awaitable[None]], **process: Any) -> None:
        """Run `test` with one process of the app."""

        async def inside() -> None:
            async with self.process(**process) as rig:
                await test(rig)

        asyncio.run(inside())


def environment(emulator: Emulator) -> dict[str, str]:
    """What has a process find S3 at the emulator."""
    return {
        "AWS_ENDPOINT_URL_S3": emulator.url,
        "AWS_ACCESS_KEY_ID": emulator.account,
        "AWS_SECRET_ACCESS_KEY": secret(),
    }


@contextmanager
def migrated(server: Server) -> Iterator[Database]:
    """A database on the server with all migrations, for others to be copied from."""
    with new_database(server) as database:
        with database.connect() as owner:
            migrator.apply(owner, MIGRATIONS)
        yield database


@contextmanager
def new_ground(template: Database, emulator: Emulator, bucket: str) -> Iterator[Ground]:
    """A copy of a migrated database, a new bucket, an executor."""
    emulator.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    with new_database(template.server, template=template) as database:
        yield Ground(database, emulator, bucket)


def stopped(server: Server) -> AbstractContextManager[None]:
    """It shuts down in order and is away for the block."""
    return _away(server, lambda: docker("stop", "--time", "10", server.container), "start")


def killed(server: Server) -> AbstractContextManager[None]:
    """It crashes and is away for the block."""
    return _away(server, lambda: docker("kill", server.container), "start")


def paused(server: Server) -> AbstractContextManager[None]:
    """It hangs for the block: connections stay, nothing answers."""
    return _away(server, lambda: pause(server.container), "unpause")


@contextmanager
def _away(server: Server, leave: Callable[[], object], come: str) -> Iterator[None]:
    leave()
    try:
        yield
    finally:
        docker(come, server.container)
        wait_until(server.answers, "Postgres")


@dataclass
class Load:
    """What a steady load got back, by trace id."""

    kept: dict[str, dict[str, Any]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    ways: Counter[str | None] = field(default_factory=Counter)


@asynccontextmanager
async def load(rig: Rig, each_second: int = 40) -> AsyncIterator[Load]:
    """Pushes go on while the block runs; at its end the last ones are waited for."""
    seen, over = Load(), asyncio.Event()

    async def one(trace: str) -> None:
        answer = await rig.push(traceId=trace, details={"n": trace})
        if answer["ok"]:
            seen.kept[trace] = answer
            seen.ways[answer.get("via")] += 1
        else:
            seen.refused.append(trace)

    async def sending() -> None:
        async with asyncio.TaskGroup() as tasks:
            number = 0
            while not over.is_set():
                tasks.create_task(one(f"load-{number:05}"))
                number += 1
                await asyncio.sleep(1 / each_second)

    task = asyncio.create_task(sending())
    try:
        yield seen
    finally:
        over.set()
        await task
