"""The dashboard in a real browser, through the real edge, over the real stack.

The tests run in order, on one system.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, expect

from cutover.smoke.browser import chromium
from tests.support.faults import stopped
from tests.support.page import Dashboard
from tests.support.system import System, wait_for

pytestmark = pytest.mark.e2e

TRACE = "console-test-trace-1"
APPEARS_MS = 60_000
"""The slowest panel asks every 30 s; a request that the browser gave up on is asked again at the next turn."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def dashboard(standing: System, browser: Browser) -> Iterator[Dashboard]:
    """The page, open in a tab of its own. Fails where the browser had anything to complain of."""
    context = browser.new_context(ignore_https_errors=True, permissions=["clipboard-read", "clipboard-write"])
    made = Dashboard(context.new_page(), standing.outputs()["edge_url"])
    made.open()
    yield made
    context.close()
    assert made.complaints == []


def require_accepted(url: str) -> None:
    entry = {"action": "console", "result": "ok", "traceId": TRACE}
    assert httpx.post(f"{url}/api/audit/push", json=entry, trust_env=False).json()["ok"] is True


def test_a_trace_id_is_copied_and_said_and_no_source_is_a_mock(standing: System, dashboard: Dashboard) -> None:
    require_accepted(standing.app)
    dashboard.trace_chip(TRACE).first.click(timeout=APPEARS_MS)

    expect(dashboard.toast).to_contain_text("Trace id copied")
    assert dashboard.clipboard() == TRACE
    expect(dashboard.page.locator("body")).to_contain_text(standing.outputs()["release"]["build_sha"])
    assert dashboard.mocked() == set()


def test_chips_appear_when_postgres_stops_and_vanish_when_it_is_back(standing: System, dashboard: Dashboard) -> None:
    dashboard.settle()
    assert dashboard.mocked() == set()

    with stopped(standing.container("audit")):
        dashboard.refresh.click()
        expect(dashboard.mock_chip("actions")).to_be_visible(timeout=APPEARS_MS)
        # Of alerts, those that wait in Postgres alone cannot be counted.
        expect(dashboard.mock_chip("queue")).to_be_visible(timeout=APPEARS_MS)
        assert dashboard.mocked() == {"actions", "queue"}

    wait_for(standing.well)
    dashboard.refresh.click()
    expect(dashboard.mock_chip("actions")).to_be_hidden(timeout=APPEARS_MS)
    expect(dashboard.mock_chip("queue")).to_be_hidden(timeout=APPEARS_MS)
    assert dashboard.mocked() == set()


def test_a_breach_at_the_executor_is_shown(standing: System, dashboard: Dashboard) -> None:
    expect(dashboard.panel("guardrails")).not_to_contain_text("21%")

    httpx.post(
        f"{standing.executor}/double/breach", json={"guardrail": "maxDrawdown", "value": 0.21}, trust_env=False
    ).raise_for_status()

    dashboard.refresh.click()
    expect(dashboard.panel("guardrails")).to_contain_text("21%", timeout=APPEARS_MS)


def test_a_countdown_shows_while_the_edge_limits_and_goes_away(standing: System, dashboard: Dashboard) -> None:
    edge = standing.outputs()["edge_url"]
    dashboard.settle()
    full = threading.Event()

    def fill() -> None:
        with httpx.Client(verify=False, timeout=10, trust_env=False) as http:
            while not full.is_set():
                http.get(f"{edge}/api/healthz")
                time.sleep(0.05)

    filling = threading.Thread(target=fill)
    filling.start()
    try:
        time.sleep(1)
        dashboard.refresh.click()
        expect(dashboard.notice).to_contain_text("next try in", timeout=APPEARS_MS)
    finally:
        full.set()
        filling.join()

    expect(dashboard.notice).not_to_contain_text("next try in", timeout=APPEARS_MS)
