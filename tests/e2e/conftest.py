"""Whole systems on the clone's emulator and network: one for each module, or for a test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.system import System, make_system, remove


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The module's system; nothing is up at first."""
    made = make_system(tmp_path_factory.mktemp("system"), block=20)
    yield made
    remove(made)


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[System]:
    """A system of one test's own."""
    made = make_system(tmp_path, block=30)
    yield made
    remove(made)
