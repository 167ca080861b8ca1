"""The two rules that FEATURE_AUTO_PAUSE and FEATURE_BATCH_PROMOTE stand for, as functions of what they are given."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from fractions import Fraction

from webnext.audit.own import own_key
from webnext.contract.guardrails import Breach

RECENT = timedelta(minutes=15)
"""How long a breach matters: it is answered, and holds promotions back, no longer than this."""


def chosen(share: float, event: str, strategies: Iterable[str], first: str | None = None) -> list[str]:
    """Return the given share of the strategies, rounded up: `first` if it is one of them, then by a hash of both ids.

    Whoever asks with the same arguments gets the same answer, whatever the order of `strategies`.
    """

    def rank(strategy: str) -> tuple[bool, str]:
        return strategy != first, hashlib.sha256(f"{event}:{strategy}".encode()).hexdigest()

    ranked = sorted(set(strategies), key=rank)
    return ranked[: math.ceil(Fraction(str(share)) * len(ranked))]  # 0.07 of 100 is 7, which floats deny


def recent(breaches: Iterable[Breach], now: datetime) -> list[Breach]:
    """Return the breaches younger than RECENT, the oldest first."""
    return sorted((breach for breach in breaches if now - breach.at < RECENT), key=lambda breach: breach.at)


def key_of(action: str, event: str) -> str:
    """Return the idempotency key under which every process audits its answer to one breach or batch."""
    return own_key(f"{action.replace('_', '-')}:{event}")


def trace_of(key: str) -> str:
    """Return the trace id of that answer, the same in every process."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]
