"""web-next and the executor double as real processes on 127.0.0.1, and a load of audit pushes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.support import fence
from tests.support.containers import free_port, wait_until

ROOT = Path(__file__).parents[2]
# The roles' own ports are fixed; several tests may run on one machine.
DOUBLE = """
import os, sys
from pathlib import Path
from webnext import logs
from webnext.assembly import vault_for
from webnext.double.app import create_double
from webnext.executor import Bearer
from webnext.server import serve
from webnext.settings import Settings
logs.configure()
settings = Settings.from_environment(os.environ)
token = Bearer.of(settings, vault_for(settings))
serve(create_double(settings, Path(sys.argv[2]), token=token), int(sys.argv[1]))
"""
APP = """
import os, sys
from webnext import logs
from webnext.app import create_app
from webnext.assembly import services_for
from webnext.server import serve
from webnext.settings import Settings
logs.configure()
serve(create_app(services_for(Settings.from_environment(os.environ))), int(sys.argv[1]))
"""
# Neither vault nor S3 answers, nobody having credentials: audit and evidence fall back to the executor.
ENVIRONMENT = {
    "ADAPTER_AUDIT": "production",
    "ADAPTER_EVIDENCE": "production",
    "ADAPTER_GUARDRAILS": "production",
    "S3_BUCKET": "web-next-test",
    "VAULT_PREFIX": "web-next-test/",
    "S3_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass
class Process:
    """One process that listens on 127.0.0.1; it can be started again after it was killed."""

    script: str
    folder: Path
    arguments: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    running: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self.folder / f"{self.port}.log").read_text()

    def start(self) -> None:
        environment = fence.ENVIRONMENT | {"PATH": os.environ["PATH"], "HOME": str(self.folder), **self.environment}
        with (self.folder / f"{self.port}.log").open("ab") as log:
            self.running = subprocess.Popen(
                [sys.executable, "-c", self.script, str(self.port), *self.arguments],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: self.get("/healthz").status_code == 200, f"port {self.port}")

    def signal(self, number: signal.Signals) -> None:
        assert self.running
        self.running.send_signal(number)

    def kill(self) -> None:
        if self.running:
            self.running.kill()
            self.running.wait()
            self.running = None

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, timeout=5, trust_env=False)

    def post(self, path: str, body: Any) -> Any:
        return httpx.post(self.url + path, json=body, timeout=5, trust_env=False).raise_for_status().json()


@dataclass
class Pushes:
    """Pushes audit entries, each twice under its own key, which is also inside the entry."""

    tried: set[str] = field(default_factory=set)
    accepted: set[str] = field(default_factory=set)
    stop: bool = False

    @classmethod
    @asynccontextmanager
    async def on(cls, url: str) -> AsyncIterator[Pushes]:
        """Push for as long as the block runs."""
        pushes = cls()
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=5) as client:
            pushing = [asyncio.create_task(pushes._push(client)) for _ in range(8)]
            yield pushes
            pushes.stop = True
            await asyncio.gather(*pushing)

    async def _push(self, client: httpx.AsyncClient) -> None:
        while not self.stop:
            key = str(uuid.uuid4())
            self.tried.add(key)
            entry = {"action": "load", "result": "ok", "details": {"key": key}}
            for _ in range(2):
                with contextlib.suppress(httpx.HTTPError):
                    answer = await client.post("/audit/push", json=entry, headers={"Idempotency-Key": key})
                    assert answer.status_code == 200
                    self.accepted.add(key)
            await asyncio.sleep(0.005)


def journal(double: Process) -> list[tuple[str, str]]:
    """Key and state of every entry in the double's journal."""
    with contextlib.closing(sqlite3.connect(double.folder / "data" / "double.sqlite3")) as database:
        rows = database.execute("SELECT key, json_extract(entry, '$.details.key'), state FROM entries").fetchall()
    assert all(key == inside for key, inside, _ in rows)
    return [(key, state) for key, _, state in rows]
