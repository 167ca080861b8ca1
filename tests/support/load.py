"""A steady load on the app's own port: what it answered, and what was accepted, for a fault to be judged by."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

AUDITS_EACH_SECOND = 40
ALERTS_EACH_SECOND = 4
READS = (
    ("POST", "/api/audit/list", {"limit": 5}),
    ("POST", "/api/evidence/zip", {"runId": "load"}),
    ("GET", "/api/alerts/queue", None),
    ("GET", "/api/guardrails/read", None),
    ("GET", "/api/healthz", None),
    ("POST", "/api/snapshot/export", {"format": "csv", "hours": 1}),
)


@dataclass
class Seen:
    """What a load got back. Each audit entry goes under a trace id of its own, each alert under a title."""

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    mocked: Counter[str] = field(default_factory=Counter)
    kept: set[str] = field(default_factory=set)
    """Trace ids of the audit entries that were accepted."""
    refused: set[str] = field(default_factory=set)
    """Of those that were answered, and not accepted."""
    unknown: set[str] = field(default_factory=set)
    """Of those that got no answer at all: they may be kept once, or not."""
    alerts: dict[str, str] = field(default_factory=dict)
    """Titles of the alerts that were accepted, and the ids they were given."""
    slowest: float = 0.0

    @property
    def unexpected(self) -> dict[tuple[str, int], int]:
        """Answers that no fault excuses: anything but success and the documented "not accepted"."""
        return {key: count for key, count in self.statuses.items() if key[1] not in (200, 202, 503)}

    @property
    def failed(self) -> int:
        return sum(count for (_, status), count in self.statuses.items() if status == 503)


class Load:
    """Sends until it is stopped; requests that fail to connect are noted, never sent again."""

    def __init__(self, url: str) -> None:
        self.seen = Seen()
        self._url = url
        self._stop = threading.Event()
        self._name = uuid.uuid4().hex[:8]

    async def _run(self) -> None:
        limits = httpx.Limits(max_connections=200, max_keepalive_connections=50)
        http = httpx.AsyncClient(base_url=self._url, timeout=20, limits=limits, trust_env=False)
        async with http, asyncio.TaskGroup() as tasks:
            number = 0
            started = time.monotonic()
            while not self._stop.is_set():
                tasks.create_task(self._push(http, f"load-{self._name}-{number}"))
                if number % (AUDITS_EACH_SECOND // ALERTS_EACH_SECOND) == 0:
                    tasks.create_task(self._alert(http, f"load-{self._name}-{number}"))
                    tasks.create_task(self._read(http, *READS[number // 10 % len(READS)]))
                number += 1
                await asyncio.sleep(max(0, started + number / AUDITS_EACH_SECOND - time.monotonic()))

    async def _push(self, http: httpx.AsyncClient, trace: str) -> None:
        body = {"action": "load", "result": "ok", "traceId": trace, "details": {"n": trace}}
        answer = await self._ask(http, "POST", "/api/audit/push", body)
        if answer is None:
            self.seen.unknown.add(trace)
        elif answer.json()["ok"] is True:
            self.seen.kept.add(trace)
        else:
            self.seen.refused.add(trace)

    async def _alert(self, http: httpx.AsyncClient, title: str) -> None:
        answer = await self._ask(http, "POST", "/api/alerts/webhook", {"title": title, "severity": "info"})
        if answer is not None and answer.status_code == 202:
            self.seen.alerts[title] = answer.json()["jobId"]

    async def _read(self, http: httpx.AsyncClient, method: str, path: str, body: object) -> None:
        await self._ask(http, method, path, body)

    async def _ask(self, http: httpx.AsyncClient, method: str, path: str, body: object) -> httpx.Response | None:
        started = time.monotonic()
        try:
            answer = await http.request(method, path, json=body)
        except httpx.HTTPError as error:
            self.seen.statuses[f"{path} {type(error).__name__}", 0] += 1
            return None
        self.seen.slowest = max(self.seen.slowest, time.monotonic() - started)
        self.seen.statuses[path, answer.status_code] += 1
        if answer.headers["content-type"] == "application/json" and answer.json().get("_mock"):
            self.seen.mocked[path] += 1
        return answer


@contextmanager
def load(url: str) -> Iterator[Seen]:
    """Load `url` while the block runs; returns when the last request has its answer."""
    running = Load(url)
    thread = threading.Thread(target=asyncio.run, args=(running._run(),))
    thread.start()
    try:
        yield running.seen
    finally:
        running._stop.set()
        thread.join()
