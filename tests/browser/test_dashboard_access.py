"""Copying, the keyboard, screen readers, small windows, and what the browser itself complains of."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

import pytest
from playwright.sync_api import Browser, expect

from tests.support.page import Dashboard
from tests.support.site import Site
from webnext.contract.guardrails import Breach

pytestmark = pytest.mark.browser

TRACE = "5c1f0c7a-3c0e-4f3a-9a43-1d2f6c7b8a90"


def crowded(site: Site) -> None:
    """Everything that the page can show at once, long names included."""
    for number in range(30):
        site.audit.add("evidence.archive-" + "x" * (number * 4), result="err" if number % 3 else "ok", traceId=TRACE)
    site.audit.add("deploy", strategyId=None, traceId=None)
    site.audit.mock = site.guardrails.mock = site.alerts.mock = True
    site.guardrails.thresholds["maxOrderToTradeRatioOfTheWholeBookInOneDay"] = 0.5
    site.guardrails.breach = Breach(
        id="b", guardrail="maxDrawdown", value=0.3, threshold=0.15, at=datetime.now(UTC), strategyId="s" * 60
    )
    for number in range(30):
        site.alerts.bury(
            "Drawdown" + "x" * number * 4, lastError="e" * number * 9, traceId=TRACE if number % 3 else None
        )
    site.alerts.dead = 123456


def test_a_click_on_a_trace_id_copies_it_and_a_toast_says_so(site: Site, dashboard: Dashboard) -> None:
    site.audit.add("deploy", traceId=TRACE)
    dashboard.open()

    dashboard.trace_chip(TRACE).click()

    expect(dashboard.toast).to_have_text(f"Trace id copied {TRACE}")
    expect(dashboard.toast).to_have_role("status")
    expect(dashboard.toast).to_have_attribute("aria-live", "polite")
    assert dashboard.clipboard() == TRACE


def test_the_toast_goes_by_itself(site: Site, dashboard: Dashboard) -> None:
    site.audit.add("deploy", traceId=TRACE)
    dashboard.hold_clock()
    dashboard.open()
    dashboard.trace_chip(TRACE).click()
    expect(dashboard.toast).to_contain_text("Trace id copied")

    dashboard.pass_seconds(4)

    expect(dashboard.toast).to_be_empty()


def test_where_there_is_no_clipboard_interface_the_trace_id_is_copied_all_the_same(
    site: Site, dashboard: Dashboard
) -> None:
    site.audit.add("deploy", traceId=TRACE)
    dashboard.open()
    dashboard.page.evaluate(
        """() => {
          window.real = navigator.clipboard;
          Object.defineProperty(navigator, "clipboard", { value: undefined });
        }"""
    )

    dashboard.trace_chip(TRACE).click()

    expect(dashboard.toast).to_contain_text("Trace id copied")
    expect(dashboard.trace_chip(TRACE)).to_be_focused()
    assert dashboard.page.evaluate("real.readText()") == TRACE
    assert dashboard.page.locator("textarea").count() == 0


def test_where_copying_is_forbidden_the_toast_says_so_and_shows_the_trace_id(site: Site, dashboard: Dashboard) -> None:
    site.audit.add("deploy", traceId=TRACE)
    dashboard.open()
    dashboard.page.evaluate(
        """() => {
          Object.defineProperty(navigator, "clipboard", { value: undefined });
          document.execCommand = () => false;
        }"""
    )

    dashboard.trace_chip(TRACE).click()

    expect(dashboard.toast).to_have_text(f"Copying is not allowed here. The trace id is {TRACE}")


def test_a_trace_id_is_reached_and_copied_with_the_keyboard_alone(site: Site, dashboard: Dashboard) -> None:
    site.audit.add("deploy", traceId=TRACE)
    dashboard.open()
    expect(dashboard.rows).to_have_count(1)
    keyboard = dashboard.page.keyboard

    keyboard.press("Tab")
    expect(dashboard.page.get_by_role("link", name="Skip to content")).to_be_focused()
    expect(dashboard.page.get_by_role("link", name="Skip to content")).to_be_in_viewport()
    keyboard.press("Enter")
    expect(dashboard.page.get_by_role("main")).to_be_focused()
    keyboard.press("Tab")
    chip = dashboard.trace_chip(TRACE)
    expect(chip).to_be_focused()
    assert chip.evaluate("chip => getComputedStyle(chip).outlineStyle") == "solid"
    keyboard.press("Enter")

    expect(dashboard.toast).to_contain_text("Trace id copied")
    assert dashboard.clipboard() == TRACE
    keyboard.press("Shift+Tab")
    expect(dashboard.refresh).to_be_focused()
    before = len(site.edge.asked)
    keyboard.press("Space")
    dashboard.settle()
    assert len(site.edge.asked) == before + 4


def test_the_page_has_landmarks_headings_and_a_title(dashboard: Dashboard) -> None:
    dashboard.open()

    expect(dashboard.page).to_have_title("Dashboard · web-next")
    expect(dashboard.page.get_by_role("banner")).to_have_count(1)
    expect(dashboard.page.get_by_role("main")).to_have_count(1)
    for name in ("Guardrails", "Alert queue", "Recent actions"):
        expect(dashboard.page.get_by_role("region", name=name)).to_have_count(1)
        expect(dashboard.page.get_by_role("heading", name=name, level=2)).to_have_count(1)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_axe_finds_nothing_wrong(site: Site, browser: Browser, scheme: Literal["light", "dark"], width: int) -> None:
    crowded(site)
    context = browser.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 800}, reduced_motion="reduce"
    )
    dashboard = Dashboard(context.new_page(), site.url).open()
    expect(dashboard.rows).to_have_count(20)
    assert dashboard.violations() == []

    dashboard.rows.nth(1).get_by_role("button").click()
    site.edge.faults["/api/alerts/queue"] = (502, "text/html", b"")
    site.edge.faults["/api/healthz"] = (502, "text/html", b"")
    dashboard.refresh.click()
    expect(dashboard.stale("queue")).to_be_visible()
    expect(dashboard.stale("process")).to_be_visible()
    site.edge.retry_after = "60"
    dashboard.refresh.click()
    expect(dashboard.notice).to_be_visible()
    dashboard.refresh.hover()

    assert dashboard.violations() == []
    assert dashboard.complaints == []
    context.close()


def test_axe_would_find_an_image_without_a_text(dashboard: Dashboard) -> None:
    dashboard.open()
    dashboard.page.evaluate(
        "document.querySelector('main').append(Object.assign(new Image(), { src: '/dashboard/ok.svg' }))"
    )

    assert [violation["rule"] for violation in dashboard.violations()] == ["image-alt"]


@pytest.mark.parametrize("width", [360, 768, 1280, 1920])
def test_the_page_is_never_wider_than_its_window(site: Site, dashboard: Dashboard, width: int) -> None:
    crowded(site)
    dashboard.page.set_viewport_size({"width": width, "height": 740})
    dashboard.open()
    expect(dashboard.rows).to_have_count(20)
    dashboard.rows.nth(1).get_by_role("button").click()
    site.edge.retry_after = "60"
    dashboard.refresh.click()
    expect(dashboard.notice).to_be_visible()

    assert dashboard.overflow() == 0
    cut = dashboard.page.locator("main *:visible").evaluate_all(
        """elements => elements
          .filter(element => !element.closest(".unseen, thead") && element.getBoundingClientRect().right > innerWidth)
          .map(element => element.className)"""
    )
    assert cut == []


def test_on_a_phone_an_action_is_a_card_and_still_a_row(site: Site, dashboard: Dashboard) -> None:
    site.audit.add("deploy", traceId=TRACE)
    dashboard.page.set_viewport_size({"width": 360, "height": 740})
    dashboard.open()

    expect(dashboard.rows).to_have_count(1)
    expect(dashboard.rows.get_by_role("cell")).to_have_count(5)
    action, result, time, strategy = dashboard.rows.evaluate_all(
        """(rows, names) => names.map(name => rows[0].querySelector(name).getBoundingClientRect().y)""",
        [".action", ".result", "td.time", ".strategy"],
    )
    assert action == result < time < strategy


def test_whoever_wants_less_motion_gets_none(site: Site, dashboard: Dashboard) -> None:
    site.audit.add("deploy", traceId=TRACE)
    dashboard.page.emulate_media(reduced_motion="reduce")
    dashboard.open()
    dashboard.trace_chip(TRACE).click()

    toast = dashboard.toast.locator("p")
    assert toast.evaluate("toast => getComputedStyle(toast).animationName") == "none"


def test_a_script_that_does_not_start_is_said_to_have_not(site: Site, dashboard: Dashboard) -> None:
    dashboard.page.route("**/dashboard/polling.js", lambda route: route.abort())
    dashboard.page.goto(f"{site.url}/dashboard")

    expect(dashboard.page.locator("#boot")).to_be_visible(timeout=10_000)
    expect(dashboard.page.locator("#boot")).to_contain_text("reload the page")


def test_the_watch_over_the_page_sees_exceptions_policy_violations_and_errors(site: Site, browser: Browser) -> None:
    context = browser.new_context()
    dashboard = Dashboard(context.new_page(), site.url).open()
    assert dashboard.complaints == []

    dashboard.page.evaluate(
        """() => {
          document.body.append(Object.assign(document.createElement("script"), { textContent: "1" }));
          document.body.setAttribute("style", "color: red");
          console.error("told");
          setTimeout(() => { throw new Error("thrown"); });
        }"""
    )
    dashboard.page.wait_for_timeout(200)

    found = "\n".join(dashboard.complaints)
    assert "CSP: script-src" in found
    assert "CSP: style-src" in found
    assert "told" in found
    assert "exception: thrown" in found
    context.close()
