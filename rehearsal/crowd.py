"""Runs in a container of the app's image: many clients of one edge, each under its limit, a JSON line for each answer.

`python3 crowd.py ORIGIN AUTHORITY RATE PATIENCE`: RATE requests a second at the edge ORIGIN, whose certificate for
localhost AUTHORITY signed; a client gives up after PATIENCE seconds. The edge must trust this container's
X-Forwarded-For: each client has an address of its own. SIGTERM ends it when the last answer has come.
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import json
import signal
import ssl
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx

FIRST_ADDRESS = int(ipaddress.IPv4Address("198.18.0.1"))
"""Of the clients: the range that is set apart for measuring networks (RFC 2544)."""
PAUSE_SECONDS, GREEDY_SECONDS = 1.5, 0.2
"""Between two requests of a client: 40 a minute, where the edge allows 60; and of one that meets the limit."""
GREEDY = 50
"""One client in so many is greedy."""
VISIT = 20
"""Requests of a client; then another one comes, without a cookie, and a new share decides on its track."""

Request = tuple[str, str, dict[str, Any] | None]
PAGE: Request = ("GET", "/dashboard", None)
BROWSER: tuple[Request, ...] = (
    ("POST", "/api/audit/list", {"limit": 5}),
    ("GET", "/api/guardrails/read", None),
    ("GET", "/api/alerts/queue", None),
    PAGE,
)
MACHINE: tuple[Request, ...] = (
    *[("POST", "/api/audit/push", {"action": "rehearsal", "result": "ok"})] * 10,
    ("POST", "/api/alerts/webhook", {"severity": "info"}),
    ("POST", "/api/evidence/zip", {"runId": "rehearsal"}),
)
"""Most requests write: the gates on audit entries need their number."""


@dataclass
class Client:
    """A browser, which opens the page and keeps its cookie, or a machine, which calls the API without one."""

    number: int
    cookie: str = ""
    free_at: float = 0.0
    asked: int = 0
    requests: Iterator[Request] = field(init=False)

    def __post_init__(self) -> None:
        # One in five is a browser. Each begins elsewhere in its mix.
        mix = BROWSER if self.number % 5 == 0 else MACHINE
        first = [PAGE] if mix is BROWSER else []
        begin = self.number % len(mix)
        self.requests = itertools.chain(first, itertools.cycle(mix[begin:] + mix[:begin]))

    @property
    def address(self) -> str:
        """Its own, by which the edge tells it from the others."""
        return str(ipaddress.IPv4Address(FIRST_ADDRESS + self.number))

    @property
    def pause(self) -> float:
        """Seconds from one of its requests to the next."""
        return GREEDY_SECONDS if is_greedy(self.address) else PAUSE_SECONDS


def is_greedy(address: str) -> bool:
    """Whether the client at an address is one that the edge is to limit."""
    return (int(ipaddress.IPv4Address(address)) - FIRST_ADDRESS) % GREEDY == GREEDY - 1


class Crowd:
    """Sends at a steady rate until it is told to stop, whatever comes back."""

    def __init__(self, http: httpx.AsyncClient, rate: float) -> None:
        self._http = http
        self._rate = rate
        self._numbers = itertools.count()
        self._clients: list[Client] = []
        self.stopping = asyncio.Event()

    async def run(self) -> None:
        clock, sent = asyncio.get_running_loop().time, 0
        started = clock()
        async with asyncio.TaskGroup() as tasks:
            while not self.stopping.is_set():
                tasks.create_task(self._ask(self._next(clock())))
                sent += 1
                await asyncio.sleep(max(0.0, started + sent / self._rate - clock()))

    def _next(self, now: float) -> Client:
        """A client that is free, else a new one."""
        self._clients = [client for client in self._clients if client.asked < VISIT]
        client = next((each for each in self._clients if each.free_at <= now), None)
        if client is None:
            client = Client(next(self._numbers))
            self._clients.append(client)
        client.free_at = now + client.pause
        client.asked += 1
        return client

    async def _ask(self, client: Client) -> None:
        method, path, body = next(client.requests)
        trace = f"rehearsal-{uuid.uuid4()}"
        headers = {"host": "localhost", "x-forwarded-for": client.address, "x-trace-id": trace}
        if client.cookie:
            headers["cookie"] = client.cookie
        said: dict[str, Any] = {"sent": time.time(), "client": client.address, "path": path, "trace": trace}
        try:
            answer = await self._http.request(
                method,
                path,
                json=body and {**body, "title": trace} if "webhook" in path else body,
                headers=headers,
                extensions={"sni_hostname": "localhost"},
            )
        except httpx.HTTPError as error:
            said |= {"status": 0, "why": type(error).__name__}
        else:
            client.cookie = answer.headers.get("set-cookie", client.cookie).partition(";")[0]
            document = answer.json() if answer.headers.get("content-type") == "application/json" else {}
            said |= {
                "status": answer.status_code,
                "track": answer.headers.get("x-edge-track"),
                "mock": bool(document.get("_mock")),
                "via": document.get("via"),
            }
        print(json.dumps(said | {"received": time.time()}), flush=True)


async def main(origin: str, authority: str, rate: str, patience: str) -> None:
    trust = ssl.create_default_context(cafile=authority)
    limits = httpx.Limits(max_connections=500, max_keepalive_connections=100)
    none = CookieJar(DefaultCookiePolicy(allowed_domains=[]))  # each client keeps its own
    async with httpx.AsyncClient(
        base_url=origin, verify=trust, timeout=float(patience), limits=limits, cookies=none, trust_env=False
    ) as http:
        crowd = Crowd(http, float(rate))
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, crowd.stopping.set)
        await crowd.run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
