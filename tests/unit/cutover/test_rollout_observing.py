"""Looking at a phase: whatever goes wrong in it holds the rollout, and says why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from cutover.errors import CutoverError
from cutover.gates.result import Outcome
from cutover.gates.source import Source
from cutover.rollout import observing
from cutover.rollout.record import State
from tests.support.rollout_states import named
from tests.support.rollouts import RECORD

NOBODY = cast(Source, None)


def test_an_error_that_nobody_foresaw_is_no_data_and_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(observing, "look", full)
    judgement = observing.judged(RECORD, NOBODY, tmp_path)

    assert (judgement.outcome, judgement.action) == (Outcome.NO_DATA, "hold")
    assert judgement.why == "an error of cutover's own: OSError: [Errno 28] No space left on device"


def test_a_sample_that_cannot_be_kept_is_judged_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = named("rolled back").samples[-1]
    folder = tmp_path / "local"
    folder.touch()  # a file where the folder would be: nothing can be written there
    monkeypatch.setattr(observing, "look", lambda *_, **__: sample)

    assert observing.judged(replace(RECORD, state=State.CANARY), NOBODY, folder) == sample.judged()
    assert sample.judged().action == "rollback"


def test_an_error_with_a_way_out_is_told_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise CutoverError("the metrics are elsewhere")

    monkeypatch.setattr(observing, "look", refuse)

    with pytest.raises(CutoverError, match="elsewhere"):
        observing.judged(RECORD, NOBODY, tmp_path)
