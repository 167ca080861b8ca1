"""`cutover smoke` and `cutover up`: whose verdict they end with, what they print of it, and their exit code."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cutover.commands.app import main
from cutover.errors import CutoverError, NoGoError, StackLockedError
from cutover.smoke import run
from cutover.smoke.finding import Outcome
from tests.support.edge_double import TARGET
from tests.support.fake_stack import KEPT_PACK, Fake, keep
from tests.support.smoked import RECORD
from tests.support.smoked import report as found


def test_smoke_prints_the_table_and_where_the_pack_lies(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["smoke", "-s", "test"]) == 0
    assert capsys.readouterr().out == found().table() + "\n  pack  .local/packs/r/t  id 0123456789ab\n"


def test_smoke_prints_json_on_request(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["smoke", "-s", "test", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["decision"]["verdict"], printed["pack"]) == ("GO", KEPT_PACK.output())


def test_smoke_with_a_no_go_is_3_after_the_table(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "run_and_keep", lambda _suite, _target, _say: found(health=Outcome.FAIL))

    assert main(["smoke", "-s", "test"]) == 3
    printed = capsys.readouterr()
    assert "FAIL     Health" in printed.out
    assert printed.err == "cutover: NO-GO\n  Health: saw Health\n"


def test_smoke_on_a_stack_that_deployed_nothing_is_5(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    fake.values = {"evidence_bucket": "b"}

    assert main(["smoke", "-s", "test"]) == 5
    assert "test has deployed nothing yet" in capsys.readouterr().err


def test_smoke_takes_a_record_from_a_file_beside_the_caller(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "record.json").write_text(json.dumps(RECORD))
    monkeypatch.chdir(elsewhere)

    assert main(["smoke", "--target", "record.json"]) == 0
    assert "GO  web-next 1.5.1" in capsys.readouterr().out


def test_smoke_on_a_target_of_another_revision_is_1(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    fake.values = {"smoke_target": {"stack": "test"}}

    assert main(["smoke", "-s", "test"]) == 1
    assert "output smoke_target was put out by another revision" in capsys.readouterr().err


def test_up_ends_with_the_hooks_verdict_when_it_ran(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "run_and_keep", lambda _suite, _target, _say: pytest.fail("the hook has just run it"))
    fake.smoked = found()

    assert main(["up", "-s", "test"]) == 0
    end = "\n  dashboard  https://localhost:8443/dashboard\n  pack       the hook's\n"
    assert capsys.readouterr().out.endswith(found().table() + end)


def test_up_that_changed_nothing_ends_with_a_fresh_verdict(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["up", "-s", "test"]) == 0
    end = "\n  dashboard  https://localhost:8443/dashboard\n  pack       .local/packs/r/t  id 0123456789ab\n"
    assert capsys.readouterr().out.endswith(found().table() + end)


@pytest.mark.parametrize(
    ("outputs", "end"),
    [
        ({"release": {"version": "1.5.1"}}, "its database has no schema yet; set database.access, run up"),
        ({}, "it has no release yet; push its images, set image and edge.image, run up"),
    ],
    ids=["no schema", "no image"],
)
def test_up_of_a_stack_that_cannot_be_smoked_yet_has_no_verdict_and_says_what_comes_next(
    fake: Fake,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    outputs: dict[str, Any],
    end: str,
) -> None:
    monkeypatch.setattr(run, "run_and_keep", lambda _suite, _target, _say: pytest.fail("there is nothing to smoke"))
    fake.values = {"audit_db_endpoint": "db:5432", **outputs}

    assert main(["up", "-s", "test"]) == 0
    assert capsys.readouterr().out.endswith(f"test has no verdict: {end}\n")


def test_up_that_changed_nothing_is_3_when_the_fresh_verdict_is_a_no_go(
    fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "run_and_keep", lambda _suite, _target, _say: found(rate=Outcome.FAIL))

    assert main(["up", "-s", "test"]) == 3


def test_up_that_the_hook_stopped_is_3_with_the_table(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    fake.smoked, fake.failure = found(rate=Outcome.FAIL), NoGoError("stack test: NO-GO, nothing was recorded: why")

    assert main(["up", "-s", "test"]) == 3
    printed = capsys.readouterr()
    assert "FAIL     Rate limit" in printed.out
    assert printed.err == "cutover: stack test: NO-GO, nothing was recorded: why\n"


def test_up_that_failed_by_itself_says_so_whatever_another_run_has_left_meanwhile(
    fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.smoked, fake.failure = found(rate=Outcome.FAIL), CutoverError("disk full")

    assert main(["up", "-s", "test"]) == 1
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "cutover: disk full\n")


@pytest.mark.parametrize("part", [{"digest": "of before"}, {"profile": "prod"}])
def test_a_go_of_another_target_that_somebody_elses_run_left_meanwhile_is_not_the_updates(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, part: dict[str, Any]
) -> None:
    fake.smoked = replace(found(), target=replace(TARGET, **part))
    monkeypatch.setattr(run, "run_and_keep", lambda _suite, _target, _say: found(rate=Outcome.FAIL))

    assert main(["up", "-s", "test"]) == 3


def test_a_no_go_that_somebody_elses_run_left_meanwhile_is_not_the_updates(
    fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.smoked = found(rate=Outcome.FAIL)

    assert main(["up", "-s", "test"]) == 0
    assert "GO  web-next 1.5.1" in capsys.readouterr().out


def test_up_that_failed_after_a_go_is_its_own_failure(fake: Fake) -> None:
    fake.smoked, fake.failure = found(), StackLockedError("locked")

    assert main(["up", "-s", "test"]) == 4


def test_an_older_no_go_does_not_explain_a_failure(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    keep(found(rate=Outcome.FAIL))
    monkeypatch.setattr(time, "time", lambda: 9e9)
    fake.failure = NoGoError("stack test: NO-GO, nothing was recorded: a service was put back")

    assert main(["up", "-s", "test"]) == 3
    assert "Rate limit" not in capsys.readouterr().out
