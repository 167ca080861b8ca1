"""The section rollout: its holds, its freezes, and what is said of one that is wrong; both who read it agree."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import pytest

from cutover.errors import CutoverError
from cutover.rollout.phases import PHASES
from cutover.rollout.settings import phases_of, settings_of
from cutover.stacks import project
from infra.settings.problems import SettingsError
from outputs.rollout import RolloutSettings
from tests.unit.infra.configs import settings

DESK = {"days": "mon-fri", "from": "14:25", "to": "21:05", "timezone": "America/New_York", "reason": "the desk trades"}
HOLIDAYS = {"from": "2026-12-24T00:00Z", "to": "2027-01-02T08:00+01:00", "reason": "nobody is here"}


def refused(section: Mapping[str, Any]) -> str:
    with pytest.raises(SettingsError) as raised:
        settings(rollout=section)
    (_, line) = str(raised.value).splitlines()
    return line.strip()


def test_without_the_section_the_phases_hold_as_long_as_the_playbook_says_and_nothing_is_frozen() -> None:
    read = settings().rollout

    assert [(phase.name, phase.hold) for phase in phases_of(read)] == [
        ("canary", 1800),
        ("staged", 3600),
        ("production", 86400),
    ]
    assert phases_of(read) == PHASES
    assert (read.freeze, read.may_replace) == ([], None)


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("30m", 1800), ("1h", 3600), ("24h", 86400)])
def test_a_hold_is_a_number_with_its_unit(text: str, seconds: float) -> None:
    phases = phases_of(settings(rollout={"hold": {"staged": text}}).rollout)

    assert [phase.hold for phase in phases] == [1800, seconds, 86400]


@pytest.mark.parametrize("value", ["30", 30, 1800.0, "0m", "1.5h", "half an hour", "-1h", "30 m", None])
def test_a_hold_without_unit_or_number_is_told_the_form(value: object) -> None:
    assert refused({"hold": {"canary": value}}) == (
        f"web-next:rollout.hold.canary = {json.dumps(value)}: it must be a duration, such as 30m, 1h or 90s"
    )


@pytest.mark.parametrize("phase", ["canary", "staged", "production"])
def test_no_phase_holds_for_longer_than_its_gates_look_back(phase: str) -> None:
    assert settings(rollout={"hold": {phase: "36h"}}).rollout
    assert refused({"hold": {phase: "37h"}}) == (
        f'web-next:rollout.hold.{phase} = "37h": it must be 36h at most: extended once, that is the three days which '
        "the gates see; whoever wants longer types the next verb later"
    )


def test_a_phase_that_there_is_not_is_led_to_one_that_there_is() -> None:
    assert refused({"hold": {"canery": "30m"}}) == "web-next:rollout.hold.canery: unknown key; did you mean 'canary'?"


def test_both_kinds_of_windows_are_read() -> None:
    desk, holidays = settings(rollout={"freeze": [DESK, HOLIDAYS]}).rollout.freeze

    assert (desk.days, desk.start, desk.end, desk.timezone) == ("mon-fri", time(14, 25), time(21, 5), DESK["timezone"])
    assert (holidays.days, holidays.start) == (None, datetime(2026, 12, 24, tzinfo=UTC))
    assert holidays.end == datetime(2027, 1, 2, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("window", "said"),
    [
        (DESK | {"days": "Monday"}, '.days = "Monday": it must be a day or a range of days, such as mon-fri'),
        (DESK | {"from": "25:00"}, '.from = "25:00": it must be a time of day, "14:25", or a moment, '),
        (DESK | {"to": "9:05"}, '.to = "9:05": it must be a time of day'),
        (HOLIDAYS | {"to": "2027-01-02 08:00:00 +0100 +0100"}, '.to = "2027-01-02 08:00:00 +0100 +0100": it must be'),
        (HOLIDAYS | {"from": "2026-12-24T00:00"}, '.from = "2026-12-24T00:00": it must be a time of day'),
        (HOLIDAYS | {"from": "2026-12-24"}, '.from = "2026-12-24": it must be a time of day'),
        (DESK | {"timezone": "New York"}, '.timezone = "New York": it must be a time zone, such as America/New_York'),
        (DESK | {"timezone": "../etc"}, '.timezone = "../etc": it must be a time zone'),
        ({key: DESK[key] for key in DESK if key != "reason"}, ".reason: required, not set; pulumi config set --path "),
        (DESK | {"zone": "UTC"}, ".zone: unknown key; did you mean 'timezone'?"),
        (DESK | {"from": HOLIDAYS["from"]}, " = {"),
        ({key: DESK[key] for key in DESK if key != "days"}, " = {"),
    ],
)
def test_a_window_that_is_wrong_is_told_where_and_how(window: Mapping[str, Any], said: str) -> None:
    assert refused({"freeze": [HOLIDAYS, window]}).startswith(f"web-next:rollout.freeze[1]{said}")


@pytest.mark.parametrize(
    ("window", "said"),
    [
        (DESK | {"from": HOLIDAYS["from"]}, "it has days: from and to must be times of day, such as 14:25"),
        ({"from": "10:00", "to": "11:00", "reason": "r"}, "it has no days: from and to must be moments, such as 2026-"),
        (HOLIDAYS | {"timezone": "UTC"}, "it has no days: remove timezone; a moment has its own"),
        (HOLIDAYS | {"to": HOLIDAYS["from"]}, "it ends before it begins: from must be before to"),
    ],
)
def test_a_window_of_neither_kind_is_told_what_it_lacks(window: Mapping[str, Any], said: str) -> None:
    assert f": {said}" in refused({"freeze": [window]})


def test_all_that_is_wrong_is_refused_at_once() -> None:
    wrong = {"hold": {"canary": "x"}, "freeze": [DESK | {"days": "x"}, HOLIDAYS | {"to": "x"}], "mayReplace": "x"}
    with pytest.raises(SettingsError) as raised:
        settings(rollout=wrong, edge={"burst": -1})

    assert str(raised.value).startswith("5 problem(s)")


@pytest.fixture
def stack_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the file of a stack `test` is read from."""
    monkeypatch.setattr(project, "PROJECT", tmp_path)
    return tmp_path / "Pulumi.test.yaml"


def test_cutover_reads_the_file_as_the_program_is_handed_it(stack_file: Path) -> None:
    stack_file.write_text(
        "config:\n  web-next:rollout:\n    hold: {canary: 20s}\n    freeze:\n"
        '    - {days: fri, from: 14:25, to: 09:05, reason: unquoted}\n    - {from: "2026-12-24T00:00Z",'
        ' to: "2026-12-27T00:00Z", reason: quoted}\n'
    )
    handed = [  # by Pulumi 3.259
        {"days": "fri", "from": "14:25", "to": "09:05", "reason": "unquoted"},
        {"from": "2026-12-24T00:00Z", "to": "2026-12-27T00:00Z", "reason": "quoted"},
    ]

    assert settings_of("test") == settings(rollout={"hold": {"canary": "20s"}, "freeze": handed}).rollout


def test_a_moment_that_yaml_takes_for_its_own_is_refused_by_both(stack_file: Path) -> None:
    stack_file.write_text(
        "config:\n  web-next:rollout:\n    freeze:\n    - {from: 2026-12-24T00:00:00Z, to: 2026-12-27, reason: r}\n"
    )
    handed = {"from": "2026-12-24 00:00:00 +0000 UTC", "to": "2026-12-27T00:00Z", "reason": "r"}

    with pytest.raises(CutoverError, match=r"^Pulumi\.test\.yaml: web-next:rollout\.freeze\.0\.from: it must .* quote"):
        settings_of("test")
    assert refused({"freeze": [handed]}).endswith("quote it in YAML")


def test_a_stack_without_the_section_has_the_defaults(stack_file: Path) -> None:
    stack_file.write_text("config: {}\n")

    assert settings_of("test") == RolloutSettings()
