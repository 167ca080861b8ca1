"""What the clients of a running system were promised, each with its answer, held against what there is in the end."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

SOON = 15.0
"""Seconds after a fault's end in which all is as it was again."""
QUIET_FALLBACKS = 0.005
"""The share of answers by a fallback while nothing is away: what a busy machine gives up."""

Moment = Literal["quiet", "after", "fault"]


@dataclass
class Weather:
    """Which fault there is now, and when the last one ended."""

    fault: str = ""
    ended: float = -SOON
    seen: Counter[str] = field(default_factory=Counter)

    @contextmanager
    def of(self, fault: str) -> Iterator[None]:
        """The fault is there while the block runs."""
        self.fault = fault
        self.seen[fault] += 1
        try:
            yield
        finally:
            self.fault, self.ended = "", time.monotonic()

    def since(self, began: float) -> Moment:
        """What a request met that began then and ends now."""
        if self.fault or began < self.ended:
            return "fault"
        return "after" if began < self.ended + SOON else "quiet"


@dataclass
class Ledger:
    """What was accepted. The names of all that a run sends begin with `run`."""

    run: str
    entries: dict[str, str] = field(default_factory=dict)
    """Audit entries: where each was kept at first, by its key, which is its trace id too."""
    sent: set[str] = field(default_factory=set)
    """The keys of all that were sent."""
    alerts: dict[str, str] = field(default_factory=dict)
    """The id that each alert was given, by its title."""
    evidence: dict[str, str] = field(default_factory=dict)
    """The SHA-256 of what was uploaded and archived, by the object's key; none where the executor has it."""
    answers: Counter[tuple[str, str, Moment]] = field(default_factory=Counter)
    """How often a route was answered how, and in which moment."""

    def unexpected(self) -> dict[tuple[str, str, Moment], int]:
        """Answers that no fault excuses; and fallbacks where nothing was away, where they are too many."""
        odd = {key: count for key, count in self.answers.items() if key[1] not in ("ok", "fallback", "refused")}
        quiet = {key: count for key, count in self.answers.items() if key[2] == "quiet"}
        fell = {key: count for key, count in quiet.items() if key[1] != "ok"}
        return odd | (fell if sum(fell.values()) > QUIET_FALLBACKS * sum(quiet.values()) else {})

    def differences(self, found: Found) -> list[str]:
        """What was accepted and is not there once, and what is there and should not be, a line each."""
        rows, delivered = found.rows, found.delivered
        lines = [f"entry {key}, kept by {by} at first, is lost" for key, by in self.entries.items() if not rows[key]]
        lines += [f"entry {key} is there {count} times" for key, count in rows.items() if count > 1]
        lines += [f"entry {key} was never sent" for key in sorted(rows.keys() - self.sent)]
        for title, job in self.alerts.items():
            if bool(delivered[title]) is (job in found.dead):
                what = "was delivered and is a dead letter too" if delivered[title] else "is lost"
                lines.append(f"alert {title}, {job}, {what}")
        lines += [
            f"{key} is not what was put" for key, sha in self.evidence.items() if sha != found.evidence.get(key, "")
        ]
        return lines


@dataclass(frozen=True, kw_only=True)
class Found:
    """What there is in the end."""

    rows: Counter[str]
    """Audit entries by trace id."""
    delivered: Counter[str]
    """Messages that the receiver took, by the alert's title."""
    dead: Set[str]
    """The ids of dead letters."""
    evidence: Mapping[str, str]
    """SHA-256 by the object's key."""

    @property
    def again(self) -> int:
        """How many deliveries there were of alerts that had been delivered."""
        return sum(self.delivered.values()) - len(self.delivered)
