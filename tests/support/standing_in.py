"""What is said, while a request is answered, of something that stands in for a dependency."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from webnext import context


def in_request(work: Callable[[], Awaitable[Any]]) -> tuple[Any, str]:
    """What `work` returns within a request, and the dependency that it is counted by, `mock` where none was away."""

    async def request() -> tuple[Any, str]:
        context.scope.set({})
        return await work(), context.away()

    return asyncio.run(request())
