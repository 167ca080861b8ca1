"""What a run leaves behind, and what the next one knows of it."""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path

import pytest

from cutover.errors import StackLockedError
from cutover.smoke import run
from cutover.smoke.check import Check, Suite
from cutover.smoke.finding import Outcome
from cutover.smoke.kept import KEPT, Kept, saved
from cutover.smoke.probe import Sample
from cutover.smoke.report import Report
from outputs.smoke import Criterion
from tests.support.edge_double import target
from tests.support.smoked import report


def check(name: str, criterion: Criterion | None = None, look: object = None) -> Check:
    return Check(name=name, criterion=criterion, did="looks", look=look or (lambda _probe: "fine"))  # type: ignore[arg-type]


def keep(found: Report) -> None:
    with Kept.begin(found.target.stack) as kept:
        kept.report(found)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


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
