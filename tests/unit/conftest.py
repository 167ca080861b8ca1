"""What unit tests share: no emulator of this clone, and a clone whose commands are doubles."""

from __future__ import annotations

from pathlib import Path

import pytest

from outputs import emulator
from tests.support import workflow_doubles


@pytest.fixture(autouse=True)
def _no_emulator_of_this_clone(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever signs for an emulator does so with a key that opens none."""
    monkeypatch.setattr(emulator, "FILE", tmp_path_factory.getbasetemp() / "emulator-key")
    emulator.FILE.write_text("opens nothing")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone whose commands are doubles: they write down how they are called."""
    return workflow_doubles.clone(tmp_path)
