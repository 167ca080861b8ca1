"""What the program spares the SDK: no output is waited for again because another one is there."""

from __future__ import annotations

import asyncio
import gc
import importlib
from typing import Any

import pulumi
import pytest
from pulumi.runtime import stack
from pulumi.runtime.settings import SETTINGS

OUTPUTS = 200


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK as the program has it, for a test; the other tests of this process have it as it is."""
    monkeypatch.setattr(pulumi.log, "debug", pulumi.log.debug)
    monkeypatch.setattr(stack, "asyncio", asyncio)
    importlib.reload(importlib.import_module("infra.quick_sdk"))
    gc.enable()


def waited(*outputs: Any) -> int:
    """How often the SDK waits until these outputs are there."""
    looks = 0
    wait = asyncio.wait

    async def counted(tasks: Any, **options: Any) -> Any:
        nonlocal looks
        looks += 1
        return await wait(tasks, **options)

    async def run() -> None:
        tasks = [asyncio.ensure_future(output) for output in outputs]
        SETTINGS.outputs.clear()
        for task in tasks:
            SETTINGS.outputs.add(task)
        try:
            await stack.wait_for_rpcs()
        finally:
            for task in tasks:
                task.cancel()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "wait", counted)
        asyncio.run(run())
    return looks


async def there(after: int) -> None:
    for _ in range(after):
        await asyncio.sleep(0)


async def failing() -> None:
    await there(5)
    raise ValueError("no such thing")


def test_outputs_that_come_one_after_the_other_are_waited_for_once() -> None:
    assert waited(*(there(number) for number in range(OUTPUTS))) == 1


def test_one_that_fails_is_told_at_once_though_another_never_comes() -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    with pytest.raises(ValueError, match="no such thing"):
        waited(never(), *(there(number) for number in range(OUTPUTS)), failing())
