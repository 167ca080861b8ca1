"""The application over mocks, called without a socket."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest

from tests.support.memory_audit import Call, MemoryAudit
from webnext.app import create_app
from webnext.assembly import services_for
from webnext.services import Services
from webnext.settings import Settings


@pytest.fixture
def audit() -> MemoryAudit:
    return MemoryAudit()


@pytest.fixture
def settings() -> Settings:
    return Settings(build_sha="4f2c1d9", version="1.5.1", environment="test")


@pytest.fixture
def services(settings: Settings, audit: MemoryAudit) -> Services:
    """All mocks, with an audit log in memory that says of itself that it is real."""
    return replace(services_for(settings), audit=audit)


@pytest.fixture
def call(services: Services) -> Call:
    """Send one request to the application and return its answer: call(method, path, **what httpx takes)."""
    app = create_app(services)

    def send(method: str, path: str, **request: Any) -> httpx.Response:
        async def exchange() -> httpx.Response:
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://web-next") as client:
                return await client.request(method, path, **request)

        return asyncio.run(exchange())

    return send
