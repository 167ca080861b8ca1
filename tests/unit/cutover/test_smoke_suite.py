"""The suite: its checks side by side, its report as they end, and what is left of a run that something ends."""

from __future__ import annotations

import json
import math
import os
import threading
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from cutover.errors import NoGoError, NotPreparedError, StackLockedError
from cutover.smoke import run, suite
from cutover.smoke.check import Check, Suite
from cutover.smoke.checks import SUITE, health
from cutover.smoke.decision import Verdict
from cutover.smoke.finding import Finding, Outcome, now
from cutover.smoke.kept import KEPT, Kept, saved
from cutover.smoke.probe import USER_AGENT, CheckFailedError, NotRunError, Probe, Sample, Samples
from cutover.smoke.report import Report
from outputs.release import Track
from outputs.smoke import Criterion, SmokeTarget, Waiver
from tests.support.edge_double import TARGET, Edge, target
from tests.support.smoked import report


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


def test_an_app_that_is_unwell_is_asked_all_the_same() -> None:
    edge = Edge()
    edge.answer("/api/healthz", {"ok": False, "checks": {}})

    found = suite.run(Suite((health.CHECK,), (check("a"),)), edge.probe())

    assert outcomes(found) == {"health": Outcome.FAIL, "a": Outcome.PASS}


def test_two_runs_at_once_are_refused_and_the_second_touches_nothing(here: Path) -> None:
    with Kept.begin("test") as first:
        first.report(report())
        with pytest.raises(StackLockedError, match="a smoke run of test goes on in this folder"), Kept.begin("test"):
            pass
        assert saved("test", since=0) is not None
    keep(report())


def test_a_run_knows_how_long_ago_the_one_before_sent_its_last_request(here: Path) -> None:
    with Kept.begin("test") as first:
        assert first.since == math.inf
    os.utime(KEPT / "test" / "samples.jsonl", (time.time() - 7, time.time() - 7))

    with Kept.begin("candidate") as second:
        assert 7 <= second.since < 9, "of any stack: they share the address"


def test_a_run_waits_until_the_one_before_has_drained(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    said: list[str] = []
    with Kept.begin("test"):
        pass
    monkeypatch.setattr(time, "sleep", slept.append)
    gone = target(url="https://127.0.0.1:1")

    run.run_and_keep(Suite((check("a"),)), gone, said.append)

    assert slept == [pytest.approx(11, abs=1)], "a burst of 10 and one more, at one a second"
    assert said[0] == f"  smoke    waits {slept[0]:.0f} s: the run before has filled the limit of this address"


def test_a_waiver_is_told_with_its_end_and_its_owner() -> None:
    today = now().date()
    for days, word in ((1, "waived until"), (-1, "its waiver ended")):
        waiver = Waiver(criterion=Criterion.HEALTH, reason="r", owner="Ada", expires=today + timedelta(days=days))
        waived = replace(TARGET, rules=replace(TARGET.rules, waivers=[waiver]))

        table = Report.of(waived, report(health=Outcome.FAIL).findings).table()

        assert f"saw Health ({word} {waiver.expires}, Ada)" in table


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


def test_a_missing_authority_is_said_in_a_line(tmp_path: Path) -> None:
    private = target(authority=str(tmp_path / "ca.pem"))

    with (
        pytest.raises(NotPreparedError, match=r"ca\.pem is no certificate authority .* make up"),
        Probe.of(private, Samples()),
    ):
        pass


@pytest.mark.parametrize("track", ["stable", "candidate"])
def test_every_request_asks_for_the_track_that_is_smoked_and_is_marked(
    monkeypatch: pytest.MonkeyPatch, track: Track
) -> None:
    seen: list[tuple[str | None, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.headers.get("x-web-next-track"), request.headers["user-agent"]))
        return httpx.Response(200, json={}, headers={"x-edge-id": "e", "x-edge-track": track})

    client = httpx.Client
    monkeypatch.setattr(
        httpx, "Client", lambda **given: client(**{**given, "transport": httpx.MockTransport(answer), "verify": True})
    )
    with Probe.of(replace(TARGET, track=track), Samples()) as probe:
        probe.send("GET", "/healthz")

    assert seen == [(track, USER_AGENT)]


def test_an_answer_of_another_track_is_a_failure_that_names_it() -> None:
    edge = Edge(target=replace(TARGET, track="candidate"))

    with pytest.raises(CheckFailedError, match=r"GET /healthz: answered by stable, candidate was asked for: .*trusted"):
        edge.probe().send("GET", "/healthz")


def test_an_answer_that_no_edge_gave_is_a_failure() -> None:
    edge = Edge(named={})

    with pytest.raises(CheckFailedError, match=r"without an X-Edge-Id: it did not come through the edge"):
        edge.probe().send("GET", "/healthz")


def test_no_answer_is_a_failure_and_no_sample() -> None:
    edge = Edge()

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused", request=request)

    edge.answers["/healthz"] = refuse
    probe = edge.probe()

    with pytest.raises(CheckFailedError, match=r"no answer \(ConnectError: connection refused\)"):
        probe.send("GET", "/healthz")
    assert probe.samples.taken == []


def test_a_429_waits_and_goes_on() -> None:
    edge = Edge()
    while edge.limiter.passes(edge.clock()):
        pass
    began = edge.clock()

    assert edge.probe().ask("GET", "/api/healthz")["ok"] is True
    assert 1 <= edge.clock() - began < 2, "it waits what Retry-After says"


def test_a_429_that_never_ends_fails() -> None:
    edge = Edge()
    edge.answer("/api/healthz", {"_err": "rate limited"}, status=429)

    with pytest.raises(CheckFailedError, match="429"):
        edge.probe().ask("GET", "/api/healthz")


@pytest.mark.parametrize("document", [[], "up", None, 1])
def test_json_that_is_no_object_fails(document: object) -> None:
    edge = Edge()
    edge.answer("/api/healthz", document)

    with pytest.raises(CheckFailedError, match="GET /api/healthz: not a JSON object"):
        edge.probe().ask("GET", "/api/healthz")


def test_a_page_instead_of_json_fails() -> None:
    edge = Edge()
    edge.answers["/api/healthz"] = lambda _: httpx.Response(200, text="<html>maintenance</html>")

    with pytest.raises(CheckFailedError, match="not a JSON object: '<html>maintenance"):
        edge.probe().ask("GET", "/api/healthz")


def test_a_500_fails_with_its_body() -> None:
    edge = Edge()
    edge.answer("/api/healthz", {"_err": "internal error"}, status=500)

    with pytest.raises(CheckFailedError, match=r"GET /api/healthz: 500 '.*internal error.*', 200 expected"):
        edge.probe().ask("GET", "/api/healthz")


def test_the_samples_of_a_run_are_of_all_its_checks_in_the_order_of_sending() -> None:
    edge = Edge()
    probe = edge.probe()
    probe.for_check("one").send("GET", "/api/healthz")
    probe.for_check("two").send("GET", "/healthz")
    probe.for_check("two").send("GET", "/api/healthz")

    assert [(each.check, each.path) for each in probe.samples.limited_paths()] == [
        ("one", "/api/healthz"),
        ("two", "/api/healthz"),
    ]


def test_nobody_listening_is_a_no_go_with_the_reason_for_every_check() -> None:
    gone = target(url="https://127.0.0.1:1")
    checks = [check("a", Criterion.HEALTH, look=lambda probe: str(probe.ask("GET", "/api/healthz")))]
    with Probe.of(gone, Samples()) as probe:
        found = suite.run(Suite(tuple(checks)), probe)

    assert found.decision.verdict is Verdict.NO_GO
    assert "no answer (ConnectError" in found.findings[0].saw


def test_the_table_has_a_line_for_each_criterion_and_the_verdict_last() -> None:
    *rows, verdict = report(health=Outcome.FAIL, rate=Outcome.NOT_RUN).table().splitlines()

    assert [row[11:28].strip() for row in rows] == list(Criterion)
    assert {
        "  FAIL     Health             0.2 s  saw Health",
        "  PASS     Audit Postgres     0.2 s  saw Audit Postgres",
        "  NOT RUN  Rate limit         0.2 s  saw Rate limit",
    } <= set(rows)
    assert verdict == "  NO-GO  web-next 1.5.1 at https://localhost:8443"


def test_a_go_with_caveats_and_a_candidate_are_named_in_the_verdict() -> None:
    findings = [
        replace(each, outcome=Outcome.FAIL) if each.criterion is Criterion.BUILD else each for each in report().findings
    ]
    candidate = replace(TARGET, track="candidate")

    assert Report.of(candidate, findings).table().splitlines()[-1] == (
        "  GO with caveats: Build SHA  web-next 1.5.1 candidate at https://localhost:8443"
    )


def test_the_document_is_json_and_is_read_back() -> None:
    found = report(rate=Outcome.FAIL)

    read = Report.from_output(json.loads(found.text()))

    assert read == found
    assert read.text() == found.text()
    assert read.decision.verdict is Verdict.NO_GO


def test_a_no_go_names_the_criteria_that_failed_a_line_each() -> None:
    with pytest.raises(NoGoError) as refused:
        report(health=Outcome.FAIL, rate=Outcome.FAIL).require_go()

    assert str(refused.value) == "NO-GO\n  Health: saw Health\n  Rate limit: saw Rate limit"


def keep(found: Report) -> None:
    with Kept.begin(found.target.stack) as kept:
        kept.report(found)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("health", [Outcome.FAIL, Outcome.PASS])
def test_a_report_that_was_kept_is_found_as_it_was_printed(here: Path, health: Outcome) -> None:
    found = report(health=health)
    keep(found)

    again = saved("test", since=0)

    assert again is not None
    assert again.table == found.table()
    assert again.no_go == found.no_go


def test_an_older_report_and_another_stacks_do_not_count(here: Path) -> None:
    keep(report())
    os.utime(KEPT / "test" / "report.txt", (1000, 1000))

    assert saved("test", since=2000) is None
    assert saved("other", since=0) is None


def test_a_new_run_begins_without_the_report_of_the_one_before(here: Path) -> None:
    keep(report())
    with Kept.begin("test"):
        assert saved("test", since=0) is None


def test_a_request_is_on_disk_as_soon_as_it_was_answered(here: Path) -> None:
    sample = Sample(check="a", method="GET", path="/", sent=0.1, received=0.2, status=200, edge="e", track="stable")
    with Kept.begin("test") as kept:
        kept.sample(sample)
        lines = (KEPT / "test" / "samples.jsonl").read_text().splitlines()

    assert [Sample.from_output(json.loads(line)) for line in lines] == [sample]


def test_findings_and_targets_are_shapes() -> None:
    found = report().findings[0]

    assert Finding.from_output(json.loads(json.dumps(found.output()))) == found
    assert SmokeTarget.from_output(json.loads(json.dumps(TARGET.output()))) == TARGET


def test_what_utf_8_cannot_write_does_not_stop_the_report() -> None:
    odd = Check(name="odd", criterion=None, did="looked", look=lambda _: "half \ud800 a pair")

    report = suite.run(Suite(together=(odd,)), Edge().probe())

    assert report.findings[0].saw == "half ? a pair"
    assert report.text().encode()
