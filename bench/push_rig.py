"""The app with the audit log's real adapter on a Postgres of the bench, as `webnext.processes.app` runs it."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import uvloop

from tests.support.containers import free_port, wait_until
from webnext import logs
from webnext.app import create_app
from webnext.assembly import services_for
from webnext.audit.production import ProductionAudit
from webnext.contract.audit import AuditEntryV1
from webnext.executor import Executor
from webnext.postgres import Postgres
from webnext.server import serve
from webnext.settings import Settings
from webnext.vault import Vault

APPEND_SECONDS = 5
PATH = "/api/audit/push"
ENTRY: dict[str, Any] = {
    "action": "deploy",
    "result": "ok",
    "strategyId": "strategy-17",
    "details": {"symbol": "BTCUSDT", "size": 100, "note": "bench"},
}


@dataclass(frozen=True)
class Secrets:
    """A Secrets Manager that holds one address."""

    url: str

    def get_secret_value(self, *, SecretId: str) -> dict[str, Any]:  # noqa: N803, ARG002
        return {"SecretString": self.url}


def adapter(url: str) -> ProductionAudit:
    """The adapter on this database, with nothing to fall back to."""
    return ProductionAudit(Postgres(Vault("bench/", lambda: Secrets(url))), Executor(None), None)


def serve_bench(port: int, url: str) -> None:
    """The process under test."""
    logs.configure()
    serve(create_app(replace(services_for(Settings()), audit=adapter(url))), port)


def append_bench(callers: int, url: str) -> None:
    """Prints how many appends a second the adapter does for so many callers."""

    async def run() -> None:
        audit, entry, count = adapter(url), AuditEntryV1.model_validate(ENTRY), 0
        await audit.open()
        await audit.append(entry, "warm")
        deadline = time.monotonic() + APPEND_SECONDS

        async def call() -> None:
            nonlocal count
            while time.monotonic() < deadline:
                answer = await audit.append(entry, "bench")
                assert not answer.mock
                count += 1

        await asyncio.gather(*(call() for _ in range(callers)))
        await audit.close()
        print(count / APPEND_SECONDS)

    uvloop.run(run())


@contextmanager
def child(*arguments: str, url: str) -> Iterator[subprocess.Popen[str]]:
    """This module as another process; the database's address goes to its standard input, where nobody reads it."""
    command = [sys.executable, "-m", "bench.push_rig", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        process.stdin.write(url)
        process.stdin.close()
        try:
            yield process
        finally:
            process.terminate()


@contextmanager
def app(url: str) -> Iterator[int]:
    """The app on a port of its own, its log read and dropped by `cat`."""
    port = free_port()
    with (
        child("serve", str(port), url=url) as process,
        subprocess.Popen(["cat"], stdin=process.stdout, stdout=subprocess.DEVNULL),
    ):
        wait_until(lambda: asyncio.run(post(port, ENTRY)) == 200, "the app")
        try:
            yield port
        finally:
            process.terminate()


async def post(port: int, body: Any) -> int:
    """The status of one push on a connection of its own."""
    connection = await asyncio.open_connection("127.0.0.1", port)
    status = await push(*connection, request(body))
    connection[1].close()
    return status


def request(body: Any) -> bytes:
    content = json.dumps(body).encode()
    return b"POST %b HTTP/1.1\r\nHost: bench\r\nContent-Length: %d\r\n\r\n%b" % (PATH.encode(), len(content), content)


async def push(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sent: bytes) -> int:
    writer.write(sent)
    head = await reader.readuntil(b"\r\n\r\n")
    found = re.search(rb"content-length: (\d+)", head)
    assert found
    answer = json.loads(await reader.readexactly(int(found[1])))
    assert "_mock" not in answer, f"a fallback answered: {answer}"
    return int(head.split()[1])


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve_bench(int(sys.argv[2]), sys.stdin.read())
    else:
        append_bench(int(sys.argv[2]), sys.stdin.read())
