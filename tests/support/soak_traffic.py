"""What clients ask of a running system for a long time: each kind at its own pace, each promise in the ledger."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from ssl import SSLContext
from typing import Any

import httpx

from tests.support.ledger import Ledger, Weather

ENTRIES_A_SECOND = 20
BURST, BURST_SECONDS = 12, 24.0
"""So many alerts at once, every so many seconds: half of what a receiver of one a second takes."""
AGAIN_SECONDS = 1.0
"""Before an entry that was not accepted is sent again, under its key."""
PAGE = (
    ("GET", "/dashboard", None, 60.0),
    ("POST", "/api/audit/list", {"limit": 20}, 15.0),
    ("GET", "/api/guardrails/read", None, 30.0),
    ("GET", "/api/alerts/queue", None, 30.0),
    ("GET", "/api/alerts/dlq", None, 30.0),
    ("GET", "/api/healthz", None, 60.0),
)
"""What an open dashboard asks, and every how many seconds."""
OFTEN = 15
"""So many dashboards are one client, whose requests meet each fault."""
EVIDENCE_BYTES = 200_000
HANDS = 200
"""Requests under way at most: a machine that is too slow for the clients makes them late, where more and more of them
waited for a connection until the client did nothing but look for one."""

Doing = Callable[[int], Coroutine[Any, Any, None]]


class Traffic:
    """The clients of one run: machines at the app's own address, a browser at the edge."""

    def __init__(self, app: str, edge: str, authority: SSLContext, ledger: Ledger, weather: Weather) -> None:
        self._app, self._edge, self._authority = app, edge, authority
        self._ledger = ledger
        self._weather = weather
        self._over = threading.Event()
        self.latency: list[float] = []
        """Seconds of each push that met no fault."""

    async def run(self) -> None:
        """Ask until it is over, and wait for the last answers."""
        limits = httpx.Limits(max_connections=HANDS, max_keepalive_connections=50)
        async with (
            httpx.AsyncClient(base_url=self._app, timeout=20, limits=limits, trust_env=False) as app,
            httpx.AsyncClient(base_url=self._edge, timeout=20, verify=self._authority, trust_env=False) as edge,
            httpx.AsyncClient(timeout=20, trust_env=False) as store,
            asyncio.TaskGroup() as tasks,
        ):
            self._http, self._store, self._tasks, self._hands = app, store, tasks, asyncio.Semaphore(HANDS)
            tasks.create_task(self._every(1 / ENTRIES_A_SECOND, self._push))
            tasks.create_task(self._every(BURST_SECONDS / BURST, self._alert, at_once=BURST))
            tasks.create_task(self._every(1.0, self._look))
            tasks.create_task(self._every(30.0, self._export))
            tasks.create_task(self._every(5.0, self._upload))
            for http, often in ((app, 1), (app, OFTEN), (edge, 1)):
                for method, path, body, seconds in PAGE:
                    tasks.create_task(self._every(seconds / often, self._asking(http, method, path, body)))

    def end(self) -> None:
        """No request begins any more."""
        self._over.set()

    async def _every(self, seconds: float, do: Doing, at_once: int = 1) -> None:
        """Do it with a number that rises, at its time whether or not the one before has ended, if there are HANDS."""
        began = time.monotonic()
        for number in count():
            if self._over.is_set():
                return
            await self._hands.acquire()
            self._tasks.create_task(do(number)).add_done_callback(lambda _: self._hands.release())
            due = began + (number + 1) // at_once * at_once * seconds
            while not self._over.is_set() and (left := due - time.monotonic()) > 0:
                await asyncio.sleep(min(left, 0.5))

    def _asking(self, http: httpx.AsyncClient, method: str, path: str, body: object) -> Doing:
        async def ask(_: int) -> None:
            await self._ask(method, path, body, http=http)

        return ask

    async def _ask(
        self, method: str, path: str, body: object = None, *, http: httpx.AsyncClient | None = None, key: str = ""
    ) -> httpx.Response | None:
        """The answer, which is counted; None where there was none."""
        began = time.monotonic()
        headers = {"idempotency-key": key} if key else {}
        try:
            answer = await (http or self._http).request(method, path, json=body, headers=headers)
        except httpx.HTTPError as error:
            self._note(path, f"no answer: {type(error).__name__}", began)
            return None
        said = {200: "ok", 202: "ok", 503: "refused"}.get(answer.status_code, f"status {answer.status_code}")
        mock = answer.headers.get("x-web-next-mock") == "true" and said == "ok"
        if self._note(path, "fallback" if mock else said, began) == "quiet" and path == "/api/audit/push":
            self.latency.append(time.monotonic() - began)
        return answer

    def _note(self, path: str, what: str, began: float) -> str:
        moment = self._weather.since(began)
        self._ledger.answers[path, what, moment] += 1
        return moment

    async def _push(self, number: int) -> None:
        """One entry, sent until it is accepted."""
        key = f"{self._ledger.run}-{number:06}"
        body = {"action": "soak", "result": "ok", "traceId": key, "details": {"n": key, "text": "x" * (number % 500)}}
        self._ledger.sent.add(key)
        answer = await self._ask("POST", "/api/audit/push", body, key=key)
        while answer is None or answer.status_code == 503:
            await asyncio.sleep(AGAIN_SECONDS)
            answer = await self._ask("POST", "/api/audit/push", body, key=key)
        if answer.status_code == 200:
            self._ledger.entries[key] = answer.json().get("via") or "postgres"

    async def _alert(self, number: int) -> None:
        """One alert, sent once: a sender of webhooks does not know what became of one without an answer."""
        title = f"{self._ledger.run}-alert-{number:05}"
        answer = await self._ask("POST", "/api/alerts/webhook", {"title": title, "severity": "info"})
        if answer is not None and answer.status_code == 202:
            self._ledger.alerts[title] = answer.json()["jobId"]

    async def _look(self, number: int) -> None:
        """An entry of a while ago, by its trace: there once, unless a fallback has it or answers."""
        key = f"{self._ledger.run}-{max(0, number - 2) * ENTRIES_A_SECOND:06}"
        answer = await self._ask("POST", "/api/audit/list", {"limit": 10, "traceId": key})
        if answer is None or answer.json().get("_mock") or self._ledger.entries.get(key) != "postgres":
            return
        if (seen := len(answer.json()["items"])) != 1:
            self._note("/api/audit/list", f"an entry {seen} times", time.monotonic())

    async def _export(self, _: int) -> None:
        """The last hour, whole, unless the database goes away on the way."""
        began, lines, last = time.monotonic(), 0, ""
        try:
            async with self._http.stream("POST", "/api/snapshot/export", json={"hours": 1}) as answer:
                async for line in answer.aiter_lines():
                    lines, last = lines + 1, line or last
        except httpx.HTTPError as error:
            self._note("/api/snapshot/export", f"no answer: {type(error).__name__}", began)
            return
        whole = last.startswith("# Rows: ")
        mock = answer.headers.get("x-web-next-mock") == "true" or last.startswith("# INCOMPLETE: ")
        self._note("/api/snapshot/export", "fallback" if mock else "ok" if whole else f"ends with {last[:80]!r}", began)

    async def _upload(self, number: int) -> None:
        """A zip, put where the grant says, archived, and got back."""
        content = b"PK\x05\x06" + secrets.token_bytes(EVIDENCE_BYTES)
        sha, run = hashlib.sha256(content).hexdigest(), f"{self._ledger.run}-{number}"
        granted = await self._ask("POST", "/api/evidence/zip", {"runId": run, "sizeBytes": len(content)})
        if granted is None or granted.status_code != 200:
            return
        grant = granted.json()
        zipped = {"content-type": "application/zip", "if-none-match": "*"}
        try:
            (await self._store.put(grant["uploadUrl"], content=content, headers=zipped)).raise_for_status()
            body = {"key": grant["key"], "runId": run, "sha256": sha}
            archived = await self._ask("POST", "/api/evidence/archive", body)
            if archived is None or archived.status_code != 200:
                return
            got = (await self._store.get(grant["downloadUrl"])).raise_for_status().content
        except httpx.HTTPError:  # what is not archived was not accepted
            return
        if hashlib.sha256(got).hexdigest() != sha:
            self._note("/api/evidence/archive", "what is got is not what was put", time.monotonic())
        self._ledger.evidence[grant["key"]] = "" if grant["_mock"] else sha


@contextmanager
def going_on(traffic: Traffic) -> Iterator[None]:
    """The clients ask while the block runs; returns when the last one has its answer."""
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(asyncio.run, traffic.run())
        try:
            yield
        finally:
            traffic.end()
            running.result()
