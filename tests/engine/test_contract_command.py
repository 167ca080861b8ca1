"""The command `cutover contract`: what it prints, reads and ends with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cutover.commands.app import main
from cutover.conformance.suite import RULES
from tests.support.containers import free_port
from tests.support.reference import LOG, KeptAudit, reference
from tests.support.sabotage import Target, becomes, on

pytestmark = pytest.mark.engine

QUEUE = "/api/alerts/queue"


@pytest.fixture(scope="module")
def running() -> Iterator[Target]:
    yield from reference(audit=KeptAudit())


@pytest.fixture
def target(running: Target) -> Iterator[Target]:
    yield running
    running.change = None


def run(*arguments: str) -> int:
    return main(["contract", *arguments])


def test_the_command_prints_a_line_for_each_rule(target: Target, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(target.url, "--metrics", target.url) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == list(RULES)
    assert {line.split()[0] for line in lines} == {"PASS", "SKIP"}


def test_the_command_names_what_is_broken_and_ends_with_nine(
    target: Target, capsys: pytest.CaptureFixture[str]
) -> None:
    target.change = on(QUEUE, becomes(dlq="x"), method="GET")

    assert run(target.url) == 9
    seen = capsys.readouterr()
    assert "  FAIL  queue              queue: dlq is 'x'" in seen.out.splitlines()
    assert seen.err.splitlines() == [
        f"cutover: {target.url} breaks 1 of {len(RULES)} rules: queue; docs/contract.md says what each asks"
    ]


def test_the_report_can_be_json(target: Target, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(target.url, "--json") == 0

    report = json.loads(capsys.readouterr().out)
    assert (report["url"], report["holds"]) == (target.url, True)
    assert [rule["rule"] for rule in report["rules"]] == list(RULES)
    assert {rule["outcome"] for rule in report["rules"]} == {"pass", "skip"}


def test_an_address_where_nothing_answers_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    url = f"http://127.0.0.1:{free_port()}"

    assert run(url) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"cutover: {url} gave no answer (")
    assert "start the image" in line


def test_plain_http_where_tls_is_expected_is_one_line(target: Target, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(target.url.replace("http:", "https:")) == 1
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_an_authority_that_is_none_is_one_line(
    target: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")

    assert run(target.url, "--ca", str(tmp_path / "ca.pem")) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "is no certificate authority" in line


def test_the_command_reads_the_log_of_files(target: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "app.log"
    file.write_text(LOG)
    assert run(target.url, "--log", str(file)) == 0
    assert "  PASS  log-figures        spooledEntries" in capsys.readouterr().out.splitlines()

    file.write_text("no image of ours\n")
    assert run(target.url, "--log", str(file)) == 9
    assert "  FAIL  log-figures        spooledEntries is on none of 0 lines" in capsys.readouterr().out.splitlines()

    assert run(target.url, "--log", str(tmp_path / "none")) == 1
    assert "--log takes what docker logs NAME wrote" in capsys.readouterr().err
