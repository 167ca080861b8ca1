"""What the rehearsal counts: whose request failed, what was accepted, and what a report says of it."""

from __future__ import annotations

import asyncio
import selectors
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from rehearsal.books import Balance, Holdings
from rehearsal.crowd import Client, Crowd, is_greedy
from rehearsal.load import ALERT, AUDIT, Asked
from rehearsal.operator import Operator
from rehearsal.play import Play
from rehearsal.report import Act, Finding, Report
from rehearsal.stage import Stage
from tests.support.machines import IMAGES, MACHINE


def asked(**changes: Any) -> Asked:
    known: dict[str, Any] = {
        "sent": 1.0,
        "received": 1.1,
        "client": "198.18.0.1",
        "path": AUDIT,
        "trace": "t",
        "status": 200,
    }
    return Asked(**(known | changes))


@pytest.mark.parametrize(
    ("changes", "accepted"),
    [
        ({}, True),
        ({"mock": True, "via": "mock"}, False),
        ({"mock": True, "via": "executor"}, True),
        ({"mock": True, "via": "spool"}, True),
        ({"status": 503}, False),
        ({"status": 0}, False),
        ({"path": ALERT, "status": 202}, True),
        ({"path": ALERT, "status": 202, "mock": True, "track": "stable"}, False),
        ({"path": ALERT, "status": 202, "mock": True, "track": "candidate"}, True),
        ({"path": "/api/audit/list"}, False),
    ],
)
def test_what_a_mock_takes_is_not_accepted_and_what_a_fallback_keeps_is(
    changes: dict[str, Any], accepted: bool
) -> None:
    assert asked(**changes).accepted is accepted


@pytest.mark.parametrize(("status", "failed"), [(200, False), (404, False), (429, False), (500, True), (0, True)])
def test_a_request_fails_by_a_5xx_or_without_an_answer_and_a_429_is_counted_apart(status: int, failed: bool) -> None:
    assert asked(status=status).failed is failed
    assert asked(status=status).limited is (status == 429)


def test_data_is_kept_while_nothing_of_before_is_gone() -> None:
    before = Holdings(rows=2, objects=frozenset({"a"}))

    assert Holdings(rows=3, objects=frozenset({"a", "b"})).kept(before)
    assert not Holdings(rows=1, objects=frozenset({"a"})).kept(before)
    assert not Holdings(rows=3, objects=frozenset({"b"})).kept(before)


def test_a_balance_says_what_was_accepted_and_what_is_lost() -> None:
    sound = Balance(entries=7, alerts=2, lost=[], doubled=[])

    assert sound.line == "accepted 7 audit entries and 2 alerts, lost 0"
    assert Balance(entries=7, alerts=2, lost=["a"], doubled=["b", "c"]).line.endswith("lost 1, 2 entries kept twice")


@pytest.mark.parametrize(
    ("balance", "held"),
    [
        (Balance(entries=7, alerts=2, lost=[], doubled=[]), True),
        (Balance(entries=7, alerts=2, lost=["a"], doubled=[]), False),
        (Balance(entries=7, alerts=2, lost=[], doubled=["b"]), False),
        (Balance(entries=0, alerts=2, lost=[], doubled=[]), False),
        (Balance(entries=7, alerts=0, lost=[], doubled=[]), False),
    ],
)
def test_a_balance_holds_only_over_entries_and_alerts(balance: Balance, held: bool) -> None:
    assert balance.held is held


@pytest.mark.parametrize(
    ("requests", "held"),
    [
        ([asked()], {True}),
        ([], {False}),
        ([asked(), asked(status=500)], {True, False}),
        ([asked(), asked(status=429)], {True, False}),
    ],
)
def test_what_is_held_of_requests_is_held_of_some(tmp_path: Path, requests: list[Asked], held: set[bool]) -> None:
    stage = Stage(machine=MACHINE, images=IMAGES, holds={}, root=tmp_path)
    said: list[str] = []
    operator = Operator(root=tmp_path, log=tmp_path / "log", say=said.append)
    play = Play(stage=stage, operator=operator, folder=tmp_path, rate=1, report=Report(title="t"))
    with play.act("one") as act:
        play.find_requests(act, requests)

    assert {finding.held for finding in act.findings} == held


def test_a_report_holds_only_when_it_ended_and_all_that_was_declared_held() -> None:
    good, bad = Finding(declared="a", held=True, saw="x"), Finding(declared="b", held=False, saw="y")

    assert Report(title="t", acts=[Act(name="one", findings=[good])]).held
    assert not Report(title="t", acts=[Act(name="one", findings=[good, bad])]).held
    assert not Report(title="t", acts=[Act(name="one", findings=[good])], broken="no more").held


def test_a_report_names_what_did_not_hold_and_each_acts_seconds() -> None:
    findings = [Finding(declared="a", held=True, saw="x"), Finding(declared="b", held=False, saw="y")]
    text = Report(title="t", acts=[Act(name="one", findings=findings, seconds=12.3)], broken="it fell").text()

    assert "## one, 12 s" in text
    assert [line.split("|")[1].strip() for line in text.splitlines() if line.startswith("| ")] == [
        "",
        "held",
        "**not**",
    ]
    assert "Ended before its end: it fell" in text
    assert text.endswith("Not all that was declared held.\n")


class Hurried(selectors.DefaultSelector):
    """Nothing to wait for but the clock: it is put forward at once, by as much as is to be waited."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now += timeout or 0
        return super().select(0)


def hurried() -> asyncio.AbstractEventLoop:
    """A loop whose seconds take no time, however slow the machine is."""
    selector = Hurried()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now  # type: ignore[method-assign]
    return loop


async def sent(rate: float, seconds: float) -> list[httpx.Request]:
    """What a crowd sends to an edge that answers at once and gives every page a cookie of its own."""
    taken: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        taken.append(request)
        page = {"set-cookie": f"web_next_bucket={len(taken)}; Path=/"} if request.url.path == "/dashboard" else {}
        return httpx.Response(200, headers=page)

    async with httpx.AsyncClient(base_url="https://edge", transport=httpx.MockTransport(answer)) as http:
        crowd = Crowd(http, rate)
        asyncio.get_running_loop().call_later(seconds, crowd.stopping.set)
        await crowd.run()
    return taken


def test_each_client_stays_under_the_edges_limit_but_the_greedy(capsys: pytest.CaptureFixture[str]) -> None:
    with asyncio.Runner(loop_factory=hurried) as runner:
        taken = runner.run(sent(rate=400, seconds=2))
    counted = Counter(request.headers["x-forwarded-for"] for request in taken)

    assert len(taken) == pytest.approx(800, abs=2)
    greedy = {address for address in counted if is_greedy(address)}
    assert max(count for address, count in counted.items() if address not in greedy) <= 2, "every 1.5 s at most"
    assert greedy
    assert max(counted[address] for address in greedy) > 5
    assert len(capsys.readouterr().out.splitlines()) == len(taken), "a line for each answer"


def test_a_browser_begins_with_the_page_and_keeps_its_cookie_and_a_machine_has_none() -> None:
    browser, machine = Client(0), Client(1)

    assert next(browser.requests)[1] == "/dashboard"
    assert {next(machine.requests)[1] for _ in range(50)} == {AUDIT, ALERT, "/api/evidence/zip"}


def test_most_requests_of_a_crowd_write_audit_entries() -> None:
    paths = Counter(next(client.requests)[1] for number in range(40) for client in [Client(number)] for _ in range(20))

    assert paths[AUDIT] / paths.total() > 0.5
