"""The pack's page on a desk and on a phone, by day and by night: readable by all, nothing wider than the window."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect

from cutover.smoke.report import Report
from tests.support.packs import CAVEATS, GO, NO_GO, pack
from tests.support.page import overflow, violations

pytestmark = pytest.mark.browser

REPORTS = {"GO": GO, "GO with caveats": CAVEATS, "NO-GO": NO_GO}
Scheme = Literal["light", "dark"]


@pytest.fixture(params=[1280, 390], ids=["desk", "phone"])
def width(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> Scheme:
    found: Scheme = request.param
    return found


@pytest.fixture
def tab(browser: Browser, width: int, scheme: Scheme) -> Iterator[Page]:
    """A tab that tells of everything that a page asks for. axe may run in it, which the page's own policy forbids."""
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=True)
    yield context.new_page()
    context.close()


def opened(tab: Page, report: Report, folder: Path) -> Page:
    written = pack(report).write(folder)
    tab.goto((written / "index.html").as_uri())
    return tab


@pytest.mark.parametrize("verdict", REPORTS)
def test_the_page_is_accessible_and_fits_its_window(verdict: str, tab: Page, tmp_path: Path) -> None:
    page = opened(tab, REPORTS[verdict], tmp_path)

    expect(page.get_by_role("heading", level=1)).to_contain_text(verdict)
    assert violations(page) == []
    assert overflow(page) == 0


def test_the_verdict_and_what_stops_it_are_on_the_first_screen_of_a_phone(browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = opened(context.new_page(), NO_GO, tmp_path)

    for text in ("NO-GO", "Stopped by Audit Postgres", "web-next 1.5.1", "What stops it, and how to look", "FAIL"):
        box = page.get_by_text(text).first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < 844, text
    context.close()


def test_the_page_asks_nobody_for_anything_and_complains_of_nothing(browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context()
    page = context.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    opened(page, NO_GO, tmp_path)

    assert [url.rpartition("/")[2] for url in asked] == ["index.html"]
    assert said == []
    context.close()
