"""`cutover preflight`: what it prints of the first day's prerequisites, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cutover.commands.app import main
from cutover.errors import NotReadyError
from cutover.prerequisites.report import ORDER
from tests.support.first_day import FirstDay


@pytest.fixture
def day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FirstDay:
    return FirstDay(tmp_path, monkeypatch)


def test_the_command_prints_a_table_and_ends_with_the_first_step_that_is_missing(
    day: FirstDay, capsys: pytest.CaptureFixture[str]
) -> None:
    day.answers["sns list_subscriptions_by_topic"] = [{"Subscriptions": []}]
    day.answers["ecr batch_get_image"] = [{"images": [], "failures": []}]
    day.write()

    assert main(["preflight", "-s", "prod"]) == NotReadyError.exit_code
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == len(ORDER)
    assert "  miss  on-call           not confirmed: on-call@web-next.test\n" in printed.out
    assert "  wait  release           for images\n" in printed.out
    assert printed.err == (
        "cutover: on-call: not confirmed: on-call@web-next.test; next: have each follow the link in the message that "
        "AWS has sent it\n"
    )


def test_a_day_that_is_over_ends_with_what_comes_after_it(day: FirstDay, capsys: pytest.CaptureFixture[str]) -> None:
    day.write()

    assert main(["preflight", "-s", "prod"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("  all of the first day is there; next: cutover smoke")


def test_machines_are_told_the_same_as_json(day: FirstDay, capsys: pytest.CaptureFixture[str]) -> None:
    day.settings["image"] = "later"
    day.write()

    assert main(["preflight", "-s", "prod", "--json"]) == NotReadyError.exit_code
    told = json.loads(capsys.readouterr().out)
    assert (told["stack"], told["ready"]) == ("prod", False)
    assert told["next"].startswith("cutover image push -s prod")
    assert [one["name"] for one in told["prerequisites"]] == [one.name for one in ORDER]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"runtime": "docker"}, "stack prod is on docker, and needs no account: make doctor looks at this machine"),
        ({"base": "first", "track": "candidate"}, "stack prod is a candidate, on first: cutover preflight -s first"),
    ],
)
def test_a_stack_without_a_first_day_on_aws_is_refused(
    day: FirstDay, capsys: pytest.CaptureFixture[str], settings: dict[str, str], said: str
) -> None:
    day.settings |= settings
    day.write()

    assert main(["preflight", "-s", "prod"]) == 1
    assert capsys.readouterr().err == f"cutover: {said}\n"
    assert day.asked == []
