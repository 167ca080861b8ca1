"""junit.xml: the findings and the verdict as test cases, for whatever shows those of a build."""

from __future__ import annotations

import re
from xml.etree import ElementTree

from cutover.evidence.document import Document
from cutover.smoke.decision import Decision
from cutover.smoke.finding import Finding, Outcome

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(document: Document) -> str:
    """One suite with a case for each finding: passed, failed or skipped. The verdict is the last, which fails where it
    is a NO-GO: so it is where no check has failed and one that must pass did not run."""
    outcomes = [finding.outcome for finding in document.findings]
    counts = {
        "tests": str(len(outcomes) + 1),
        "failures": str(outcomes.count(Outcome.FAIL) + document.report.no_go),
        "errors": "0",
        "skipped": str(outcomes.count(Outcome.NOT_RUN)),
    }
    suites = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(
        suites,
        "testsuite",
        {
            "name": f"cutover smoke {document.target.stack}",
            **counts,
            "time": f"{document.report.seconds:g}",
            "timestamp": document.at.isoformat(),
        },
    )
    for finding in document.findings:
        _case(suite, finding)
    _verdict(suite, document.decision)
    ElementTree.indent(suites)
    text = ElementTree.tostring(suites, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _verdict(suite: ElementTree.Element, decision: Decision) -> None:
    case = ElementTree.SubElement(suite, "testcase", {"classname": "decision", "name": "verdict", "time": "0"})
    if stops := ", ".join(each.criterion for each in decision.stopped_by):
        ElementTree.SubElement(case, "failure", {"message": f"{decision.verdict}: {stops}"})
    else:
        ElementTree.SubElement(case, "system-out").text = decision.verdict


def _case(suite: ElementTree.Element, finding: Finding) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        {
            "classname": finding.criterion.value if finding.criterion else "beside the criteria",
            "name": finding.check,
            "time": f"{finding.seconds:g}",
        },
    )
    saw = _NO_XML.sub("\ufffd", finding.saw)
    if finding.outcome is Outcome.FAIL:
        ElementTree.SubElement(case, "failure", {"message": saw})
    elif finding.outcome is Outcome.NOT_RUN:
        ElementTree.SubElement(case, "skipped", {"message": saw})
    else:
        ElementTree.SubElement(case, "system-out").text = f"{finding.outcome}: {saw}"
