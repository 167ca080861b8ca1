"""A rollout's page on a desk and on a phone, by day and by night, in each state."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from cutover.rollout.page import page as made
from tests.support.page import overflow, violations
from tests.support.rollout_states import ROLLOUTS, named

pytestmark = pytest.mark.browser

REFRESHED = {"meta-refresh"}
"""A page that reads itself again is what a person on call wants; without a script there is no other way."""


def opened(tab: Page, name: str, folder: Path) -> Page:
    rollout = named(name)
    path = folder / "index.html"
    path.write_text(made(rollout.status, rollout.record, rollout.changes, rollout.samples))
    tab.goto(path.as_uri())
    return tab


@pytest.mark.parametrize("width", [1280, 390], ids=["desk", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_each_state_the_page_is_accessible_fits_its_window_and_asks_nobody(
    width: int, scheme: str, browser: Browser, tmp_path: Path
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 800},
        color_scheme=scheme,  # type: ignore[arg-type]
        bypass_csp=True,
    )
    tab = context.new_page()
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    for name in ROLLOUTS:
        page = opened(tab, name, tmp_path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        assert {each["rule"] for each in violations(page)} <= REFRESHED, name
        assert overflow(page) == 0, name
    assert {url.rpartition("/")[2] for url in asked} == {"index.html"}
    context.close()


def test_state_reason_and_what_to_type_are_on_the_first_screen_of_a_phone(browser: Browser, tmp_path: Path) -> None:
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = opened(context.new_page(), "held", tmp_path)

    for text in ("staged at 50 %, held", "at most 2.0% may be", "cutover rollback -s local", "cutover resume -s local"):
        box = page.get_by_text(text).first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] < 844, text
    context.close()
