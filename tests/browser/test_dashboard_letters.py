"""The dead letters on the page: shown while there are any, and put back by a person who says who it is."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, expect

from tests.support.page import Dashboard
from tests.support.site import Site
from webnext.dependency import AwayError

pytestmark = pytest.mark.browser


def letters(dashboard: Dashboard) -> Locator:
    return dashboard.page.locator("#letters-rows").get_by_role("row")


def button(dashboard: Dashboard, name: str) -> Locator:
    return dashboard.panel("letters").get_by_role("button", name=name)


def confirm(dashboard: Dashboard, by: str) -> Locator:
    """Say who it is and press Retry; returns the dialog."""
    dialog = dashboard.page.get_by_role("dialog")
    dialog.get_by_label("Your name").fill(by)
    dialog.get_by_role("button", name="Retry").click()
    return dialog


def asked(site: Site) -> list[str]:
    return [f"{one.method} {one.path}" for one in site.edge.asked if one.path.startswith("/api/alerts/")]


def test_without_dead_letters_there_is_no_panel_and_nothing_is_asked_for_it(site: Site, dashboard: Dashboard) -> None:
    dashboard.open()
    expect(dashboard.panel("queue")).to_contain_text("Dead letters")
    dashboard.settle()

    expect(dashboard.panel("letters")).to_be_hidden()
    assert asked(site) == ["GET /api/alerts/queue"]


def test_each_dead_letter_is_a_row_with_when_what_how_often_and_why(site: Site, dashboard: Dashboard) -> None:
    site.alerts.bury("Drawdown", lastError="no answer within 5 s")
    site.alerts.bury("<b>Margin</b>", attempts=1, lastError=None, traceId=None)
    dashboard.open()

    expect(letters(dashboard)).to_have_count(2)
    expect(letters(dashboard).first.get_by_role("cell")).to_have_text(
        ["", "02 Mar 09:30:02", "<b>Margin</b>", "1", "–", "–"]
    )
    expect(letters(dashboard).last.get_by_role("cell")).to_have_text(
        ["", "02 Mar 09:30:01", "Drawdown", "3", "no answer within 5 s", f"Copy trace id {1:032x}"]
    )
    expect(dashboard.panel("letters")).to_contain_text("1–2 of 2")
    expect(button(dashboard, "Retry selected")).to_be_disabled()
    assert dashboard.mocked() == set()


def test_what_is_ticked_is_put_back_once_a_person_has_said_who_it_is(site: Site, dashboard: Dashboard) -> None:
    for title in ("one", "two", "three"):
        site.alerts.bury(title)
    dashboard.open()
    for title in ("one", "three"):
        dashboard.page.get_by_role("checkbox", name=f"Retry {title}").check()
    button(dashboard, "Retry selected (2)").click()
    dialog = dashboard.page.get_by_role("dialog", name="Retry 2 of the dead letters?")
    expect(dialog).to_be_visible()
    assert dashboard.violations() == []
    dialog.get_by_role("button", name="Retry").click()
    expect(dialog, "a name is needed").to_be_visible()
    assert len(site.alerts.letters) == 3

    expect(confirm(dashboard, "Ada")).to_be_hidden()

    expect(dashboard.toast).to_contain_text("Put back: 2")
    expect(letters(dashboard)).to_have_count(1)
    expect(letters(dashboard)).to_contain_text("two")
    [entry] = site.audit.items
    assert entry.action == "alerts.retry"


def test_all_are_put_back_and_the_panel_goes(site: Site, dashboard: Dashboard) -> None:
    for number in range(30):
        site.alerts.bury(f"alert {number}")
    dashboard.open()
    expect(letters(dashboard)).to_have_count(10)

    button(dashboard, "Retry all").click()
    confirm(dashboard, "Ada")

    expect(dashboard.toast).to_contain_text("Put back: 30")
    expect(dashboard.panel("letters")).to_be_hidden()
    assert site.alerts.letters == []


@pytest.mark.parametrize("way", ["Cancel", "Escape"])
def test_who_does_not_confirm_puts_nothing_back(site: Site, dashboard: Dashboard, way: str) -> None:
    site.alerts.bury("Drawdown")
    dashboard.open()
    button(dashboard, "Retry all").click()
    dialog = dashboard.page.get_by_role("dialog")
    dialog.get_by_label("Your name").fill("Ada")
    if way == "Cancel":
        dialog.get_by_role("button", name="Cancel").click()
    else:
        dashboard.page.keyboard.press("Escape")

    expect(dialog).to_be_hidden()
    dashboard.settle()
    assert "POST /api/alerts/queue" not in asked(site)


def test_what_was_not_put_back_is_said(site: Site, dashboard: Dashboard) -> None:
    site.alerts.bury("Drawdown")
    site.alerts.failure = AwayError("redis", "gone")
    dashboard.open()
    button(dashboard, "Retry all").click()
    confirm(dashboard, "Ada")

    expect(dashboard.toast).to_contain_text("Not put back: HTTP 503: redis: gone")
    expect(letters(dashboard)).to_have_count(1)


def test_a_retry_waits_while_the_edge_limits(site: Site, dashboard: Dashboard) -> None:
    site.alerts.bury("Drawdown")
    dashboard.open()
    expect(letters(dashboard)).to_have_count(1)
    site.edge.retry_after = "60"
    dashboard.refresh.click()
    expect(dashboard.notice).to_be_visible()
    before = len(site.edge.asked)
    button(dashboard, "Retry all").click()
    confirm(dashboard, "Ada")

    expect(dashboard.toast).to_contain_text("Not put back: requests have to wait for")
    assert len(site.edge.asked) == before


def test_older_and_newer_turn_the_page(site: Site, dashboard: Dashboard) -> None:
    for number in range(25):
        site.alerts.bury(f"alert {number}")
    dashboard.open()
    expect(letters(dashboard).first).to_contain_text("alert 24")
    expect(button(dashboard, "Newer")).to_be_disabled()

    button(dashboard, "Older").click()
    expect(letters(dashboard).first).to_contain_text("alert 14")
    button(dashboard, "Older").click()

    expect(letters(dashboard)).to_have_count(5)
    expect(dashboard.panel("letters")).to_contain_text("21–25 of 25")
    expect(button(dashboard, "Older")).to_be_disabled()
    button(dashboard, "Newer").click()
    expect(letters(dashboard).first).to_contain_text("alert 14")


def test_a_fallbacks_dead_letters_have_a_chip(site: Site, dashboard: Dashboard) -> None:
    site.alerts.bury("Drawdown")
    site.alerts.mock = True
    dashboard.open()

    expect(dashboard.mock_chip("letters")).to_be_visible()
