"""What the alert queues stand on, each to be taken away by a test: Redis with TLS and tokens, Postgres, a vault, a
webhook, worker processes."""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import subprocess
import sys
import tarfile
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import redis

from cutover.schema import migrator
from tests.support import fence, postgres
from tests.support.answering import FLAGS, PREFIX, Secrets, Sink, secrets_manager, sink
from tests.support.built import images
from tests.support.containers import LABEL, container, docker, free_port, pause, wait_until
from webnext.alerts.production import ProductionAlerts
from webnext.app import create_app
from webnext.assembly import services_for
from webnext.postgres import Postgres as WebNextPostgres
from webnext.settings import Adapters, Settings

ROOT = Path(__file__).parents[2]
KEY = "bull:alerts:deliver"


class Redis:
    """A Redis container on a port of its own that speaks TLS and asks for a token."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.token = secrets.token_hex(16)
        self.authority = folder / "authority.pem"
        self._key = folder / "authority.key"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
                *("-days", "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"),
                *("-keyout", self._key, "-out", self.authority),
            ],
            check=True,
            capture_output=True,
        )
        self.name = ""

    @property
    def url(self) -> str:
        return f"rediss://:{self.token}@127.0.0.1:{self.port}/0"

    def create(self) -> None:
        """Start a fresh container, empty."""
        self.name = f"web-next-test-{secrets.token_hex(4)}"
        publish = f"127.0.0.1:{self.port}:6379"
        docker("create", "--name", self.name, "--label", LABEL, "--publish", publish, images()["redis"])
        files = {
            "tls.pem": self.authority.read_bytes(),
            "tls.key": self._key.read_bytes(),
            "tokens": hashlib.sha256(self.token.encode()).hexdigest().encode() + b"\n",
        }
        archive = io.BytesIO()
        with tarfile.open(fileobj=archive, mode="w") as tar:
            for name, content in files.items():
                entry = tarfile.TarInfo(name)
                entry.size, entry.uid, entry.gid, entry.mode = len(content), 6379, 6379, 0o600
                tar.addfile(entry, io.BytesIO(content))
        subprocess.run(["docker", "cp", "-", f"{self.name}:/data"], input=archive.getvalue(), check=True)
        self.start()

    def start(self) -> None:
        docker("start", self.name)
        wait_until(lambda: bool(self("PING")), "Redis")

    def revive(self) -> None:
        """Have it run, whatever a test left it in."""
        state = docker("ps", "--all", "--filter", f"name={self.name}", "--format", "{{.State}}")
        if not state:
            self.create()
        elif state == "paused":
            self.unpause()
        elif state != "running":
            self.start()

    def kill(self) -> None:
        docker("kill", self.name)

    def pause(self) -> None:
        pause(self.name)

    def unpause(self) -> None:
        docker("unpause", self.name)

    def lose(self) -> None:
        """End the container and all it holds."""
        docker("rm", "--force", "--volumes", self.name)

    def rotate(self) -> None:
        """Take another token only, and cut off who came with the old one."""
        token = secrets.token_hex(16)
        self("ACL", "SETUSER", "default", "resetpass", f">{token}")
        self.token = token
        self("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")

    def client(self) -> redis.Redis:
        made: redis.Redis = redis.Redis.from_url(
            self.url,
            ssl_ca_certs=str(self.authority),
            decode_responses=True,
            socket_timeout=2,
            socket_connect_timeout=2,
        )
        return made

    def __call__(self, *command: str) -> Any:
        with self.client() as client:
            return client.execute_command(*command)


@dataclass(frozen=True, kw_only=True)
class Postgres(postgres.Server):
    """A Postgres on a port of 127.0.0.1, which outlives a restart."""

    port: int

    def url(self, role: str, database: str) -> str:
        return super().url(role, database).replace(f"@{self.host}:5432", f"@127.0.0.1:{self.port}")

    def kill(self) -> None:
        docker("kill", self.container)

    def start(self) -> None:
        docker("start", self.container)
        wait_until(self.answers, "Postgres")

    def revive(self) -> None:
        """Have it run, whatever a test left it in."""
        state = docker("inspect", "--format", "{{.State.Status}}", self.container)
        if state == "paused":
            self.unpause()
        elif state != "running":
            self.start()

    def pause(self) -> None:
        pause(self.container)

    def unpause(self) -> None:
        docker("unpause", self.container)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with self.connect(postgres.OWNER, "audit") as connection:
            return connection.execute(statement.encode()).fetchall()


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    """A migrated database `audit` with the stacks' roles and rights."""
    port = free_port()
    variables = {"POSTGRES_USER": postgres.MASTER, "POSTGRES_PASSWORD": postgres.PASSWORD, "POSTGRES_DB": "postgres2"}
    options = [part for name, value in variables.items() for part in ("--env", f"{name}={value}")]
    with container(images()["postgres"], *options, "--publish", f"127.0.0.1:{port}:5432") as identity:
        server = Postgres(container=identity, host="127.0.0.1", port=port)
        wait_until(server.answers, "Postgres")
        with server.connect(postgres.MASTER, "postgres") as master:
            master.execute(postgres._ROLES)
            master.execute("CREATE DATABASE audit OWNER audit_owner TEMPLATE template0")
        with server.connect(postgres.MASTER, "audit") as master:
            master.execute(postgres._RIGHTS)
        with migrator.connect(server.url(postgres.OWNER, "audit")) as connection:
            migrator.apply(connection, migrator.load(ROOT / "migrations"))
        yield server


@dataclass
class Stack:
    """All of it."""

    redis: Redis
    postgres: Postgres
    sink: Sink
    secrets: Secrets

    def reset(self) -> None:
        """Everything runs and is empty; the webhook takes everything at once."""
        for server in (self.redis, self.postgres):
            server.revive()
        self.redis("FLUSHALL")
        with self.postgres.connect(postgres.OWNER, "audit") as owner:
            owner.execute("TRUNCATE alert_outbox")
        self.secrets.flags.clear()
        self.secrets.values |= {"REDIS_URL": self.redis.url, "SLACK_WEBHOOK_URL": self.sink.url}
        self.sink.status, self.sink.seconds, self.sink.pace, self.sink.refused = 200, 0.0, 0.0, 0
        for kept in (self.sink.messages, self.sink.times, self.sink.accepted):
            kept.clear()

    @property
    def settings(self) -> Settings:
        return Settings(
            adapters=Adapters(queue="production"), vault_prefix=PREFIX, redis_ca_file=str(self.redis.authority)
        )

    def alerts(self, settings: Settings | None = None) -> ProductionAlerts:
        """The adapter over these servers."""
        vault = self.secrets.vault
        return ProductionAlerts(settings or self.settings, vault, WebNextPostgres(vault))

    @asynccontextmanager
    async def app(self) -> AsyncIterator[httpx.AsyncClient]:
        """The application with these queues in production and all else mocked; yields its client."""
        services = replace(services_for(Settings()), alerts=self.alerts())
        await services.open()
        try:
            transport = httpx.ASGITransport(app=create_app(services))
            async with httpx.AsyncClient(transport=transport, base_url="http://web-next") as client:
                yield client
        finally:
            await services.close()

    @contextmanager
    def worker(self, folder: Path, limits: str = "pass", **told: str) -> Iterator[Process]:
        """A worker process of its own; ended with SIGKILL when the block ends, if it still runs.

        `limits` are statements that set other limits of time in the modules `consumer` and `slack`; `told` is more of
        its environment.
        """
        port = free_port()
        program = (
            "import sys; from webnext.processes import worker; worker.PORT = int(sys.argv[1]); "
            f"from webnext.alerts import consumer, slack; {limits}; "
            "from webnext.__main__ import main; sys.exit(main(['worker']))"
        )
        environment = fence.ENVIRONMENT | {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "VAULT_PREFIX": PREFIX,
            "ADAPTER_QUEUE": "production",
            "REDIS_CA_FILE": str(self.redis.authority),
            "S3_REGION": "eu-central-1",
            "METRICS_PORT": str(free_port()),
            "FLAGS_PARAMETER": FLAGS,
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": self.secrets.url,
            "AWS_ENDPOINT_URL_SSM": self.secrets.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            **told,
        }
        log = folder / f"worker-{port}.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-c", program, str(port)], env=environment, stdout=output, stderr=output
            )
        made = Process(process, f"http://127.0.0.1:{port}", int(environment["METRICS_PORT"]), log)
        try:
            made.wait()
            yield made
        finally:
            process.kill()
            process.wait()


@dataclass
class Process:
    """A worker process."""

    process: subprocess.Popen[bytes]
    url: str
    metrics_port: int
    log: Path

    def wait(self) -> None:
        wait_until(lambda: self.health() == "ok\n", "the worker")

    def health(self) -> str:
        with urllib.request.urlopen(f"{self.url}/healthz", timeout=2) as answer:
            return str(answer.read().decode())

    def metric(self, line: str) -> float:
        """The value of the series that `line` names; 0 where there is none."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=2) as answer:
            for found in answer.read().decode().splitlines():
                if found.startswith(line + " "):
                    return float(found.rpartition(" ")[2])
        return 0.0


@contextmanager
def alert_stack(folder: Path) -> Iterator[Stack]:
    """Redis, Postgres, a vault that knows them, a webhook."""
    server = Redis(folder)
    with postgres_server() as database, sink() as webhook:
        server.create()
        values = {"AUDIT_DB_URL": database.url(postgres.WRITER, "audit"), "SLACK_WEBHOOK_URL": webhook.url}
        try:
            with secrets_manager(values | {"REDIS_URL": server.url}) as vault:
                yield Stack(server, database, webhook, vault)
        finally:
            docker("rm", "--force", "--volumes", server.name)
