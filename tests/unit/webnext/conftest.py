"""The application over an audit log in memory, called without a socket."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from tests.unit.webnext.doubles import Call, MemoryAudit
from webnext.app import create_app
from webnext.settings import Settings


@pytest.fixture
def audit() -> MemoryAudit:
    return MemoryAudit()


@pytest.fixture
def settings() -> Settings:
    return Settings(build_sha="4f2c1d9", version="1.5.1", environment="test")


@pytest.fixture
def call(settings: Settings, audit: MemoryAudit) -> Call:
    """Send one request to the application and return its answer: call(method, path, **what httpx takes)."""
    app = create_app(settings, audit)

    def send(method: str, path: str, **request: Any) -> httpx.Response:
        async def exchange() -> httpx.Response:
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://web-next") as client:
                return await client.request(method, path, **request)

        return asyncio.run(exchange())

    return send
