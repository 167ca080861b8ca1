"""Samples: kept a line each, read back as they were, and judged again by other limits."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cutover.commands.app import main
from cutover.errors import CutoverError
from cutover.gates.counts import Counts, TrackCounts
from cutover.gates.probe import Probed, Probes
from cutover.gates.result import Outcome
from cutover.gates.samples import SAMPLES, Sample, read, replayed
from cutover.rollout.phases import PHASES
from tests.support.judged import REAL, WELL, counted


def sample(seconds: float, errors: int, *, phase: int = 0, candidate: Probed = WELL) -> Sample:
    """A look at a phase that has had 10 requests a second and so many errors."""
    requests = int(seconds * 10)
    own = TrackCounts(asked=requests, requests=requests, errors=errors)
    return Sample(
        **vars(counted(own, own, seconds=seconds, audit_per_minute=0.0)),
        rollout="r1",
        phase=PHASES[phase].name,
        hold=PHASES[phase].hold,
        gates=PHASES[phase].gates,
        adapters={"stable": REAL, "candidate": REAL},
        probes=Probes(stable=WELL, candidate=candidate),
    )


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    """Ten minutes of a candidate that fails 1.5 % from the first minute on; stable is fine."""
    for minute in range(1, 11):
        taken = sample(60 * minute, 9 * minute)
        replace(taken, stable=replace(taken.stable, errors=0)).append_to(tmp_path / "local")
    return tmp_path / "local" / SAMPLES


def test_a_sample_is_read_back_as_it_was_and_as_counts(tmp_path: Path) -> None:
    kept = sample(600, 3, candidate=Probed(answered=False, away=("audit",)))
    kept.append_to(tmp_path)
    kept.append_to(tmp_path)
    lines = (tmp_path / SAMPLES).read_text().splitlines()

    assert [each.output() for each in read(tmp_path / SAMPLES)] == [kept.output()] * 2
    assert Counts.from_output(json.loads(lines[0])).candidate.errors == 3
    assert read(tmp_path / SAMPLES)[0].judged().output() == kept.judged().output()


def test_the_limits_of_the_record_trip_nothing_where_a_lower_one_would_have_in_time(recorded: Path) -> None:
    samples = read(recorded)

    assert replayed(samples, {}) == []
    [tripped] = replayed(samples, {"errors": 0.005})
    assert (tripped.gate, tripped.outcome, tripped.phase) == ("errors", Outcome.FAILED, "canary")
    assert tripped.after == 180
    assert replayed(samples, {"errors": 0.001})[0].after == 60, "the lower the limit, the sooner"


def test_each_gate_trips_once_a_phase(tmp_path: Path) -> None:
    hung = [
        sample(seconds, 0, phase=phase, candidate=Probed(answered=False)) for phase in (0, 1) for seconds in (5, 10)
    ]

    assert [(each.phase, each.gate, each.after) for each in replayed(hung, {})] == [
        ("canary", "probe", 5),
        ("staged", "probe", 5),
    ]


@pytest.mark.parametrize(
    ("limits", "complaint"),
    [
        ({"eror": 0.01}, "no gate is called 'eror': the samples have audit elsewhere, errors, "),
        ({"errors": 2.0}, "the limit 2 of 'errors' is no share between 0 and 1, such as 0.01 for 1 %"),
    ],
)
def test_a_limit_that_is_none_is_refused(recorded: Path, limits: dict[str, float], complaint: str) -> None:
    with pytest.raises(CutoverError, match=complaint):
        replayed(read(recorded), limits)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b'{"a": 1}\n', "line 1, is no sample"),
        (b"{\n", "line 1, is no sample"),
        (b"\xff\xfe\0", "line 1, is no sample"),
        (b"", "no samples"),
    ],
)
def test_a_file_of_something_else_is_refused_by_its_line(tmp_path: Path, content: bytes, complaint: str) -> None:
    (tmp_path / SAMPLES).write_bytes(content)

    with pytest.raises(CutoverError, match=complaint):
        read(tmp_path / SAMPLES)
    with pytest.raises(CutoverError, match="cannot be read"):
        read(tmp_path / "none")


def test_the_command_says_when_each_gate_would_have_tripped(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gates", "replay", str(recorded)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "  10 samples, 2026-11-29 06:01:00 to 06:10:00 UTC",
        "  no gate would have tripped",
    ]
    assert main(["gates", "replay", str(recorded), "--limit", "errors=0.005"]) == 0
    assert "  06:03:00  canary, after 3 min: errors fail: 27 of 1800 are 1.5%, at most 0.5%" in capsys.readouterr().out
    assert main(["gates", "replay", str(recorded), "--limit", "errors=0.005", "--json"]) == 0
    assert [each["gate"] for each in json.loads(capsys.readouterr().out)] == ["errors"]


@pytest.mark.parametrize("limit", ["errors", "errors=x"])
def test_a_limit_without_a_number_is_wrong_usage(recorded: Path, limit: str) -> None:
    assert main(["gates", "replay", str(recorded), "--limit", limit]) == 2
