"""When the page asks: its budget, the edge's limit, hidden tabs."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from tests.support.page import NOW, Dashboard
from tests.support.site import Site

pytestmark = pytest.mark.browser


@pytest.fixture
def ticking(dashboard: Dashboard) -> Dashboard:
    """The page with its clock in the test's hands; it has had its first answers."""
    dashboard.hold_clock()
    dashboard.open()
    expect(dashboard.page.locator("#build")).to_have_text("4f2c1d9")
    expect(dashboard.panel("queue")).to_contain_text("Pending")
    expect(dashboard.panel("guardrails")).to_contain_text("Max drawdown")
    expect(dashboard.panel("actions")).to_contain_text("No actions yet")
    return dashboard


def requests_of(seconds: int, site: Site, dashboard: Dashboard) -> list[int]:
    """Let seconds pass; returns how many requests each brought."""
    brought = []
    for _ in range(seconds):
        before = len(site.edge.asked)
        dashboard.pass_seconds(1)
        brought.append(len(site.edge.asked) - before)
    return brought


def busiest_minute(requests: list[int]) -> int:
    """The most requests of any 60 seconds in a row."""
    return max(sum(requests[at : at + 60]) for at in range(max(1, len(requests) - 59)))


def test_left_alone_the_page_asks_nine_times_a_minute(site: Site, ticking: Dashboard) -> None:
    ticking.pass_seconds(1)
    site.edge.asked.clear()

    requests = requests_of(120, site, ticking)

    assert sum(requests) == 18
    assert {request.path for request in site.edge.asked} == {
        *("/api/audit/list", "/api/guardrails/read", "/api/alerts/queue", "/api/healthz")
    }


def test_no_minute_has_more_than_twelve_requests_however_often_it_is_refreshed_or_reloaded(
    site: Site, ticking: Dashboard
) -> None:
    requests = [len(site.edge.asked)]
    for second in range(1, 131):
        before = len(site.edge.asked)
        if second % 2:
            ticking.refresh.click()
        if second in (20, 70):
            ticking.open()
        ticking.pass_seconds(1)
        requests.append(len(site.edge.asked) - before)

    assert busiest_minute(requests) == 12
    assert sum(requests) > 24


def test_a_refresh_beyond_the_budget_says_when_it_comes_and_comes_then(site: Site, ticking: Dashboard) -> None:
    for _ in range(2):
        ticking.refresh.click()
        ticking.settle()
    assert len(site.edge.asked) == 12

    ticking.refresh.click()
    expect(ticking.notice).to_contain_text(
        re.compile(r"Next refresh in \d+ s: this tab sends at most 12 requests a minute")
    )
    assert sum(requests_of(55, site, ticking)) == 0
    assert sum(requests_of(6, site, ticking)) >= 4
    expect(ticking.notice).to_be_hidden()


def test_a_hidden_tab_asks_nothing_and_asks_at_once_when_it_is_seen_again(site: Site, ticking: Dashboard) -> None:
    ticking.set_hidden(True)
    assert sum(requests_of(90, site, ticking)) == 0

    before = len(site.edge.asked)
    ticking.set_hidden(False)
    ticking.settle()

    assert len(site.edge.asked) - before == 4


def test_a_tab_seen_again_before_anything_is_due_asks_nothing(site: Site, ticking: Dashboard) -> None:
    ticking.pass_seconds(1)
    ticking.set_hidden(True)
    ticking.pass_seconds(5)
    before = len(site.edge.asked)

    ticking.set_hidden(False)
    ticking.settle()

    assert len(site.edge.asked) == before


def test_a_tab_seen_again_marks_nothing_stale_while_it_asks(site: Site, ticking: Dashboard) -> None:
    ticking.set_hidden(True)
    ticking.pass_seconds(90)
    site.edge.slow["/api/audit/list"] = 1

    ticking.set_hidden(False)

    assert not ticking.stale("actions").is_visible()


def test_a_second_click_while_answers_are_under_way_asks_nothing_more(site: Site, ticking: Dashboard) -> None:
    site.edge.slow = dict.fromkeys(
        ["/api/audit/list", "/api/guardrails/read", "/api/alerts/queue", "/api/healthz"], 0.5
    )

    ticking.refresh.dblclick()
    ticking.settle()

    assert len(site.edge.asked) == 8


def test_a_clock_that_is_set_back_stops_nothing(site: Site, ticking: Dashboard) -> None:
    ticking.page.clock.set_system_time(NOW - timedelta(hours=5))

    assert sum(requests_of(31, site, ticking)) >= 4


@pytest.mark.parametrize("limit", [None, "30"])
def test_a_clock_that_is_set_back_holds_a_reloaded_tab_for_a_minute_at_most(
    site: Site, dashboard: Dashboard, limit: str | None
) -> None:
    later = int((NOW + timedelta(hours=5)).timestamp() * 1000)
    dashboard.page.add_init_script(f"""
      sessionStorage.setItem("dashboard.sent", JSON.stringify(Array(12).fill({later})));
      {f'sessionStorage.setItem("dashboard.limit", "[{later}, {later + 30_000}]");' if limit else ""}
    """)
    dashboard.hold_clock()
    dashboard.open()

    expect(dashboard.notice).to_contain_text("next try in 30 s" if limit else "Next refresh in 60 s")
    assert sum(requests_of(58, site, dashboard)) == 0
    assert sum(requests_of(3, site, dashboard)) == 4


def test_a_limit_counts_down_and_nothing_is_asked_before_its_end(site: Site, ticking: Dashboard) -> None:
    site.audit.add("deploy")
    site.edge.retry_after = "12"
    ticking.refresh.click()
    expect(ticking.notice).to_contain_text("Limited, next try in 12 s")
    limited = site.edge.asked[-4:]
    chip = ticking.notice.get_by_role("button")
    assert chip.get_attribute("title") in {request.trace_id for request in limited}
    site.edge.retry_after = None

    ticking.refresh.click()
    assert sum(requests_of(5, site, ticking)) == 0
    expect(ticking.notice).to_contain_text("Limited, next try in 7 s")
    assert sum(requests_of(6, site, ticking)) == 0
    expect(ticking.panel("actions")).to_contain_text("No actions yet")
    expect(ticking.stale("actions")).to_be_hidden()

    assert sum(requests_of(2, site, ticking)) == 4
    expect(ticking.notice).to_be_hidden()
    expect(ticking.rows).to_have_count(1)


def test_a_limit_is_said_once_and_its_end_once(site: Site, ticking: Dashboard) -> None:
    ticking.page.evaluate(
        """() => {
          window.said = [];
          const region = document.getElementById("announcer");
          new MutationObserver(() => said.push(region.textContent)).observe(region, { childList: true });
        }"""
    )
    site.edge.retry_after = "9"
    ticking.refresh.click()
    expect(ticking.notice).to_be_visible()
    site.edge.retry_after = None
    ticking.pass_seconds(12)

    assert ticking.page.evaluate("said") == ["Limited, next try in 9 seconds", "Requests go out again"]
    assert ticking.notice.locator("xpath=ancestor-or-self::*[@aria-live or @role='status']").count() == 0


def test_a_limit_outlives_a_reload(site: Site, ticking: Dashboard) -> None:
    site.edge.retry_after = "20"
    ticking.refresh.click()
    expect(ticking.notice).to_be_visible()
    ticking.settle()
    site.edge.retry_after = None
    before = len(site.edge.asked)

    ticking.open()

    expect(ticking.notice).to_contain_text(re.compile(r"Limited, next try in (19|20) s"))
    assert sum(requests_of(18, site, ticking)) == 0
    assert len(site.edge.asked) == before
    assert sum(requests_of(3, site, ticking)) == 4


def test_a_limit_that_goes_on_is_met_by_one_request_at_a_time_ever_more_rarely(site: Site, ticking: Dashboard) -> None:
    site.edge.retry_after = "1"
    ticking.refresh.click()
    expect(ticking.notice).to_be_visible()

    requests = requests_of(40, site, ticking)

    assert max(requests) == 1
    assert sum(requests) <= 6


@pytest.mark.parametrize(
    ("header", "seconds"), [("0", 1), ("soon", 1), ("", 1), ("99999", 3600), ("Mon, 02 Mar 2026 12:00:30 GMT", 30)]
)
def test_retry_after_is_read_in_either_form_and_never_trusted_blindly(
    site: Site, dashboard: Dashboard, header: str, seconds: int
) -> None:
    dashboard.hold_clock()
    site.edge.retry_after = header
    dashboard.open()

    expect(dashboard.notice).to_contain_text(f"Limited, next try in {seconds} s")


def test_data_that_grows_old_behind_a_limit_is_marked_stale(site: Site, ticking: Dashboard) -> None:
    site.edge.retry_after = "120"
    ticking.refresh.click()
    expect(ticking.notice).to_be_visible()
    expect(ticking.stale("actions")).to_be_hidden()

    ticking.pass_seconds(40)

    expect(ticking.stale("actions")).to_contain_text(re.compile(r"Stale, (39|4\d)s old"))
    expect(ticking.stale("process")).to_be_hidden()


def test_every_request_has_a_trace_id_of_its_own(site: Site, ticking: Dashboard) -> None:
    ticking.refresh.click()
    ticking.settle()

    ids = [request.trace_id for request in site.edge.asked]
    assert len(set(ids)) == len(ids) == 8
    assert all(re.fullmatch(r"[A-Za-z0-9-]{8,64}", trace_id) for trace_id in ids)


def test_nonsense_in_the_tabs_storage_is_ignored(site: Site, dashboard: Dashboard) -> None:
    dashboard.page.add_init_script("""
      sessionStorage.setItem("dashboard.sent", '{"a": [1e999, "x"]}');
      sessionStorage.setItem("dashboard.limit", "not json");
    """)
    dashboard.open()

    expect(dashboard.panel("queue")).to_contain_text("Pending")
