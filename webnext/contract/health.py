"""What /api/healthz answers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from webnext.contract.base import Absent, Answer


class MemoryCheck(Answer):
    """Not ok above nine tenths of the container's memory limit, where it has one."""

    ok: bool
    rssMiB: float  # noqa: N815


class UptimeCheck(Answer):
    ok: Literal[True] = True
    seconds: float


class AdapterCheck(Answer):
    """`ok` is false while nothing can be written where the adapter's users write, and where a fallback did what it was
    last asked for, in both cases with what is away and since when; a mock is never ok."""

    ok: bool
    adapter: Literal["mock", "production"]
    away: Annotated[str | None, Absent] = None
    since: Annotated[datetime | None, Absent] = None


class Checks(Answer):
    memory: MemoryCheck
    uptime: UptimeCheck
    audit: AdapterCheck
    evidence: AdapterCheck
    queue: AdapterCheck
    guardrails: AdapterCheck


class HealthAnswer(Answer):
    """`ok` is about this process alone; what it depends on shows in `checks`."""

    ok: bool
    buildSha: str  # noqa: N815
    environment: str
    uptimeSec: float  # noqa: N815
    version: str
    flags: dict[str, float | bool]
    checks: Checks
