"""The real application over doubles on a loopback port, and a browser to open it with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from cutover.smoke.browser import chromium
from tests.support.page import Dashboard
from tests.support.site import Site, running
from webnext.settings import FlagValues, Settings

expect.set_options(timeout=15_000)


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
    with running(settings) as made:
        yield made


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
