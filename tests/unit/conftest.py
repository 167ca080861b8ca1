from __future__ import annotations

import pytest

from outputs import emulator


@pytest.fixture(autouse=True)
def _no_emulator_of_this_clone(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever signs for an emulator does so with a key that opens none."""
    monkeypatch.setattr(emulator, "FILE", tmp_path_factory.getbasetemp() / "emulator-key")
    emulator.FILE.write_text("opens nothing")
