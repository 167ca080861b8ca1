"""The report: a table for people, JSON for machines, a line for each criterion against a GO."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from cutover.errors import NoGoError
from cutover.smoke import suite
from cutover.smoke.check import Check, Suite
from cutover.smoke.decision import Verdict
from cutover.smoke.finding import Finding, Outcome, now
from cutover.smoke.report import Report
from outputs.smoke import Criterion, SmokeTarget, Waiver
from tests.support.edge_double import TARGET, Edge
from tests.support.smoked import report


def test_a_waiver_is_told_with_its_end_and_its_owner() -> None:
    today = now().date()
    for days, word in ((1, "waived until"), (-1, "its waiver ended")):
        waiver = Waiver(criterion=Criterion.HEALTH, reason="r", owner="Ada", expires=today + timedelta(days=days))
        waived = replace(TARGET, rules=replace(TARGET.rules, waivers=[waiver]))

        table = Report.of(waived, report(health=Outcome.FAIL).findings).table()

        assert f"saw Health ({word} {waiver.expires}, Ada)" in table


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


def test_findings_and_targets_are_shapes() -> None:
    found = report().findings[0]

    assert Finding.from_output(json.loads(json.dumps(found.output()))) == found
    assert SmokeTarget.from_output(json.loads(json.dumps(TARGET.output()))) == TARGET


def test_what_utf_8_cannot_write_does_not_stop_the_report() -> None:
    odd = Check(name="odd", criterion=None, did="looked", look=lambda _: "half \ud800 a pair")

    report = suite.run(Suite(together=(odd,)), Edge().probe())

    assert report.findings[0].saw == "half ? a pair"
    assert report.text().encode()
