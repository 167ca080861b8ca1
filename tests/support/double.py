"""The executor's double, called without a socket."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
from starlette.types import ASGIApp, Message

from webnext.double.app import create_double
from webnext.executor import Bearer
from webnext.settings import Settings

ENTRY = {"action": "deploy", "result": "ok"}
ZIP = {"content-type": "application/zip"}


class Client:
    """Calls the double in an event loop of its own, where it stays open between the calls."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._runner = asyncio.Runner()

    def __enter__(self) -> Client:
        self._runner.run(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._close())
        self._runner.close()

    def request(self, method: str, path: str, **request: Any) -> httpx.Response:
        return self._runner.run(self._request(method, path, **request))

    def get(self, path: str) -> httpx.Response:
        return self.request("GET", path)

    def put(self, path: str, **request: Any) -> httpx.Response:
        return self.request("PUT", path, **request)

    def post(self, path: str, **request: Any) -> httpx.Response:
        return self.request("POST", path, **request)

    async def _request(self, method: str, path: str, **request: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://executor:3010") as client:
            return await client.request(method, path, **request)

    async def _open(self) -> None:
        self._told: asyncio.Queue[Message] = asyncio.Queue()
        self._says: asyncio.Queue[Message] = asyncio.Queue()
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        self._lifespan = asyncio.ensure_future(self._app(scope, self._told.get, self._says.put))
        await self._told.put({"type": "lifespan.startup"})
        assert await self._says.get() == {"type": "lifespan.startup.complete"}

    async def _close(self) -> None:
        await self._told.put({"type": "lifespan.shutdown"})
        assert await self._says.get() == {"type": "lifespan.shutdown.complete"}
        await self._lifespan


def running(folder: Path, url: str | None = None, token: Bearer | None = None) -> Client:
    """A double whose data are in the folder, open while it is entered."""
    return Client(create_double(Settings(executor_url=url), folder, token=token))


def post(double: Client, path: str, body: Any, **headers: str) -> Any:
    """Send a body that is taken; return the answer."""
    answer = double.post(path, json=body, headers={name.replace("_", "-"): value for name, value in headers.items()})
    assert answer.status_code == 200, answer.text
    return answer.json()
