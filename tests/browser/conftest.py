"""The real application over doubles on a loopback port, and a browser to open it with."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, expect

from tests.browser.chromium import chromium
from tests.browser.doubles import Edge, SwitchedAlerts, SwitchedAudit, SwitchedGuardrails
from tests.browser.page import Dashboard
from webnext.app import create_app
from webnext.assembly import services_for
from webnext.settings import FlagValues, Settings

expect.set_options(timeout=15_000)


@dataclass
class Site:
    """The running application and everything that a test may switch."""

    url: str
    edge: Edge
    audit: SwitchedAudit
    guardrails: SwitchedGuardrails
    alerts: SwitchedAlerts


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def settings() -> Settings:
    flags = FlagValues(FEATURE_AUTO_PAUSE=0.1, FEATURE_BATCH_PROMOTE=1.0, EVIDENCE_CLEANUP_DRY_RUN=True)
    return Settings(build_sha="4f2c1d9", version="1.5.1", environment="test", flags=flags)


@pytest.fixture
def site(settings: Settings) -> Iterator[Site]:
    audit, guardrails, alerts = SwitchedAudit(), SwitchedGuardrails(), SwitchedAlerts()
    services = replace(services_for(settings), audit=audit, guardrails=guardrails, alerts=alerts)
    edge = Edge(create_app(services))
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(edge, log_config=None, access_log=False, timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield Site(f"http://127.0.0.1:{listener.getsockname()[1]}", edge, audit, guardrails, alerts)
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A profile of its own that may use the clipboard, in UTC."""
    made = browser.new_context(
        permissions=["clipboard-read", "clipboard-write"],
        timezone_id="UTC",
        locale="en-GB",
        viewport={"width": 1280, "height": 800},
    )
    yield made
    made.close()


@pytest.fixture
def dashboard(site: Site, context: BrowserContext) -> Iterator[Dashboard]:
    """The page in a tab, not opened yet. Fails where the browser had anything to complain of."""
    page = Dashboard(context.new_page(), site.url)
    yield page
    assert page.complaints == []
