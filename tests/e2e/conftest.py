"""Whole systems: one that the modules share, and one for a module that begins with nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.system import System, new_system, wait_for


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    """A system of the module's own; nothing is up at first."""
    with new_system() as made:
        yield made


@pytest.fixture(scope="session")
def standing() -> Iterator[System]:
    """A system that is up. Modules share it: each leaves it up and well, though with other settings and data."""
    with new_system() as made:
        made.up()
        wait_for(made.well)
        yield made
