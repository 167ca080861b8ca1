"""For every test: nobody outside is asked; a terminated run ends the way an interrupted one does; several workers share
the files by group."""

from __future__ import annotations

import gc
import signal
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests.support import fence, schedule


def pytest_configure() -> None:
    fence.close()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # A shell that runs this in the background has it ignore interrupts, and so would what tests interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: schedule.place(item.nodeid))


def pytest_collection_finish() -> None:
    """What collecting has imported stays to the end: half a million objects that no collection looks through again."""
    gc.collect()
    gc.freeze()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Deal out whole groups, in the order of collection."""
    config.option.loadscopereorder = False
    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = schedule.group
    return scheduler
