"""Snapshot export: the CSV is whole, and begins as the playbook writes it (row 6)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cutover.smoke.check import Check
from cutover.smoke.probe import CheckFailedError, Probe

HOURS = {"full": 24, "prod": 1}
"""The playbook's day; where a day may be a million entries, an hour."""
FRESH = timedelta(minutes=5)
"""How far the clocks of the app and of this machine may lie apart."""
NOT_WHOLE = ("# INCOMPLETE", "# _mock")
"""Lines of the reference: its source failed on the way, or a fallback stood in for it."""


def look(probe: Probe) -> str:
    """How many lines the export has."""
    target, hours = probe.target, HOURS[probe.target.profile]
    answer = probe.accepted("POST", "/api/snapshot/export", {"format": "csv", "hours": hours})
    lines = answer.text.splitlines()
    head = [
        "# Spark Trading Platform - Snapshot Export",
        f"# Environment: {target.places.environment}",
        f"# Build SHA: {target.build_sha}",
        "# Exported At: ",
        f"# Period: {hours} hours",
    ]
    for expected, line in zip(head, [*lines, *[""] * len(head)], strict=False):
        matches = line.startswith(expected) if expected.endswith(" ") else line == expected
        if not matches:
            raise CheckFailedError(f"the export says {line!r} where {expected!r} is expected")
    exported = lines[3].removeprefix(head[3])
    try:
        age = abs(datetime.now(UTC) - datetime.fromisoformat(exported))
    except (ValueError, TypeError):
        raise CheckFailedError(f"Exported At is {exported!r}, a time with its offset expected") from None
    if age > FRESH:
        raise CheckFailedError(f"Exported At is {exported}, {age.total_seconds():.0f} s from now")
    for line in lines:
        if line.startswith(NOT_WHOLE):
            raise CheckFailedError(f"the export is not whole: {line!r}")
    return f"{len(lines)} lines, of {hours} hours"


CHECK = Check(name="snapshot export", criterion=None, did="exported entries as CSV", look=look, adapter="audit")
