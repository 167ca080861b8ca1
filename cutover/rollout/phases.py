"""The phases of a rollout as data: share of the traffic, hold, flags, gates (playbook row 8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from cutover.gates.gate import Gate
from outputs.shape import Shape

PhaseName = Literal["canary", "staged", "production"]


@dataclass(frozen=True, kw_only=True)
class FlagValues(Shape):
    """What one track's flags parameter says. The shares go from 0 to 1; with `alerts_consume` its worker delivers."""

    auto_pause: float = 0.0
    batch_promote: float = 0.0
    cleanup_dry_run: bool = False
    alerts_consume: bool = True

    def parameter(self) -> dict[str, float | bool]:
        """The content of the parameter, by the names that the app knows."""
        return {name: getattr(self, field) for field, name in _NAMES.items()}

    @classmethod
    def of_parameter(cls, content: Mapping[str, Any]) -> Self:
        """The flags that a parameter says; one that it lacks has its default."""
        return cls(**{field: content[name] for field, name in _NAMES.items() if name in content})


_NAMES = {
    "auto_pause": "FEATURE_AUTO_PAUSE",
    "batch_promote": "FEATURE_BATCH_PROMOTE",
    "cleanup_dry_run": "EVIDENCE_CLEANUP_DRY_RUN",
    "alerts_consume": "ALERTS_CONSUME",
}


@dataclass(frozen=True, kw_only=True)
class Phase(Shape):
    """One phase: the candidate's share `weight` in percent, for `hold` seconds at least, with these gates. `flags` are
    the candidate's."""

    name: PhaseName
    weight: int
    hold: float
    flags: FlagValues
    gates: Sequence[Gate]


_CANARY = (
    Gate(name="errors", bad="errors", of="requests", limit=0.02, on="rollback"),
    Gate(name="slow", bad="slower_than_1500ms", of="requests", limit=0.05, on="rollback"),
)
_AGAINST_STABLE = (
    Gate(name="errors against stable", bad="errors", of="requests", limit=0.005, on="rollback", above=True),
    Gate(name="slow against stable", bad="slower_than_stable", of="requests", limit=0.05, on="rollback"),
)
_PRODUCTION = (
    Gate(name="errors", bad="errors", of="requests", limit=0.01, on="rollback"),
    Gate(name="slow", bad="slower_than_1200ms", of="requests", limit=0.05, on="rollback"),
    Gate(name="auto-pause", bad="breaches_not_paused", of="breaches", limit=0.0, on="hold"),
)
_HOLDING = (
    Gate(name="fallbacks", bad="fallbacks", of="requests", limit=0.02, on="hold"),
    Gate(name="audit elsewhere", bad="audit_elsewhere", of="audit_writes", limit=0.02, on="hold"),
    Gate(name="limited by edge", bad="limited_by_edge", of="asked", limit=0.05, on="hold"),
    Gate(name="limited by app", bad="limited_by_app", of="asked", limit=0.05, on="hold"),
)
_AUDIT_SLOW = Gate(name="audit slow", bad="audit_slower_than_100ms", of="audit_timed", limit=0.05, on="hold")

PHASES: tuple[Phase, ...] = (
    Phase(
        name="canary",
        weight=10,
        hold=30 * 60.0,
        flags=FlagValues(auto_pause=0.1, alerts_consume=False),
        gates=(*_CANARY, *_HOLDING),
    ),
    Phase(
        name="staged",
        weight=50,
        hold=60 * 60.0,
        flags=FlagValues(auto_pause=0.5, alerts_consume=False),
        gates=(*_CANARY, *_AGAINST_STABLE, *_HOLDING, _AUDIT_SLOW),
    ),
    Phase(
        name="production",
        weight=100,
        hold=24 * 3600.0,
        flags=FlagValues(auto_pause=1.0, batch_promote=1.0),
        gates=(*_PRODUCTION, *_HOLDING, _AUDIT_SLOW),
    ),
)
"""'P95 < 1.5 s' is 'at most 5 % slower than 1.5 s'. Where stable's queue is a mock, the candidate's worker
delivers from canary on (`cutover.rollout.record`)."""
