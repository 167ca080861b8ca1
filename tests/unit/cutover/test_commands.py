"""The command line's contract with scripts: exit codes, one line on stderr, no traceback."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from cutover import smoke
from cutover.commands import app as cli
from cutover.errors import (
    CutoverError,
    MigrationError,
    NoGoError,
    NotPreparedError,
    StackLockedError,
    StackMissingError,
)
from cutover.smoke import Report
from cutover.smoke.decision import Outcome
from cutover.stacks import stack
from tests.support.smoked import RECORD, report

COMMANDS = (["up", "-s", "test"], ["smoke", "-s", "test"], ["outputs", "-s", "test"])


class FakeStack:
    """A stack whose `up` and `outputs` do what a test says."""

    made_with: str | None = None
    failure: BaseException | None = None
    values: dict[str, Any] = {"smoke_target": RECORD}  # noqa: RUF012
    smoked: Report | None = None

    def __init__(self, name: str) -> None:
        FakeStack.made_with = name

    def up(self, *, refresh: bool) -> None:
        if self.smoked:
            smoke.save(self.smoked)
        if self.failure:
            raise self.failure

    def outputs(self) -> dict[str, Any]:
        if self.failure:
            raise self.failure
        return self.values


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> type[FakeStack]:
    """Stack replaced, the project's folder a temporary one, and a suite that finds everything in order."""
    monkeypatch.setattr(cli, "Stack", FakeStack)
    monkeypatch.setattr(cli, "PROJECT", tmp_path)
    monkeypatch.setattr(smoke, "run", lambda _target: report())
    for name in ("made_with", "failure", "values", "smoked"):
        monkeypatch.setattr(FakeStack, name, FakeStack.__dict__[name])
    return FakeStack


def subclasses(error: type[CutoverError]) -> list[type[CutoverError]]:
    return [error] + [one for child in error.__subclasses__() for one in subclasses(child)]


def test_every_error_but_the_plain_one_has_an_exit_code_of_its_own() -> None:
    codes = {error.__name__: error.exit_code for error in subclasses(CutoverError)}

    assert len(set(codes.values())) == len(codes), codes
    assert codes["NoGoError"] == 3
    assert not {0, 2, 130} & set(codes.values()), "these mean done, wrong usage and interrupted"


@pytest.mark.parametrize(
    "error",
    [CutoverError, NoGoError, StackLockedError, StackMissingError, NotPreparedError, MigrationError],
)
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_an_error_is_its_exit_code_and_one_line(
    fake: type[FakeStack], capsys: pytest.CaptureFixture[str], command: list[str], error: type[CutoverError]
) -> None:
    fake.failure = error("what happened: the way out")

    assert cli.main(command) == error.exit_code
    assert capsys.readouterr().err == "cutover: what happened: the way out\n"


@pytest.mark.parametrize("error", subclasses(CutoverError), ids=lambda error: error.__name__)
def test_every_exit_code_is_documented(error: type[CutoverError]) -> None:
    assert re.search(rf"\b{error.exit_code} \w", cli.__doc__ or "")


def test_an_interrupt_is_130_and_one_line(fake: type[FakeStack], capsys: pytest.CaptureFixture[str]) -> None:
    fake.failure = KeyboardInterrupt()

    assert cli.main(["up", "-s", "test"]) == 130
    assert capsys.readouterr().err == "cutover: interrupted; run the same command again to go on\n"


@pytest.mark.parametrize("arguments", [[], ["fly"], ["up"], ["smoke", "-s", "test", "--fast"]])
def test_wrong_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)

    assert ended.value.code == 2


def test_the_stack_is_the_one_that_was_named(fake: type[FakeStack]) -> None:
    cli.main(["outputs", "-s", "prod"])

    assert fake.made_with == "prod"


def test_outputs_are_json(fake: type[FakeStack], capsys: pytest.CaptureFixture[str]) -> None:
    fake.values = {"edge_url": "https://localhost:8443", "audit_db_endpoint": "[secret]"}

    assert cli.main(["outputs", "-s", "test"]) == 0
    assert json.loads(capsys.readouterr().out) == fake.values


def test_smoke_prints_the_table_and_keeps_the_report(
    fake: type[FakeStack], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["smoke", "-s", "test"]) == 0
    assert capsys.readouterr().out == report().table() + "\n"
    assert (tmp_path / smoke.REPORTS / "test.json").exists(), "beside the project, wherever the command was called"


def test_smoke_prints_json_on_request(fake: type[FakeStack], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["smoke", "-s", "test", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["decision"]["verdict"] == "GO"


def test_smoke_with_a_no_go_is_3_after_the_table(
    fake: type[FakeStack], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(smoke, "run", lambda _target: report(health=Outcome.FAIL))

    assert cli.main(["smoke", "-s", "test"]) == 3
    printed = capsys.readouterr()
    assert "FAIL     Health" in printed.out
    assert printed.err == "cutover: NO-GO: Health: saw Health\n"


def test_smoke_on_a_stack_that_deployed_nothing_is_5(fake: type[FakeStack], capsys: pytest.CaptureFixture[str]) -> None:
    fake.values = {"evidence_bucket": "b"}

    assert cli.main(["smoke", "-s", "test"]) == 5
    assert "test has deployed nothing yet" in capsys.readouterr().err


def test_smoke_on_a_record_of_another_version_is_1(fake: type[FakeStack], capsys: pytest.CaptureFixture[str]) -> None:
    fake.values = {"smoke_target": {"stack": "test"}}

    assert cli.main(["smoke", "-s", "test"]) == 1
    assert "written by another version" in capsys.readouterr().err


def test_up_ends_with_the_hooks_verdict_when_it_ran(
    fake: type[FakeStack], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(smoke, "run", lambda _target: pytest.fail("the hook has just run it"))
    fake.smoked = report()

    assert cli.main(["up", "-s", "test"]) == 0
    assert capsys.readouterr().out.endswith(report().table() + "\n")


def test_up_that_changed_nothing_ends_with_a_fresh_verdict(
    fake: type[FakeStack], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["up", "-s", "test"]) == 0
    assert report().table() in capsys.readouterr().out


def test_up_of_a_stack_without_an_app_has_no_verdict_and_is_0(
    fake: type[FakeStack], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(smoke, "run", lambda _target: pytest.fail("there is nothing to smoke"))
    fake.values = {"audit_db_endpoint": "db:5432"}

    assert cli.main(["up", "-s", "test"]) == 0
    assert capsys.readouterr().out.endswith("  test has no app yet, so there is nothing to smoke and no verdict\n")


def test_up_that_changed_nothing_is_3_when_the_fresh_verdict_is_a_no_go(
    fake: type[FakeStack], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smoke, "run", lambda _target: report(rate=Outcome.FAIL))

    assert cli.main(["up", "-s", "test"]) == 3


def test_up_that_the_hook_stopped_is_3_with_the_table(
    fake: type[FakeStack], capsys: pytest.CaptureFixture[str]
) -> None:
    fake.smoked, fake.failure = report(rate=Outcome.FAIL), CutoverError("stack test: hook failed")

    assert cli.main(["up", "-s", "test"]) == 3
    printed = capsys.readouterr()
    assert "FAIL     Rate limit" in printed.out
    assert printed.err == ("cutover: stack test: NO-GO, nothing was recorded; mend what failed and run up again\n")


def test_up_that_failed_after_a_go_is_its_own_failure(fake: type[FakeStack]) -> None:
    fake.smoked, fake.failure = report(), StackLockedError("locked")

    assert cli.main(["up", "-s", "test"]) == 4


def test_an_older_no_go_does_not_explain_a_failure(
    fake: type[FakeStack], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    smoke.save(report(rate=Outcome.FAIL))
    monkeypatch.setattr(time, "time", lambda: 9e9)
    fake.failure = CutoverError("disk full")

    assert cli.main(["up", "-s", "test"]) == 1


def test_the_working_folder_is_the_callers_again_afterwards(
    fake: type[FakeStack], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    cli.main(["smoke", "-s", "test"])

    assert Path.cwd() == elsewhere


def test_the_project_is_this_repository() -> None:
    assert (stack.PROJECT / "Pulumi.yaml").exists()
