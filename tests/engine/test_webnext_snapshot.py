"""The export over real sockets: what a process holds while it sends, and what it lets go of when nobody takes it."""

from __future__ import annotations

import asyncio
import multiprocessing
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from tests.support.containers import free_port, wait_until
from webnext.app import create_app
from webnext.assembly import services_for
from webnext.audit.mock import MockAudit
from webnext.contract.audit import AuditItem
from webnext.services import Services
from webnext.settings import Settings

pytestmark = pytest.mark.engine

PATH = "/api/snapshot/export"
PAGE = 500
MIB = 2**20


class Numbered(MockAudit):
    """An audit log of `hours` × 1000 entries, read a page at a time; `reading` counts who reads now."""

    def __init__(self, reading: Synchronized[int], read: Synchronized[int]) -> None:
        super().__init__()
        self.adapter = "production"
        self._reading = reading
        self._read = read

    async def since(self, hours: int) -> AsyncIterator[AuditItem]:
        self._reading.value += 1
        try:
            for number in range(hours * 1000):
                if number % PAGE == 0:
                    await asyncio.sleep(0)
                self._read.value += 1
                yield AuditItem(
                    id=number, ts=datetime.now(UTC), action="deploy", result="ok", details={"text": "x" * 100}
                )
        finally:
            self._reading.value -= 1


def serve(port: int, reading: Synchronized[int], read: Synchronized[int]) -> None:
    services: Services = replace(services_for(Settings(environment="test")), audit=Numbered(reading, read))
    uvicorn.run(create_app(services), host="127.0.0.1", port=port, log_level="error")


@dataclass(frozen=True)
class Server:
    """A process that serves the application."""

    port: int
    pid: int
    reading: Synchronized[int]
    read: Synchronized[int]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def most_memory(self) -> int:
        """The most bytes that were ever resident."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        assert found
        return int(found[1]) * 1024

    def answers(self) -> bool:
        return httpx.get(f"{self.url}/healthz", trust_env=False).status_code == 200

    @contextmanager
    def export(self, hours: int) -> Iterator[httpx.Response]:
        with httpx.stream("POST", self.url + PATH, json={"hours": hours}, timeout=60, trust_env=False) as answer:
            assert answer.status_code == 200
            yield answer


@pytest.fixture
def server() -> Iterator[Server]:
    processes = multiprocessing.get_context("spawn")
    reading, read = processes.Value("l", 0), processes.Value("l", 0)
    port = free_port()
    process = processes.Process(target=serve, args=(port, reading, read))
    process.start()
    try:
        assert process.pid
        running = Server(port, process.pid, reading, read)
        wait_until(running.answers, "the application", 60)
        yield running
    finally:
        process.terminate()
        process.join(10)


def test_a_file_of_100000_rows_arrives_whole_and_takes_no_more_memory_than_one_of_1000(server: Server) -> None:
    with server.export(hours=1) as answer:
        answer.read()
    before = server.most_memory()

    rows, size, last = 0, 0, b""
    with server.export(hours=100) as answer:
        for piece in answer.iter_bytes():
            rows += piece.count(b"\n")
            size += len(piece)
            last = (last + piece)[-100:]

    assert last.endswith(b"\n# Rows: 100000\n")
    assert rows == 100_000 + 8 + 1 + 1, "the entries, the comments, the columns' names and the end"
    assert size > 10 * MIB
    assert server.most_memory() - before < 4 * MIB


def test_a_client_that_leaves_midway_frees_the_source(server: Server) -> None:
    for _ in range(5):
        with server.export(hours=744) as answer:
            next(answer.iter_raw(1000))
            assert server.reading.value == 1

        wait_until(lambda: server.reading.value == 0, "the source to be closed", 10)

    assert server.read.value < 744_000, "not one of the five was read to its end"


def test_a_client_that_reads_nothing_is_waited_for_without_memory(server: Server) -> None:
    with server.export(hours=1) as answer:
        answer.read()
    before = server.most_memory()
    request = f"POST {PATH} HTTP/1.1\r\nHost: web-next\r\nContent-Length: 14\r\n\r\n" + '{"hours": 744}'
    assert len('{"hours": 744}') == 14

    with socket.create_connection(("127.0.0.1", server.port)) as idle:
        idle.sendall(request.encode())
        wait_until(lambda: _stands_still(server), "the export to stand still", 30)
        assert server.answers(), "the others are served meanwhile"
        assert server.most_memory() - before < 8 * MIB

    wait_until(lambda: server.reading.value == 0, "the source to be closed", 10)


def _stands_still(server: Server) -> bool:
    first: Any = server.read.value
    if first < 2000:
        return False
    asyncio.run(asyncio.sleep(0.5))
    return bool(server.read.value == first)


def test_of_eight_exports_that_nobody_takes_to_their_end_each_begins_at_once(server: Server) -> None:
    with ExitStack() as open_ones:
        exports = [open_ones.enter_context(server.export(hours=744)).iter_raw(1000) for _ in range(8)]
        for each in exports:
            assert next(each).startswith(b"# Spark"), "none waits for those before it to be taken"
        assert server.reading.value == 8
