"""What the panels show, and when they say that it is a fallback's or stale."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Browser, expect

from tests.support.page import Dashboard
from tests.support.site import Site
from webnext.contract.guardrails import Breach

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=\"document.title='taken'\">"


def test_the_newest_actions_are_in_a_table_with_time_result_strategy_and_trace_id(
    site: Site, dashboard: Dashboard
) -> None:
    site.audit.add("deploy", traceId="trace-of-deploy-1")
    site.audit.add("strategies.pause", result="err", strategyId="mean-reversion-7", traceId="trace-of-pause-1")
    dashboard.open()

    expect(dashboard.rows).to_have_count(2)
    newest = dashboard.rows.first
    expect(newest.get_by_role("cell")).to_have_text(
        ["02 Mar 09:30:02", "strategies.pause", "error", "mean-reversion-7", "Copy trace id trace-of-pause-1"]
    )
    expect(newest.locator("time")).to_have_attribute("title", "2026-03-02 09:30:02.000 UTC")
    expect(dashboard.rows.last.get_by_role("cell").nth(2)).to_have_text("ok")
    assert dashboard.panel("actions").get_by_role("columnheader").all_inner_texts() == [
        "Time",
        "Action",
        "Result",
        "Strategy",
        "Trace id",
    ]


def test_times_are_local_and_their_title_is_in_utc(site: Site, browser: Browser) -> None:
    site.audit.add("deploy")
    context = browser.new_context(timezone_id="America/New_York")
    dashboard = Dashboard(context.new_page(), site.url).open()

    expect(dashboard.rows.locator("time")).to_have_text("02 Mar 04:30:01")
    expect(dashboard.rows.locator("time")).to_have_attribute("title", "2026-03-02 09:30:01.000 UTC")
    context.close()


def test_todays_times_have_no_date_until_midnight(site: Site, dashboard: Dashboard) -> None:
    site.audit.add("deploy")
    dashboard.hold_clock()
    dashboard.open()
    expect(dashboard.rows.locator("time")).to_have_text("09:30:01")

    dashboard.page.clock.fast_forward("12:00:00")
    dashboard.pass_seconds(1)

    expect(dashboard.rows.locator("time")).to_have_text("02 Mar 09:30:01")


def test_at_most_twenty_actions_are_asked_for(site: Site, dashboard: Dashboard) -> None:
    for _ in range(25):
        site.audit.add("signal")
    dashboard.open()

    expect(dashboard.rows).to_have_count(20)
    expect(dashboard.rows.first).to_contain_text("strategy-25")


def test_an_empty_audit_log_says_so(dashboard: Dashboard) -> None:
    dashboard.open()

    expect(dashboard.panel("actions")).to_contain_text("No actions yet")
    expect(dashboard.rows).to_have_count(0)


def test_guardrails_show_thresholds_in_percent_and_counts_of_strategies(dashboard: Dashboard) -> None:
    dashboard.open()

    panel = dashboard.panel("guardrails")
    expect(panel.get_by_role("term")).to_have_text(
        ["Max drawdown", "Max exposure", "Max daily loss", "Live", "Paused", "Paper"]
    )
    expect(panel.get_by_role("definition")).to_have_text(["15%", "80%", "3.5%", "12", "2", "5"])
    expect(panel).to_contain_text("No breach")


def test_guardrails_show_the_last_breach_with_value_threshold_and_time(site: Site, dashboard: Dashboard) -> None:
    at = datetime(2026, 3, 2, 9, 31, tzinfo=UTC)
    site.guardrails.breach = Breach(
        id="b-1", guardrail="maxDrawdown", value=0.182, threshold=0.15, at=at, strategyId="mean-reversion-7"
    )
    site.guardrails.strategies = {}
    dashboard.open()

    breach = dashboard.page.locator("#breach")
    expect(breach).to_contain_text("Max drawdown")
    expect(breach).to_contain_text("18.2%, threshold 15%")
    expect(breach).to_contain_text("mean-reversion-7 · 02 Mar 09:31:00")
    expect(dashboard.panel("guardrails")).not_to_contain_text("No breach")
    expect(dashboard.panel("guardrails").get_by_role("heading", name="Strategies")).to_have_count(0)


def test_the_queue_shows_pending_dead_letters_and_the_oldest(site: Site, dashboard: Dashboard) -> None:
    site.alerts.dead = 3
    dashboard.open()

    panel = dashboard.panel("queue")
    expect(panel.get_by_role("term")).to_have_text(
        ["Pending", "Dead letters", "Oldest", "Waiting", "Active", "Delayed"]
    )
    expect(panel.get_by_role("definition")).to_have_text(["7", "3", "1m 35s", "4", "2", "1"])


def test_the_head_shows_environment_build_version_flags_and_the_last_update(dashboard: Dashboard) -> None:
    dashboard.open()

    head = dashboard.page.get_by_role("banner")
    expect(head.get_by_role("term")).to_have_text(
        [
            *("Environment", "Build", "Version", "Process"),
            *("FEATURE_AUTO_PAUSE", "FEATURE_BATCH_PROMOTE", "EVIDENCE_CLEANUP_DRY_RUN", "ALERTS_CONSUME"),
        ]
    )
    expect(head.get_by_role("definition")).to_have_text(["test", "4f2c1d9", "1.5.1", "ok", "10%", "100%", "on", "on"])
    expect(head).to_contain_text(re.compile(r"Updated \d\d:\d\d:\d\d"))


def test_a_mock_chip_is_on_exactly_the_panels_that_a_fallback_answered(site: Site, dashboard: Dashboard) -> None:
    site.audit.mock = True
    dashboard.open()
    expect(dashboard.mock_chip("actions")).to_be_visible()
    expect(dashboard.panel("queue")).to_contain_text("Pending")
    expect(dashboard.panel("guardrails")).to_contain_text("Max drawdown")
    assert dashboard.mocked() == {"actions"}

    site.audit.mock, site.alerts.mock, site.guardrails.mock = False, True, True
    dashboard.refresh.click()

    expect(dashboard.mock_chip("queue")).to_be_visible()
    expect(dashboard.mock_chip("guardrails")).to_be_visible()
    expect(dashboard.mock_chip("actions")).to_be_hidden()
    assert dashboard.mocked() == {"queue", "guardrails"}

    site.alerts.mock = site.guardrails.mock = False
    dashboard.refresh.click()

    expect(dashboard.mock_chip("queue")).to_be_hidden()
    expect(dashboard.mock_chip("guardrails")).to_be_hidden()
    assert dashboard.mocked() == set()


def test_a_chip_comes_and_goes_by_polling_alone(site: Site, dashboard: Dashboard) -> None:
    dashboard.hold_clock()
    dashboard.open()
    expect(dashboard.panel("actions")).to_contain_text("No actions yet")
    assert dashboard.mocked() == set()

    site.audit.mock = True
    dashboard.pass_seconds(16)
    expect(dashboard.mock_chip("actions")).to_be_visible()

    site.audit.mock = False
    dashboard.pass_seconds(16)
    expect(dashboard.mock_chip("actions")).to_be_hidden()


def test_hostile_text_stays_text_wherever_it_comes_from(site: Site, dashboard: Dashboard) -> None:
    site.audit.add(HOSTILE, strategyId=HOSTILE, traceId=HOSTILE)
    site.guardrails.thresholds = {HOSTILE: 0.1}
    site.guardrails.strategies = {HOSTILE: 1}
    site.guardrails.breach = Breach(
        id="b", guardrail=HOSTILE, value=1, threshold=0.1, at=datetime.now(UTC), strategyId=HOSTILE
    )
    error = b'{"_err": "<img src=x onerror=alert(1)>"}'
    site.edge.faults["/api/alerts/queue"] = (500, "application/json", error)
    dashboard.open()

    expect(dashboard.rows.first.get_by_role("cell").nth(1)).to_have_text(HOSTILE)
    expect(dashboard.stale("queue")).to_contain_text("HTTP 500: <img src=x onerror=alert(1)>")
    dashboard.trace_chip(HOSTILE).click()
    expect(dashboard.toast).to_contain_text(HOSTILE)
    assert dashboard.clipboard() == HOSTILE
    assert dashboard.page.locator("main img, #toast img").count() == 0
    assert dashboard.page.title() == "Dashboard · web-next"


def test_a_row_that_stays_keeps_the_focus_while_new_ones_come(site: Site, dashboard: Dashboard) -> None:
    old = site.audit.add("deploy")
    dashboard.open()
    chip = dashboard.trace_chip(str(old.traceId))
    chip.focus()

    site.audit.add("signal")
    dashboard.refresh.dispatch_event("click")

    expect(dashboard.rows).to_have_count(2)
    expect(dashboard.rows.first).to_contain_text("signal")
    expect(chip).to_be_focused()


def test_where_the_focused_row_goes_its_panel_is_focused(site: Site, dashboard: Dashboard) -> None:
    old = site.audit.add("deploy")
    dashboard.open()
    dashboard.trace_chip(str(old.traceId)).focus()

    site.audit.items.clear()
    dashboard.refresh.dispatch_event("click")

    expect(dashboard.rows).to_have_count(0)
    expect(dashboard.panel("actions")).to_be_focused()


FAULTS = {
    "HTTP 502": (502, "text/html", b"<html>Bad gateway</html>"),
    "HTTP 503: upstream unavailable": (503, "application/json", b'{"_err": "upstream unavailable"}'),
    "answer is not JSON": (200, "text/html", b"<html>Log in</html>"),
    "answer has another form than this page knows": (200, "application/json", b'{"items": null}'),
}


@pytest.mark.parametrize("why", FAULTS)
def test_a_panel_whose_source_fails_keeps_its_last_answer_marked_stale_with_age_and_trace_id(
    site: Site, dashboard: Dashboard, why: str
) -> None:
    site.audit.add("deploy")
    site.audit.mock = True
    dashboard.open()
    expect(dashboard.rows).to_have_count(1)

    site.edge.faults["/api/audit/list"] = FAULTS[why]
    dashboard.refresh.click()

    stale = dashboard.stale("actions")
    expect(stale).to_contain_text(re.compile(rf"Stale, \d+s old: {re.escape(why)}"))
    asked = [request.trace_id for request in site.edge.asked if request.path == "/api/audit/list"][-1]
    expect(stale.get_by_role("button")).to_have_accessible_name(f"Copy trace id {asked}")
    expect(dashboard.announcer).to_have_text(f"Recent actions: {why}")
    expect(dashboard.rows).to_have_count(1)
    expect(dashboard.mock_chip("actions")).to_be_visible()
    expect(dashboard.stale("queue")).to_be_hidden()

    site.edge.faults.clear()
    dashboard.refresh.click()

    expect(stale).to_be_hidden()
    expect(dashboard.announcer).to_have_text("Recent actions: up to date again")


def test_a_stale_panel_names_the_trace_id_of_the_newest_failure(site: Site, dashboard: Dashboard) -> None:
    dashboard.hold_clock()
    site.edge.faults["/api/audit/list"] = FAULTS["HTTP 502"]
    dashboard.open()
    expect(dashboard.stale("actions")).to_be_visible()
    first = dashboard.stale("actions").get_by_role("button").get_attribute("title")

    dashboard.pass_seconds(16)

    asked = [request.trace_id for request in site.edge.asked if request.path == "/api/audit/list"]
    assert first == asked[0]
    assert dashboard.stale("actions").get_by_role("button").get_attribute("title") == asked[-1] != first


def test_a_network_that_fails_leaves_every_panel_as_it_was_and_stale(site: Site, dashboard: Dashboard) -> None:
    site.audit.add("deploy")
    dashboard.open()
    expect(dashboard.rows).to_have_count(1)

    dashboard.page.context.set_offline(True)
    dashboard.refresh.click()

    for name in ("actions", "guardrails", "queue", "process"):
        expect(dashboard.page.locator(f"#{name}-stale")).to_contain_text(re.compile(r"Stale, .* old: network failure"))
    expect(dashboard.rows).to_have_count(1)
    expect(dashboard.panel("queue")).to_contain_text("Pending")
    expect(dashboard.page.locator("#build")).to_have_text("4f2c1d9")


def test_a_source_that_never_answered_says_why(site: Site, dashboard: Dashboard) -> None:
    site.edge.faults["/api/guardrails/read"] = FAULTS["HTTP 502"]
    dashboard.open()

    expect(dashboard.stale("guardrails")).to_contain_text("No answer yet: HTTP 502")


def test_a_source_that_does_not_answer_is_given_up_and_asked_again(site: Site, dashboard: Dashboard) -> None:
    dashboard.hold_clock()
    site.edge.slow["/api/alerts/queue"] = 60
    dashboard.open()
    expect(dashboard.panel("guardrails")).to_contain_text("Max drawdown")

    dashboard.page.clock.run_for(11_000)
    expect(dashboard.stale("queue")).to_contain_text("no answer within 10 s")

    site.edge.slow.clear()
    dashboard.pass_seconds(20)
    expect(dashboard.panel("queue")).to_contain_text("Pending")
    expect(dashboard.stale("queue")).to_be_hidden()
