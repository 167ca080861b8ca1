"""The application over mocks, called without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from tests.support import alert_stubs
from tests.support.alert_stubs import Stub
from tests.support.double import Client, running
from tests.support.memory_audit import Call, MemoryAudit
from webnext.alerts.mock import MockAlerts
from webnext.alerts.production import ProductionAlerts
from webnext.app import create_app
from webnext.assembly import services_for
from webnext.services import Services
from webnext.settings import Settings


@dataclass(frozen=True)
class Made:
    """The application and what it stands on, made once: FastAPI takes routes apart anew for each application, and an
    HTTP client reads every authority of the machine."""

    audit: MemoryAudit
    alerts: MockAlerts
    services: Services
    app: ASGIApp


@pytest.fixture(scope="session")
def made() -> Made:
    audit, alerts = MemoryAudit(), MockAlerts()
    settings = Settings(build_sha="4f2c1d9", version="1.5.1", environment="test")
    services = replace(services_for(settings), audit=audit, alerts=alerts)
    return Made(audit, alerts, services, create_app(services))


@pytest.fixture
def audit(made: Made) -> MemoryAudit:
    made.audit.forget()
    return made.audit


@pytest.fixture
def services(made: Made, audit: MemoryAudit) -> Services:
    """All mocks, with an audit log in memory that says of itself that it is real."""
    made.alerts._pending = 0
    return made.services


@pytest.fixture
def settings(services: Services) -> Settings:
    return services.settings


@pytest.fixture
def call(made: Made, services: Services) -> Call:
    """Send one request to the application and return its answer: call(method, path, **what httpx takes)."""
    app = made.app if services is made.services else create_app(services)

    def send(method: str, path: str, **request: Any) -> httpx.Response:
        async def exchange() -> httpx.Response:
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://web-next") as client:
                return await client.request(method, path, **request)

        return asyncio.run(exchange())

    return send


@pytest.fixture
def double(tmp_path: Path) -> Iterator[Client]:
    """The executor's double, called without a socket, with its data in tmp_path."""
    with running(tmp_path) as client:
        yield client


@pytest.fixture
def outbox() -> Stub:
    return alert_stubs.outbox()


@pytest.fixture
def queues() -> Stub:
    return alert_stubs.queues()


@pytest.fixture
def alerts(outbox: Stub, queues: Stub) -> ProductionAlerts:
    """Alerts over both stubs."""
    return alert_stubs.alerts(outbox, queues)
