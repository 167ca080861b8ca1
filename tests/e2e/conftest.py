"""Whole systems: one that the modules share, and one for a module that begins with nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.collector import Collector, collecting
from tests.support.system import System, new_system, wait_for


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    """A system of the module's own; nothing is up at first."""
    with new_system() as made:
        yield made


@pytest.fixture(scope="session")
def watched() -> Iterator[tuple[System, Collector]]:
    """A system that is up, and the collector on this machine that its spans go to, once the vault has a header."""
    with new_system() as made, collecting(made.machine.gateway) as collector:
        made.set("telemetry", {"endpoint": collector.url, "headers": True})
        made.up()
        wait_for(made.well)
        yield made, collector


@pytest.fixture(scope="session")
def standing(watched: tuple[System, Collector]) -> System:
    """The system that is up. Modules share it: each leaves it up and well, though with other settings and data."""
    return watched[0]


@pytest.fixture(scope="session")
def collector(watched: tuple[System, Collector]) -> Collector:
    """Who collects its spans."""
    return watched[1]
