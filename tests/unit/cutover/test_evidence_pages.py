"""What people read of a pack: the page, the approval record and JUnit's file."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from html import unescape
from xml.etree import ElementTree

import pytest

from cutover.evidence.document import AppChecks, Document, RestoreDrill, Supplied
from cutover.evidence.form import MONITORING, Approval, Role, approval_form
from cutover.evidence.junit import junit
from cutover.evidence.pack import Pack
from cutover.evidence.page import page
from cutover.smoke.checks import SUITE
from cutover.smoke.finding import Finding, Outcome
from cutover.smoke.probe import Sample
from cutover.smoke.report import Report
from outputs.smoke import Criterion, FargateProcesses
from tests.support.edge_double import NoLimit
from tests.support.packs import (
    AT,
    BUILD,
    CAVEATS,
    GO,
    NO_GO,
    SUPPLIED,
    TARGET,
    finding,
    findings,
    rate_samples,
    report_of,
)


def document(report: Report = GO, supplied: Supplied = SUPPLIED) -> Document:
    return Document.of(report, supplied, renderer="r")


def shown(report: Report) -> str:
    """The page's text, as a person reads it."""
    html = page(document(report), list(report.samples)).partition("</style>")[2]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def form(report: Report = GO, supplied: Supplied = SUPPLIED) -> str:
    return approval_form(document(report, supplied))


@pytest.mark.parametrize(
    ("report", "begins"),
    [
        (GO, "✓ GO All 9 criteria passed."),
        (
            CAVEATS,
            "! GO with caveats 7 of 9 criteria passed. Know before you sign: Security headers, TraceId copy and mon",
        ),
        (
            NO_GO,
            "✕ NO-GO Stopped by Audit Postgres, Rate limit and Queue stats. 5 of 9 criteria passed. This release can",
        ),
    ],
    ids=["GO", "GO with caveats", "NO-GO"],
)
def test_the_page_begins_with_the_verdict_and_why(report: Report, begins: str) -> None:
    assert shown(report).startswith(begins)


@pytest.mark.parametrize("report", [GO, CAVEATS, NO_GO], ids=lambda report: report.decision.verdict)
def test_the_page_shows_release_criteria_checks_timings_and_where_the_pack_lies(report: Report) -> None:
    text = shown(report)

    assert "web-next 1.5.1 (before: 1.5.0), build 4f2c1d9a6b3e Stack local, track stable" in text
    assert [each for each in Criterion if each.value not in text] == []
    assert {"Snapshot export", "Monitoring", "9.4 s"} <= {
        each for each in ("Snapshot export", "Monitoring", "9.4 s") if each in text
    }
    assert f"packs/{TARGET.digest}/20261129T021500Z" in text
    assert TARGET.places.records_bucket in text
    assert f"cutover verify packs/{TARGET.digest}/20261129T021500Z -s local" in text


def test_what_stops_a_release_comes_first_with_what_was_done_and_how_to_look() -> None:
    text = shown(NO_GO)
    stops = text.index("FAIL Audit Postgres must pass"), text.index("NOT RUN Queue stats must pass")

    assert max(stops) < text.index("FAIL Build SHA") < text.index("The nine criteria")
    assert "nothing kept the entry" in text[: text.index("The nine criteria")]
    assert "Audit: wrote an entry and read it back." in text
    assert "docker logs web-next-local-stable-5f1c" in text
    assert "cutover approve" not in text, "a NO-GO is not to be signed"


def test_a_check_beside_the_nine_that_did_not_run_is_shown_and_asks_for_nobodys_attention() -> None:
    text = shown(report_of(findings(monitoring=(Outcome.NOT_RUN, "no Prometheus here"))))

    assert "how to look" not in text
    assert "NOT RUN Monitoring 0.1 s no Prometheus here" in text


def test_a_waiver_is_shown_with_owner_reason_and_end() -> None:
    assert "WAIVED Security headers" in shown(CAVEATS)
    assert "Waived until 2026-12-01 by Ada Lovelace: HSTS waits for the new domain." in shown(CAVEATS)


def test_on_fargate_the_services_are_how_to_look() -> None:
    processes = FargateProcesses(
        cluster="arn:c", app="stable", worker="worker", app_definition="arn:a:1", worker_definition="arn:w:1"
    )
    target = replace(TARGET, processes=processes)

    assert "aws ecs describe-services --cluster arn:c --services stable worker" in shown(replace(NO_GO, target=target))


def test_a_release_is_shown_with_its_mocks() -> None:
    target = replace(TARGET, adapters={"audit": "production", "queue": "mock", "evidence": "mock"})

    assert "mock: evidence, queue; production: audit" in shown(replace(GO, target=target))


def test_each_edge_has_a_picture_of_what_it_passed_and_refused() -> None:
    html = page(document(NO_GO), list(NO_GO.samples))

    assert html.count('role="img"') == 2
    assert html.count('<circle class="passed" cx=') - 1 == 113 + 17
    assert html.count('<path class="refused" d=') - 1 == 96
    assert "Edge 9d3c2f7a41b0 : 113 passed, 0 refused" in shown(NO_GO)
    assert "Edge b7710c4e9a52 : 17 passed, 96 refused" in shown(NO_GO)


def marks(html: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r'cx="([\d.]+)" cy="([\d.]+)" r="2.2"', html)]


def test_every_mark_lies_in_its_picture_the_later_the_righter() -> None:
    passed = marks(page(document(), rate_samples()))

    assert all(30 <= x <= 330 and 10 <= y <= 140 for x, y in passed)
    assert passed == sorted(passed, key=lambda mark: mark[0])


def test_what_passes_above_the_line_is_what_a_limit_would_have_refused() -> None:
    sound, broken = page(document(), rate_samples()), page(document(), rate_samples(limiter=NoLimit()))
    full = float(re.findall(r'<line class="full" .* y1="([\d.]+)"', sound)[0])

    assert all(y >= full for _, y in marks(sound)), "upwards is less"
    assert sum(y < full for _, y in marks(broken)) > 90


def test_requests_of_other_checks_under_the_limit_are_in_the_picture_and_those_beside_it_are_not() -> None:
    under = replace(rate_samples()[0], check="health", path="/api/healthz", sent=-20.0, received=-19.9)
    beside = replace(under, path="/healthz")

    assert "18 passed, 96 refused" in shown(report_of(findings(), samples=[*rate_samples(), under, beside]))


def test_what_a_firewall_refused_is_told() -> None:
    fired = [replace(each, edge=None, status=429) for each in rate_samples()[:3]]

    assert "3 more were refused by a firewall or somebody else before an edge." in shown(
        report_of(findings(), samples=[*rate_samples(), *fired])
    )


@pytest.mark.parametrize("samples", [[], rate_samples()[:1]], ids=["none", "one"])
def test_a_run_with_hardly_a_request_has_a_page_too(samples: list[Sample]) -> None:
    assert shown(replace(GO, samples=samples)).startswith("✓ GO")


def test_the_page_fetches_nothing_and_runs_nothing() -> None:
    html = page(document(NO_GO), list(NO_GO.samples))

    assert re.findall(r"<script|<link(?! rel=\"icon\" href=\"data:,\")|<img|<iframe|@import|url\(", html) == []
    assert "default-src 'none'" in html


def test_what_was_seen_is_text_and_never_markup() -> None:
    evil = "<script>alert(1)</script> | **bold** [x](javascript:y)"
    report = report_of(findings(health=(Outcome.FAIL, evil)))

    assert "<script>" not in page(document(report), [])
    assert r"\<script\>alert(1)\</script\> \| \*\*bold\*\* \[x\](javascript:y)" in form(report)


def test_the_form_has_the_playbooks_lines() -> None:
    text = form()

    for line in (
        "| Date | 2026-11-29 02:15 UTC |",
        "| Version | 1.5.0 → 1.5.1 |",
        "| Approver |  |",
        "- [x] Health*: build 4f2c1d9a6b3e, up 61 s",
        "- [x] TraceId copy: trace id smoke-1f0c copied",
        "- [x] TypeScript 0 errors: 0, says the app's CI",
        "- [x] Build clean: clean, says the app's CI",
        "- [x] Monitoring live: the oldest is 9 s old",
        "- [x] GO",
        "- [ ] NO-GO",
        "- [ ] Canary 10 % for the first 30 minutes",
        "- [x] Rollback tested: 2.5 s, rehearsed with this release at 2026-11-28 02:15 UTC",
        "- [x] Restore tested: 1234 entries, the same; 41.5 s, 6 days before this pack, at 2026-11-23 02:15 UTC",
        "- [x] On-call rotation active: Grace Hopper",
        "| DevOps |  |  |  |",
        "| Backend |  |  |  |",
        "| Frontend |  |  |  |",
    ):
        assert line in text.splitlines(), line


def test_the_check_that_says_whether_monitoring_is_live_is_one_of_the_suite() -> None:
    assert MONITORING in {check.name for check in SUITE.together}


def test_what_nobody_supplied_is_not_ticked_and_says_so() -> None:
    report = report_of([each for each in findings() if each.check != "monitoring"], replace(TARGET, on_call=None))
    lines = form(report, Supplied()).splitlines()

    assert "| Version | not supplied → 1.5.1 |" in lines
    assert "- [ ] TypeScript 0 errors: not supplied" in lines
    assert "- [ ] Build clean: not supplied" in lines
    assert "- [ ] Monitoring live: no check looked at it" in lines
    assert "- [ ] Rollback tested: not supplied" in lines
    assert "- [ ] Restore tested: not supplied" in lines
    assert "- [ ] On-call rotation active: not supplied" in lines


def test_a_restore_that_differed_is_not_ticked_and_the_page_says_it_too() -> None:
    drill = RestoreDrill(
        at=GO.at - timedelta(days=1), seconds=9, rows=8, schema_version=6, differences=["7 entries up to number 9"]
    )
    made = Pack.of(GO, Supplied(drill=drill))
    says = "differs, 7 entries up to number 9; 9 s, 1 day before this pack, at 2026-11-28 02:15 UTC"

    assert f"- [ ] Restore tested: {says}" in made.files["approval.md"].decode().splitlines()
    assert says in made.files["index.html"].decode()
    assert "never drilled: cutover drill restore" in Pack.of(GO, Supplied()).files["index.html"].decode()


def test_what_the_apps_ci_found_wrong_is_not_ticked() -> None:
    wrong = Supplied(app_checks=AppChecks(build_sha=BUILD, typescript_errors=3, build_clean=False))
    lines = form(GO, wrong).splitlines()

    assert "- [ ] TypeScript 0 errors: 3, says the app's CI" in lines
    assert "- [ ] Build clean: not clean, says the app's CI" in lines


def test_a_rehearsal_of_another_release_says_of_which() -> None:
    assert SUPPLIED.rehearsal is not None
    other = Supplied(rehearsal=replace(SUPPLIED.rehearsal, release="0123456789abcdef"))

    assert "rehearsed with release 0123456789ab at" in form(GO, other)


def test_the_form_names_what_did_not_pass_the_waiver_and_the_caveats() -> None:
    lines = form(CAVEATS).splitlines()

    assert "- [ ] TraceId copy: there is no Chromium on this machine: make up installs one (not run)" in lines
    assert any(line.startswith("- [ ] Security headers: ") and line.endswith("(fail, waived)") for line in lines)
    assert "- Waived until 2026-12-01: Security headers, by Ada Lovelace: HSTS waits for the new domain" in lines
    assert lines[lines.index("## Caveats") + 2 :][:3] == ["- Security headers", "- TraceId copy", "- monitoring"]
    assert "- [x] GO with caveats" in lines


def test_the_signed_form_says_who_and_when_and_for_which_pack() -> None:
    given = {
        Role.BACKEND: Approval(
            release="r",
            pack="p",
            role=Role.BACKEND,
            by="Ada | Lovelace",
            at=AT + timedelta(hours=1),
            signer="arn:aws:sts::1:ada",
        )
    }
    lines = approval_form(document(), "5d3f", given).splitlines()

    assert r"| Backend | Ada \| Lovelace | arn:aws:sts::1:ada | 2026-11-29 03:15 UTC |" in lines
    assert "| DevOps |  |  |  |" in lines
    assert "| Pack's id | `5d3f` |" in lines
    assert r"| Approver | Ada \| Lovelace |" in lines


def test_junit_has_a_case_for_each_check() -> None:
    suites = ElementTree.fromstring(junit(document(NO_GO)))
    cases = {case.get("name"): case for case in suites.iter("testcase")}

    assert (suites.get("tests"), suites.get("failures"), suites.get("skipped")) == ("12", "4", "1")
    assert cases["audit"].get("classname") == "Audit Postgres"
    assert cases["monitoring"].get("classname") == "beside the criteria"
    failure, skipped = cases["build"].find("failure"), cases["queue"].find("skipped")
    assert failure is not None
    assert skipped is not None
    assert failure.get("message") == "worker runs sha256:bbbbbbbbbbbb, sha256:aaaaaaaaaaaa is deployed"
    assert skipped.get("message") == "stopped: it had not ended after 120 s"
    assert cases["health"].findtext("system-out") == "pass: build 4f2c1d9a6b3e, up 61 s"


@pytest.mark.parametrize(
    ("found", "failures", "says"),
    [
        (findings(queue=(Outcome.NOT_RUN, "stopped")), 1, "NO-GO: Queue stats"),
        ([each for each in findings() if each.criterion is not Criterion.QUEUE], 1, "NO-GO: Queue stats"),
        (findings(), 0, "GO"),
        (findings(build=(Outcome.NOT_RUN, "Docker does not answer")), 0, "GO with caveats"),
    ],
    ids=["not run", "not there", "go", "a caveat"],
)
def test_junit_fails_where_the_verdict_is_a_no_go_though_no_check_has_failed(
    found: list[Finding], failures: int, says: str
) -> None:
    suites = ElementTree.fromstring(junit(document(report_of(found))))
    (verdict,) = (case for case in suites.iter("testcase") if case.get("name") == "verdict")
    failure = verdict.find("failure")

    assert (suites.get("failures"), len(list(suites.iter("failure")))) == (str(failures), failures)
    assert (verdict.findtext("system-out") if failure is None else failure.get("message")) == says


def test_junit_is_xml_whatever_was_seen() -> None:
    odd = report_of([finding("odd", None, "sent", "\x00\x1b[31m <&\"' \ud800 \U0001f600", outcome=Outcome.FAIL)])
    failure = ElementTree.fromstring(junit(document(odd))).find(".//testcase[@name='odd']/failure")

    assert failure is not None
    assert failure.get("message") == "��[31m <&\"' � \U0001f600"
