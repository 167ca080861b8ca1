"""The export check: the CSV has the playbook's head, is of now, and is whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from cutover.smoke.checks import export
from cutover.smoke.probe import CheckFailedError
from tests.support.edge_double import TARGET, Edge


def csv(at: datetime | str | None = None, hours: int = 24, end: str = "# Rows: 1") -> str:
    at = at or datetime.now(UTC)
    return "\n".join(
        [
            "# Spark Trading Platform - Snapshot Export",
            "# Environment: test",
            "# Build SHA: 4f2c1d9",
            f"# Exported At: {at if isinstance(at, str) else at.isoformat()}",
            f"# Period: {hours} hours",
            "ts,id,action",
            "2026-01-01,1,smoke",
            end,
        ]
    )


def exporting(text: str, profile: str = "full") -> Edge:
    edge = Edge(target=replace(TARGET, profile=profile))  # type: ignore[arg-type]
    edge.answers["/api/snapshot/export"] = lambda _: httpx.Response(200, text=text)
    return edge


@pytest.mark.parametrize(("profile", "hours"), [("full", 24), ("prod", 1)])
def test_a_whole_export_passes_for_the_hours_that_its_profile_asks_for(profile: str, hours: int) -> None:
    assert export.look(exporting(csv(hours=hours), profile).probe()) == f"8 lines, of {hours} hours"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "the export says '' where '# Spark Trading Platform"),
        (csv().replace("test", "prod"), "says '# Environment: prod' where '# Environment: test' is expected"),
        (csv().replace("4f2c1d9", "0000000"), "where '# Build SHA: 4f2c1d9' is expected"),
        (csv(hours=1), "'# Period: 1 hours' where '# Period: 24 hours' is expected"),
        (csv(at="yesterday"), "Exported At is 'yesterday', a time with its offset expected"),
        (csv(at="2026-01-01T00:00:00"), "a time with its offset expected"),
        (csv(at=datetime.now(UTC) - timedelta(hours=2)), r"Exported At is .*, 7[12]\d\d s from now"),
        (csv(end="# INCOMPLETE: ends after 1 rows"), "the export is not whole: '# INCOMPLETE: ends after 1 rows'"),
        (csv(end="# _mock: true, postgres is away"), "the export is not whole: '# _mock: true, postgres is away'"),
    ],
)
def test_an_export_of_something_else_or_of_a_part_fails(text: str, complaint: str) -> None:
    with pytest.raises(CheckFailedError, match=complaint):
        export.look(exporting(text).probe())
