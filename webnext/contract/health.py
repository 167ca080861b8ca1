"""What /api/healthz answers."""

from __future__ import annotations

from typing import Literal

from webnext.contract.base import Answer


class MemoryCheck(Answer):
    """Not ok above nine tenths of the container's memory limit, where it has one."""

    ok: bool
    rssMiB: float  # noqa: N815


class UptimeCheck(Answer):
    ok: Literal[True] = True
    seconds: float


class AdapterCheck(Answer):
    """`ok` is false while the adapter's production side does not answer; a mock is never ok."""

    ok: bool
    adapter: Literal["mock", "production"]


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
