from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path

import pulumi
import pytest
from pulumi.runtime.settings import set_root_resource

from tests.unit.infra.recorder import STACK, Recorder


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    """A recording engine under the stack `test`, the project as the working folder."""
    monkeypatch.chdir(Path(__file__).parents[3])
    monkeypatch.setenv("PULUMI_ERROR_OUTPUT_STRING", "true")
    recorder = Recorder()
    asyncio.set_event_loop(asyncio.new_event_loop())  # a test before this one may have ended the thread's
    set_root_resource(None)  # type: ignore[arg-type] # each test starts without the outputs of the one before
    pulumi.runtime.set_mocks(recorder.mocks, project="web-next", stack=STACK, preview=False, monitor=recorder)
    yield recorder
    gc.enable()  # the program turns the collector off; the tests after it want it back
