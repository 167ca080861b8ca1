"""Imported first by the program: what the SDK does for long-running programs costs a preview a third of its time.

A program frees nothing worth collecting. For each resource the SDK sends the engine four debug messages and waits for
every one (bench/preview_100.py: ratio 2.47 with them, 2.19 without); WEB_NEXT_DEBUG=1 lets them through for
`pulumi up --debug`. And at the end it looks at all outputs that are still to come, nine hundred of prod, whenever one
of them is there: a preview of prod took 4.99 s with that, 4.39 s without (bench/policy.py, on a busy machine).
"""

import gc
import os

gc.disable()

import asyncio
import types
from typing import Any

import pulumi
from pulumi.runtime import stack

if os.environ.get("WEB_NEXT_DEBUG") != "1":
    pulumi.log.debug = lambda *_arguments, **_options: None


class _Asyncio(types.ModuleType):
    """asyncio for the SDK's loop over outputs: who waits for the first of many waits for all, or for one that fails."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    @staticmethod
    async def wait(tasks: Any, **_options: Any) -> Any:
        return await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)


stack.asyncio = _Asyncio("asyncio")  # type: ignore[attr-defined]
