"""For every rule: the project's program is recorded as Pulumi runs it."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _as_pulumi_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The project is the working folder, and an output that is put into a text is an error."""
    monkeypatch.chdir(Path(__file__).parents[3])
    monkeypatch.setenv("PULUMI_ERROR_OUTPUT_STRING", "true")
