"""The suite: its checks side by side, its report as they end, and what is left of a run that something ends."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import pytest

from cutover.smoke import suite
from cutover.smoke.check import Check, Suite
from cutover.smoke.checks import SUITE, health
from cutover.smoke.decision import Verdict
from cutover.smoke.finding import Outcome
from cutover.smoke.probe import CheckFailedError, NotRunError, Probe, Samples
from cutover.smoke.report import Report
from outputs.smoke import Criterion
from tests.support.edge_double import TARGET, Edge, target


def check(name: str, criterion: Criterion | None = None, look: object = None) -> Check:
    return Check(name=name, criterion=criterion, did="looks", look=look or (lambda _probe: "fine"))  # type: ignore[arg-type]


def outcomes(found: Report) -> dict[str, Outcome]:
    return {finding.check: finding.outcome for finding in found.findings}


def failing(_probe: Probe) -> str:
    raise CheckFailedError("it is\n  broken")


def absent(_probe: Probe) -> str:
    raise NotRunError("there is no browser")


def broken(_probe: Probe) -> str:
    return str(1 / 0)


def test_a_check_that_fails_does_not_stop_the_others() -> None:
    checks = [check("a", look=failing), check("b"), check("c", look=broken), check("d", look=absent)]

    found = suite.run(Suite(tuple(checks), (check("e"),)), Edge().probe())

    assert outcomes(found) == {
        "a": Outcome.FAIL,
        "b": Outcome.PASS,
        "c": Outcome.FAIL,
        "d": Outcome.NOT_RUN,
        "e": Outcome.PASS,
    }
    said = {finding.check: finding.saw for finding in found.findings}
    assert said["a"] == "it is broken", "a finding is one line"
    assert said["c"] == "the check itself broke (ZeroDivisionError: division by zero)"


def test_a_check_that_tried_again_passes_on_retry() -> None:
    def again(probe: Probe) -> str:
        probe.retried = True
        return "fine"

    found = suite.run(Suite((check("a", look=again), check("b")), ()), Edge().probe())

    assert outcomes(found) == {"a": Outcome.RETRIED, "b": Outcome.PASS}


@pytest.mark.parametrize("adapter", ["audit", "evidence", "queue", "guardrails"])
def test_a_mock_is_not_asked_and_says_so(adapter: str) -> None:
    real = [each for each in SUITE.together if each.adapter == adapter]
    edge = Edge(target=replace(TARGET, adapters={**TARGET.adapters, adapter: "mock"}))

    found = suite.run(Suite(tuple(replace(each, look=failing) for each in real)), edge.probe())

    assert outcomes(found) == {each.name: Outcome.NOT_RUN for each in real}
    assert {finding.saw for finding in found.findings} == {f"adapters.{adapter} is mock: nothing real answers"}


@pytest.mark.parametrize("status", [502, 504])
def test_what_goes_through_an_app_that_does_not_answer_is_not_asked_again(status: int) -> None:
    edge = Edge()
    edge.answer("/api/healthz", {"_err": "upstream unavailable"}, status=status)
    beside = replace(check("b"), beside_the_app=True)

    found = suite.run(Suite((health.CHECK,), (check("a"), beside)), edge.probe())

    assert outcomes(found) == {"health": Outcome.FAIL, "a": Outcome.NOT_RUN, "b": Outcome.PASS}
    assert {each.check: each.saw for each in found.findings}["a"] == "the app does not answer: see Health"


def test_of_an_app_that_does_not_answer_the_build_check_alone_still_looks_at_what_runs() -> None:
    beside = [each.name for part in (SUITE.together, SUITE.last, SUITE.judges) for each in part if each.beside_the_app]

    assert beside == ["build"]


def test_an_app_that_is_unwell_is_asked_all_the_same() -> None:
    edge = Edge()
    edge.answer("/api/healthz", {"ok": False, "checks": {}})

    found = suite.run(Suite((health.CHECK,), (check("a"),)), edge.probe())

    assert outcomes(found) == {"health": Outcome.FAIL, "a": Outcome.PASS}


def test_the_last_checks_begin_when_all_others_have_ended() -> None:
    ended: list[str] = []

    def slowly(_probe: Probe) -> str:
        time.sleep(0.05)
        ended.append("slow")
        return "fine"

    def last(_probe: Probe) -> str:
        ended.append("last")
        return "fine"

    suite.run(Suite((check("a", look=slowly), check("b")), (check("c", look=last),)), Edge().probe())

    assert ended == ["slow", "last"]


def test_checks_run_side_by_side() -> None:
    meeting = threading.Barrier(2, timeout=5)

    def meets(_probe: Probe) -> str:
        meeting.wait()
        return "met"

    found = suite.run(Suite((check("a", look=meets), check("b", look=meets)), ()), Edge().probe())

    assert set(outcomes(found).values()) == {Outcome.PASS}


def test_a_profile_runs_its_own_checks_alone() -> None:
    walk = replace(check("walk"), profiles=("full",))
    edge = Edge(target=replace(TARGET, profile="prod"))

    assert outcomes(suite.run(Suite((walk, check("b"))), edge.probe())) == {"b": Outcome.PASS}


def test_what_does_not_end_is_left_behind_and_did_not_run() -> None:
    never = threading.Event()
    began = time.monotonic()
    probe = replace(Edge().probe(), clock=lambda: time.monotonic() - began)

    def hangs(_probe: Probe) -> str:
        never.wait(30)
        return "too late"

    found = suite.run(Suite((check("a"), check("b", look=hangs)), (check("c"),)), probe, stop_after=0.2)
    never.set()

    assert outcomes(found) == {"a": Outcome.PASS, "b": Outcome.NOT_RUN, "c": Outcome.NOT_RUN}
    assert found.findings[1].saw == "stopped: it had not ended after 0.2 s"


def test_a_check_that_was_left_behind_sends_nothing_more() -> None:
    began, stopped, ended = time.monotonic(), threading.Event(), threading.Event()
    probe = replace(Edge().probe(), clock=lambda: time.monotonic() - began)

    def goes_on(own: Probe) -> str:
        stopped.wait(30)
        try:
            own.send("GET", "/api/healthz")
        finally:
            ended.set()
        return "too late"

    suite.run(Suite((check("a", look=goes_on),)), probe, stop_after=0.1)
    stopped.set()

    assert ended.wait(10)
    assert not probe.samples.taken


def test_an_interrupted_run_has_reported_what_ran() -> None:
    reports: list[Report] = []

    def interrupted(found: Report) -> None:
        reports.append(found)
        if len(reports) == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        suite.run(Suite((check("a"),), (check("b"),)), Edge().probe(), follow=interrupted)

    assert outcomes(reports[-1]) == {"a": Outcome.PASS, "b": Outcome.NOT_RUN}
    assert reports[-1].findings[1].saw == "the run was interrupted"
    assert reports[-1].no_go


def test_the_suites_checks_have_names_of_their_own_and_the_rate_check_is_last() -> None:
    names = [each.name for each in (*SUITE.together, *SUITE.last, *SUITE.judges)]

    assert len(set(names)) == len(names)
    assert [each.criterion for each in SUITE.last] == [Criterion.RATE_LIMIT]


def test_nobody_listening_is_a_no_go_with_the_reason_for_every_check() -> None:
    gone = target(url="https://127.0.0.1:1")
    checks = [check("a", Criterion.HEALTH, look=lambda probe: str(probe.ask("GET", "/api/healthz")))]
    with Probe.of(gone, Samples()) as probe:
        found = suite.run(Suite(tuple(checks)), probe)

    assert found.decision.verdict is Verdict.NO_GO
    assert "no answer (ConnectError" in found.findings[0].saw
