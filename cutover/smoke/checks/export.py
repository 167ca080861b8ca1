"""Snapshot export: the CSV of a day begins as the playbook writes it (row 6)."""

from __future__ import annotations

from cutover.smoke.check import Check
from cutover.smoke.probe import CheckFailedError, Probe


def look(probe: Probe) -> str:
    """How many lines the export has."""
    answer = probe.accepted("POST", "/api/snapshot/export", {"format": "csv", "hours": 24})
    lines = answer.text.splitlines()
    starts = [
        "# Spark Trading Platform - Snapshot Export",
        "# Environment: ",
        f"# Build SHA: {probe.target.build_sha}",
        "# Exported At: ",
        "# Period: 24 hours",
    ]
    for start, line in zip(starts, [*lines, *[""] * len(starts)], strict=False):
        if not line.startswith(start):
            raise CheckFailedError(f"the export says {line!r} where {start!r} is expected")
    return f"{len(lines)} lines"


CHECK = Check(name="snapshot export", criterion=None, did="exported 24 hours as CSV", look=look)
