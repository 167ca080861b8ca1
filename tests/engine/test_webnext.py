"""web-next on a real Postgres that goes away and comes back, and as the image that the stack runs."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from offline.images.build import build_all
from tests.engine.containers import container, docker, free_port, wait_until
from webnext.app import create_app
from webnext.audit import PostgresAudit
from webnext.settings import Settings
from webnext.vault import Vault

pytestmark = pytest.mark.engine

SCHEMA = Path(__file__).parents[2] / "migrations" / "001_audit_log.sql"
AWAY = {"ok": False, "_err": "audit store unavailable", "_mock": True}
ENTRY = {"action": "deploy", "result": "ok"}


@dataclass
class Database:
    """A Postgres container; `url` is what the vault holds for the application."""

    id: str
    port: int
    owner: str
    url: str

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.owner, autocommit=True, connect_timeout=2) as connection:
            connection.execute(statement.encode())

    def answers(self) -> bool:
        self.execute("SELECT 1")
        return True


@dataclass
class Secrets:
    """A Secrets Manager that holds the database's address and counts how often it is asked."""

    database: Database
    asked: int = 0

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]:  # noqa: N803
        assert SecretId == "web-next-test/AUDIT_DB_URL"
        self.asked += 1
        return {"SecretString": self.database.url}


@pytest.fixture(scope="module")
def images() -> dict[str, str]:
    return build_all(print)


@pytest.fixture(scope="module")
def cluster(images: dict[str, str]) -> Iterator[Database]:
    port = free_port()
    options = ["--publish", f"127.0.0.1:{port}:5432"]
    for name, value in {
        "POSTGRES_USER": "master",
        "POSTGRES_PASSWORD": "local",
        "POSTGRES_DB": "audit",
    }.items():
        options += ["--env", f"{name}={value}"]
    owner = f"postgresql://master:local@127.0.0.1:{port}/audit"
    with container(images["postgres"], *options) as running:
        database = Database(running, port, owner, url="")
        wait_until(database.answers, "Postgres")
        database.execute(SCHEMA.read_text())
        database.execute("CREATE ROLE writer LOGIN")
        database.execute("GRANT INSERT, SELECT ON audit_log TO writer")
        database.execute("GRANT USAGE ON SEQUENCE audit_log_id_seq TO writer")
        yield database


@pytest.fixture
def database(cluster: Database) -> Database:
    """Return the database with an empty audit log, with writer's password as the vault has it."""
    cluster.execute("TRUNCATE audit_log")
    cluster.execute("ALTER ROLE writer PASSWORD 'first'")
    cluster.url = f"postgresql://writer:first@127.0.0.1:{cluster.port}/audit?sslmode=require"
    return cluster


@dataclass(frozen=True)
class Service:
    """The running application: its client and the vault behind it."""

    client: httpx.AsyncClient
    secrets: Secrets

    async def push(self, **entry: Any) -> dict[str, Any]:
        answer: dict[str, Any] = (await self.client.post("/api/audit/push", json=ENTRY | entry)).json()
        return answer

    async def newest(self, limit: int = 50) -> dict[str, Any]:
        answer: dict[str, Any] = (await self.client.post("/api/audit/list", json={"limit": limit})).json()
        return answer


def with_service(database: Database, test: Callable[[Service], Awaitable[None]]) -> None:
    """Run `test` against the application on this database."""

    @asynccontextmanager
    async def service() -> AsyncIterator[Service]:
        secrets = Secrets(database)
        audit = PostgresAudit(Vault("web-next-test/", lambda: secrets))
        transport = httpx.ASGITransport(app=create_app(Settings(), audit))
        await audit.open()
        try:
            async with httpx.AsyncClient(transport=transport, base_url="http://web-next") as client:
                yield Service(client, secrets)
        finally:
            await audit.close()

    async def run() -> None:
        async with service() as running:
            await test(running)

    asyncio.run(run())


def test_what_is_pushed_is_listed_newest_first(database: Database) -> None:
    async def test(service: Service) -> None:
        first = await service.push(action="first", strategyId="s-1", traceId="trace-0001", details={"a": [1, None]})
        second = await service.push(action="second", result="err", details="text")
        listed = await service.newest()

        assert first["ok"] is True
        assert second["id"] > first["id"]
        assert listed["_mock"] is False
        newest, oldest = listed["items"]
        assert (newest["action"], newest["result"], newest["details"]) == ("second", "err", "text")
        assert (oldest["strategyId"], oldest["traceId"], oldest["details"]) == (
            "s-1",
            "trace-0001",
            {"a": [1, None]},
        )
        assert oldest["ts"].endswith("Z")
        assert [item["id"] for item in (await service.newest(1))["items"]] == [second["id"]]

    with_service(database, test)


def test_the_log_is_empty_before_the_first_push(database: Database) -> None:
    async def test(service: Service) -> None:
        assert await service.newest() == {"_mock": False, "items": []}

    with_service(database, test)


@pytest.mark.parametrize("details", [r'{"x": "\u0000"}', r'{"x": "\ud800"}', '{"x": NaN}'])
def test_data_that_postgres_cannot_hold_is_a_422_and_not_a_500(database: Database, details: str) -> None:
    async def test(service: Service) -> None:
        body = f'{{"action": "a", "result": "ok", "details": {details}}}'
        assert (await service.client.post("/api/audit/push", content=body)).status_code == 422

    with_service(database, test)


def test_sql_in_an_entry_is_only_text(database: Database) -> None:
    async def test(service: Service) -> None:
        evil = "x'); DROP TABLE audit_log; --"
        assert (await service.push(action=evil, details={evil: evil}))["ok"] is True
        assert (await service.newest())["items"][0]["action"] == evil

    with_service(database, test)


def test_with_postgres_stopped_the_answers_are_mocks_and_with_it_back_they_are_real(
    database: Database,
) -> None:
    async def test(service: Service) -> None:
        assert (await service.push())["ok"] is True

        docker("stop", "--time", "10", database.id)
        started = time.monotonic()
        assert await service.push() == AWAY
        assert await service.newest() == {"_mock": True, "items": []}
        assert time.monotonic() - started < 10
        health = (await service.client.get("/api/healthz")).json()
        assert (health["ok"], health["checks"]["audit"]["ok"]) == (True, False)

        docker("start", database.id)
        await asyncio.to_thread(wait_until, database.answers, "Postgres")
        assert (await service.push())["ok"] is True
        assert len((await service.newest())["items"]) == 2

    with_service(database, test)


def test_a_postgres_that_hangs_costs_a_caller_five_seconds_at_most(database: Database) -> None:
    async def test(service: Service) -> None:
        assert (await service.push())["ok"] is True

        docker("pause", database.id)
        try:
            started = time.monotonic()
            answers = await asyncio.gather(*(service.push() for _ in range(20)))
            assert time.monotonic() - started < 5
            assert answers == [AWAY] * 20
        finally:
            docker("unpause", database.id)

        async def accepted() -> bool:
            return bool((await service.push())["ok"])

        deadline = time.monotonic() + 20
        while not await accepted():
            assert time.monotonic() < deadline, "no recovery within 20 s"

    with_service(database, test)


def test_a_table_that_is_not_there_yet_is_a_mock_answer(database: Database) -> None:
    async def test(service: Service) -> None:
        database.url = database.url.replace("/audit", "/postgres")

        assert await service.push() == AWAY

    with_service(database, test)


def test_a_rotated_password_is_read_again_without_a_failed_request(database: Database) -> None:
    async def test(service: Service) -> None:
        assert (await service.push())["ok"] is True

        database.execute("ALTER ROLE writer PASSWORD 'second'")
        database.url = database.url.replace("first", "second")
        database.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'writer'")

        assert (await service.push())["ok"] is True
        assert service.secrets.asked == 2

    with_service(database, test)


def test_a_password_that_the_vault_does_not_have_yet_is_a_mock_answer(database: Database) -> None:
    async def test(service: Service) -> None:
        database.execute("ALTER ROLE writer PASSWORD 'second'")

        assert await service.push() == AWAY

    with_service(database, test)


@pytest.fixture
def service_container(images: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Start the image as the stack does, its vault out of reach; yield its id and address."""
    port = free_port()
    options = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
    options += ["--publish", f"127.0.0.1:{port}:3003", "--env", "BUILD_SHA=4f2c1d9", "--env", "VERSION=1.5.1"]
    options += ["--env", "VAULT_PREFIX=web-next-test/", "--env", "AWS_EC2_METADATA_DISABLED=true"]
    options += ["--env", "S3_REGION=eu-central-1", "--env", "FEATURE_AUTO_PAUSE=0.1"]
    with container(images["web-next"], *options) as running:
        address = f"http://127.0.0.1:{port}"
        wait_until(lambda: httpx.get(f"{address}/healthz", trust_env=False).status_code == 200, "web-next")
        yield running, address


def test_the_image_reports_its_settings_and_answers_without_a_vault(
    service_container: tuple[str, str],
) -> None:
    _, address = service_container
    health = httpx.get(f"{address}/api/healthz", trust_env=False).json()
    push = httpx.post(f"{address}/api/audit/push", json=ENTRY, trust_env=False)

    assert (health["buildSha"], health["version"], health["flags"]["FEATURE_AUTO_PAUSE"]) == (
        "4f2c1d9",
        "1.5.1",
        0.1,
    )
    assert (push.status_code, push.json()) == (200, AWAY)


def test_the_image_logs_json_with_the_trace_id(service_container: tuple[str, str]) -> None:
    running, address = service_container
    httpx.get(f"{address}/nowhere", headers={"x-trace-id": "page-1234"}, trust_env=False)

    lines = [json.loads(line) for line in docker("logs", running).splitlines()]
    assert [(line["path"], line["status"]) for line in lines if line.get("traceId") == "page-1234"] == [
        ("/nowhere", 404)
    ]
    assert not any(line.get("path") == "/healthz" for line in lines)


def test_the_image_runs_as_nobody_with_nothing_secret_in_its_environment(
    service_container: tuple[str, str],
) -> None:
    running, _ = service_container
    count = docker("exec", running, "sh", "-c", "printenv | grep -E '(KEY|SECRET|PASSWORD)' | wc -l")

    assert count == "0"
    assert docker("exec", running, "id", "-u") == "10001"


def test_the_image_says_that_it_is_healthy(service_container: tuple[str, str]) -> None:
    running, _ = service_container

    wait_until(
        lambda: docker("inspect", "--format", "{{.State.Health.Status}}", running) == "healthy",
        "healthy container",
        20,
    )


def test_the_image_stops_within_two_seconds(service_container: tuple[str, str]) -> None:
    running, _ = service_container
    started = time.monotonic()
    docker("stop", "--time", "10", running)

    assert time.monotonic() - started < 2
    assert docker("inspect", "--format", "{{.State.ExitCode}}", running) == "0"


def test_the_image_refuses_a_broken_environment_in_one_line(images: dict[str, str]) -> None:
    done = subprocess.run(
        ["docker", "run", "--rm", "--label", "web-next.test", "--env", "VAULT_PREFIX=x", images["web-next"]],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert done.stderr.strip().splitlines() == [
        "web-next: VAULT_PREFIX is 'x': it must be a name that ends in '/', for example web-next-prod/"
    ]
