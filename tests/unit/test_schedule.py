"""The table of what runs together names files that are there, and all that share a system."""

from __future__ import annotations

from offline.machine import ROOT
from tests.support import schedule


def test_every_file_that_the_schedule_names_is_there() -> None:
    assert [file for file in schedule.FILES if not (ROOT / file).is_file()] == []


def test_files_of_a_group_are_dealt_out_together_and_any_other_by_itself() -> None:
    for names in schedule.GROUPS:
        assert {schedule.group(f"tests/{name}.py::test_it[a::b]") for name in names} == {names[0]}
    assert schedule.group("tests/unit/test_schedule.py::test_it") == "tests/unit/test_schedule.py"


def test_files_that_share_the_system_that_is_up_are_one_group() -> None:
    files = (ROOT / "tests" / "e2e").glob("test_*.py")

    assert {f"e2e/{file.stem}" for file in files if "standing: System" in file.read_text()} == set(schedule.GROUPS[0])
