"""What /api/healthz reports of this process and its adapters."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from webnext.contract.health import AdapterCheck, Checks, MemoryCheck, UptimeCheck
from webnext.dependency import AwayError
from webnext.services import Part

_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))

MEMORY_SHARE = 0.9
"""The part of the container's memory limit above which the memory check fails."""


async def checks(parts: Mapping[str, Part], uptime: float) -> Checks:
    """Return every check; the adapters are asked side by side."""
    names = list(parts)
    adapters = await asyncio.gather(*(adapter(parts[name]) for name in names))
    return Checks(
        memory=memory(),
        uptime=UptimeCheck(seconds=round(uptime, 1)),
        **dict(zip(names, adapters, strict=True)),
    )


def memory() -> MemoryCheck:
    """Not ok above MEMORY_SHARE of the container's memory limit, where there is one."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    resident = pages * os.sysconf("SC_PAGE_SIZE")
    limit = _memory_limit()
    return MemoryCheck(ok=limit is None or resident < MEMORY_SHARE * limit, rssMiB=round(resident / 2**20, 1))


async def adapter(part: Part) -> AdapterCheck:
    """Ok when the adapter's production side answers within its ping's limit of time, else what does not since when."""
    try:
        await part.ping()
    except AwayError as away:
        dependency = away.dependency if part.adapter == "production" else None
        return AdapterCheck(ok=False, adapter=part.adapter, away=dependency, since=away.since)
    return AdapterCheck(ok=True, adapter=part.adapter)


def _memory_limit() -> int | None:
    for file in _LIMITS:
        try:
            text = file.read_text().strip()
        except OSError:
            continue
        return int(text) if text.isdigit() else None
    return None
