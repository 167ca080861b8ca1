"""What /api/healthz reports of this process."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from webnext.audit import AuditLog, AuditUnavailableError

_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))

MEMORY_SHARE = 0.9
"""The part of the container's memory limit above which the memory check fails."""


def memory() -> dict[str, Any]:
    """Return {ok, rssMiB}: not ok above MEMORY_SHARE of the container's memory limit, where there is one."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    resident = pages * os.sysconf("SC_PAGE_SIZE")
    limit = _memory_limit()
    return {"ok": limit is None or resident < MEMORY_SHARE * limit, "rssMiB": round(resident / 2**20, 1)}


async def audit(log: AuditLog) -> dict[str, Any]:
    """Return {ok, adapter}: ok when the audit log answers within its ping's time limit."""
    try:
        await log.ping()
    except AuditUnavailableError:
        return {"ok": False, "adapter": log.adapter}
    return {"ok": True, "adapter": log.adapter}


def _memory_limit() -> int | None:
    for file in _LIMITS:
        try:
            text = file.read_text().strip()
        except OSError:
            continue
        return int(text) if text.isdigit() else None
    return None
