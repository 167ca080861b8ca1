"""Each check of the smoke suite, green and red, through a client that meets nginx's arithmetic and no socket."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from cutover import smoke
from cutover.errors import NoGoError, NotPreparedError
from cutover.smoke import checks, suite
from cutover.smoke.decision import Criterion, Decision, Outcome, Verdict
from cutover.smoke.probe import CheckFailedError
from outputs.release import Track
from tests.support.edge_double import TARGET, Clock, Edge, Nginx, NoLimit, jitter, target
from tests.support.smoked import report


@pytest.fixture
def edge() -> Edge:
    return Edge()


def test_a_sound_deployment_passes_every_check_and_is_a_go(edge: Edge) -> None:
    found = smoke.run(TARGET, probe=edge.probe())

    assert [result.outcome for result in found.results] == [Outcome.PASS] * len(Criterion), found.table()
    assert found.decision.verdict is Verdict.GO
    found.require_go()


def test_health_names_the_build(edge: Edge) -> None:
    assert checks.health(edge.probe(), TARGET) == "build 4f2c1d9, up 7 s"


@pytest.mark.parametrize(
    ("health", "complaint"),
    [
        ({"ok": True, "buildSha": "0000000", "version": "1.5.1"}, "buildSha is '0000000', '4f2c1d9' expected"),
        ({"ok": True, "buildSha": "4f2c1d9", "version": "1.5.0"}, "version is '1.5.0', '1.5.1' expected"),
        ({"ok": False, "buildSha": "4f2c1d9", "version": "1.5.1"}, "ok is False, True expected"),
        ({}, "ok is None, True expected"),
    ],
)
def test_another_build_or_an_unwell_app_fails_health(edge: Edge, health: dict[str, Any], complaint: str) -> None:
    edge.answer("/api/healthz", health)

    with pytest.raises(CheckFailedError, match=complaint):
        checks.health(edge.probe(), TARGET)


@pytest.mark.parametrize("document", [[], "up", None, 1])
def test_json_that_is_no_object_fails_the_check(edge: Edge, document: object) -> None:
    edge.answer("/api/healthz", document)

    with pytest.raises(CheckFailedError, match="GET /api/healthz: not a JSON object"):
        checks.health(edge.probe(), TARGET)


def test_a_page_instead_of_json_fails_the_check(edge: Edge) -> None:
    edge.answers["/api/healthz"] = lambda _: httpx.Response(200, text="<html>maintenance</html>")

    with pytest.raises(CheckFailedError, match="not a JSON object: '<html>maintenance"):
        checks.health(edge.probe(), TARGET)


def test_a_500_fails_the_check_with_its_body(edge: Edge) -> None:
    edge.answer("/api/healthz", {"_err": "internal error"}, status=500)

    with pytest.raises(CheckFailedError, match=r"GET /api/healthz: 500 '.*internal error.*', 200 expected"):
        checks.health(edge.probe(), TARGET)


def test_no_answer_fails_the_check_and_is_no_observation(edge: Edge) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused", request=request)

    edge.answers["/api/healthz"] = refuse
    probe = edge.probe()

    with pytest.raises(CheckFailedError, match=r"no answer \(ConnectError: connection refused\)"):
        checks.health(probe, TARGET)
    assert probe.observations == []


def test_a_429_in_a_check_waits_and_goes_on(edge: Edge) -> None:
    while edge.limiter.passes(edge.clock()):
        pass
    began = edge.clock()

    assert checks.health(edge.probe(), TARGET).startswith("build 4f2c1d9")
    assert 1 <= edge.clock() - began < 2, "it waits what Retry-After says"


def test_a_429_that_never_ends_fails_the_check(edge: Edge) -> None:
    edge.answer("/api/healthz", {"_err": "rate limited"}, status=429)

    with pytest.raises(CheckFailedError, match="429"):
        checks.health(edge.probe(), TARGET)


def test_an_audit_entry_is_written_read_back_and_marked_as_smoke(edge: Edge) -> None:
    assert checks.audit(edge.probe(), TARGET) == "entry 1 written and read"
    assert edge.rows[0]["details"] == {"traffic": "smoke"}
    assert edge.rows[0]["traceId"].startswith("smoke-")


@pytest.mark.parametrize(
    ("path", "document", "complaint"),
    [
        ("/api/audit/push", {"ok": False, "_err": "disk full"}, "push was not accepted: disk full"),
        ("/api/audit/push", {}, "push was not accepted"),
        ("/api/audit/list", {"_mock": True, "items": []}, "answered by a fallback: _mock is True"),
        ("/api/audit/list", {"items": []}, "answered by a fallback: _mock is None"),
        ("/api/audit/list", {"_mock": False, "items": []}, "entry 1 was written and is not among the newest 0"),
        ("/api/audit/list", {"_mock": False, "items": None}, "entry 1 was written and is not among the newest 0"),
        ("/api/audit/list", {"_mock": False, "items": ["x", {"id": "7"}]}, "is not among the newest 1"),
        ("/api/audit/list", {"_mock": False, "items": [{"id": 1, "traceId": "other"}]}, "does not carry its trace id"),
    ],
)
def test_an_entry_that_is_not_kept_fails_the_audit_check(
    edge: Edge, path: str, document: dict[str, Any], complaint: str
) -> None:
    edge.answer(path, document)

    with pytest.raises(CheckFailedError, match=complaint):
        checks.audit(edge.probe(), TARGET)


def test_the_playbooks_limit_shows_itself_from_idle(edge: Edge) -> None:
    seen = checks.rate_limit(edge.probe(), TARGET)

    assert seen == "11 of 65 passed, the rest 429; refills at 60/min"


@pytest.mark.parametrize("seed", range(40))
def test_the_true_limit_passes_whatever_the_latency_and_the_traffic_before(seed: int) -> None:
    edge = Edge(latency=jitter(seed, longest=0.06))
    for _ in range(seed % 14):
        edge.limiter.passes(edge.clock())
    probe = edge.probe()

    checks.health(probe, TARGET)
    checks.audit(probe, TARGET)
    checks.rate_limit(probe, TARGET)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    ("limiter", "complaint"),
    [
        (lambda: NoLimit(), "65 of 65 passed; .* passed that 60/min with burst 10 refuses"),
        (lambda: Nginx(30, 10), "refused that 60/min with burst 10 passes"),
        (lambda: Nginx(120, 10), "passed that 60/min with burst 10 refuses"),
        (lambda: Nginx(60, 5), "6 of 65 passed; .* refused that 60/min with burst 10 passes"),
        (lambda: Nginx(60, 20), "passed that 60/min with burst 10 refuses"),
    ],
    ids=["no limiter", "half the rate", "double the rate", "burst 5", "burst 20"],
)
def test_another_limit_is_noticed_from_an_idle_and_from_a_full_bucket(
    limiter: Any, complaint: str, seed: int, full: bool
) -> None:
    edge = Edge(limiter=limiter(), latency=jitter(seed, longest=0.004))
    for _ in range(30 if full else 0):
        edge.limiter.passes(edge.clock())

    with pytest.raises(CheckFailedError, match=complaint):
        checks.rate_limit(edge.probe(), TARGET)


def test_a_bucket_that_others_filled_is_waited_for_once() -> None:
    edge = Edge()
    while edge.limiter.passes(edge.clock()):
        pass
    began = edge.clock()

    assert checks.rate_limit(edge.probe(), TARGET).startswith("11 of 65 passed")
    assert edge.clock() - began > 11, "the bucket has to be empty before the second burst"


@pytest.mark.parametrize(("rate", "burst"), [(30, 10), (600, 20), (60, 100), (50, 0)])
def test_other_limits_are_proven_by_enough_requests(rate: int, burst: int) -> None:
    limited = target(rate_per_minute=rate, burst=burst)

    checks.rate_limit(Edge(limiter=Nginx(rate, burst)).probe(), limited)
    with pytest.raises(CheckFailedError):
        checks.rate_limit(Edge(limiter=NoLimit()).probe(), limited)


def test_requests_too_slow_to_meet_the_limit_prove_nothing() -> None:
    edge = Edge(limiter=NoLimit(), latency=lambda: 0.6)

    with pytest.raises(
        CheckFailedError, match="65 of 65 passed; the limit was never reached, the edge answers too slowly"
    ):
        checks.rate_limit(edge.probe(), TARGET)


@pytest.mark.parametrize("status", [200, 404, 500, 502])
def test_the_limiter_is_judged_whatever_the_app_answers(edge: Edge, status: int) -> None:
    edge.answer(checks.LIMITED_PATH, {}, status=status)

    assert checks.rate_limit(edge.probe(), TARGET).startswith("11 of 65 passed")


def test_a_check_that_fails_does_not_stop_the_others(edge: Edge) -> None:
    edge.answer("/api/audit/push", {"_err": "connection refused"}, status=503)

    found = smoke.run(TARGET, probe=edge.probe())

    assert [result.criterion for result in found.results] == list(Criterion)
    assert [one.criterion for one in found.results if one.outcome is not Outcome.PASS] == [Criterion.AUDIT]
    assert found.decision.verdict is Verdict.NO_GO


def test_a_check_that_is_left_out_is_a_no_go(edge: Edge) -> None:
    found = smoke.run(TARGET, probe=edge.probe(), checks={Criterion.HEALTH: checks.health})

    assert found.decision.against == tuple(criterion for criterion in Criterion if criterion is not Criterion.HEALTH)
    assert found.decision.verdict is Verdict.NO_GO
    missing = "; ".join(f"{criterion}: not run" for criterion in found.decision.against if criterion.mandatory)
    assert "Audit Postgres" in missing
    with pytest.raises(NoGoError, match=f"^NO-GO: {missing}$"):
        found.require_go()


def test_the_suite_runs_the_playbooks_checks_in_an_order_that_keeps_the_bucket_for_last() -> None:
    assert list(suite.CHECKS) == list(Criterion), "Criterion, in cutover/smoke/decision.py, has the order of CHECKS"
    assert list(suite.CHECKS)[-1] is Criterion.RATE_LIMIT


def test_the_seconds_of_a_check_are_measured(edge: Edge) -> None:
    found = smoke.run(TARGET, probe=edge.probe())

    assert found.results[-1].criterion is Criterion.RATE_LIMIT
    assert found.results[-1].seconds >= checks.DRAIN_SECONDS


def test_a_missing_authority_is_said_in_a_line(tmp_path: Path) -> None:
    private = target(authority=str(tmp_path / "ca.pem"))

    with pytest.raises(NotPreparedError, match=r"ca\.pem is no certificate authority .* make up"):
        smoke.run(private)


def test_nobody_listening_is_a_no_go_with_the_reason_for_every_check() -> None:
    found = smoke.run(target(url="https://127.0.0.1:1"))

    assert [result.outcome for result in found.results] == [Outcome.FAIL] * len(Criterion)
    assert all("no answer (ConnectError" in result.detail for result in found.results)


def test_the_table_has_a_line_for_each_criterion_and_the_verdict_last() -> None:
    *rows, verdict = report(health=Outcome.FAIL, rate=Outcome.NOT_RUN).table().splitlines()

    assert [row[11:26].strip() for row in rows] == list(Criterion)
    assert {
        "  FAIL     Health            0.2 s  saw Health",
        "  PASS     Audit Postgres    0.2 s  saw Audit Postgres",
        "  NOT RUN  Rate limit        0.2 s  saw Rate limit",
    } <= set(rows)
    assert verdict == "  NO-GO  web-next 1.5.1 at https://localhost:8443"


def test_the_document_is_json_and_complete() -> None:
    document = json.loads(json.dumps(report(rate=Outcome.FAIL).document()))

    assert document["decision"] == {"verdict": "NO-GO", "against": ["Rate limit"]}
    assert document["target"]["build_sha"] == "4f2c1d9"
    assert [(result["criterion"], result["outcome"]) for result in document["results"]] == [
        (criterion.value, "fail" if criterion is Criterion.RATE_LIMIT else "pass") for criterion in Criterion
    ]


def test_a_no_go_names_the_criteria_that_failed_and_no_others() -> None:
    with pytest.raises(NoGoError, match=r"^NO-GO: Health: saw Health; Rate limit: saw Rate limit$"):
        report(health=Outcome.FAIL, rate=Outcome.FAIL).require_go()


def test_a_saved_report_is_found_as_it_was_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    smoke.save(report(health=Outcome.FAIL))

    saved = smoke.saved("test", since=0)

    assert saved is not None
    assert saved.table == report(health=Outcome.FAIL).table()
    assert saved.no_go


def test_a_saved_go_is_no_no_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    smoke.save(report())

    saved = smoke.saved("test", since=0)

    assert saved is not None
    assert not saved.no_go


def test_an_older_report_and_another_stacks_do_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    smoke.save(report())
    os.utime(smoke.REPORTS / "test.txt", (1000, 1000))

    assert smoke.saved("test", since=2000) is None
    assert smoke.saved("other", since=0) is None


def test_a_clock_that_only_sleeps_moves() -> None:
    clock = Clock()
    clock.sleep(2)

    assert clock() == 1002


@pytest.mark.parametrize("track", ["stable", "candidate"])
def test_every_request_asks_for_the_track_that_is_smoked(monkeypatch: pytest.MonkeyPatch, track: Track) -> None:
    seen: list[tuple[str | None, str]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append((request.headers.get("x-web-next-track"), request.headers["user-agent"]))
        return httpx.Response(200, json={"ok": True, "buildSha": "4f2c1d9", "version": "1.5.1", "uptimeSec": 7})

    client = httpx.Client
    monkeypatch.setattr(
        httpx, "Client", lambda **given: client(**{**given, "transport": httpx.MockTransport(answer), "verify": True})
    )
    smoke.run(replace(TARGET, track=track), checks={Criterion.HEALTH: checks.health})

    assert seen == [(track, smoke.USER_AGENT)]


def test_a_go_with_caveats_names_them() -> None:
    decision = Decision(verdict=Verdict.GO_WITH_CAVEATS, against=(Criterion.RATE_LIMIT,))

    last = replace(report(), decision=decision).table().splitlines()[-1]
    assert last == "  GO with caveats: Rate limit  web-next 1.5.1 at https://localhost:8443"


def test_the_verdict_names_a_candidate() -> None:
    assert "GO  web-next 1.5.1 at https" in report().table()
    assert (
        "GO  web-next 1.5.1 candidate at https" in replace(report(), target=replace(TARGET, track="candidate")).table()
    )
