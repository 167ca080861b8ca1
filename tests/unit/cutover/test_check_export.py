"""The export check: the CSV has the playbook's head, is of now, and is whole."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from cutover.smoke.checks import export
from cutover.smoke.probe import CheckFailedError
from tests.support.edge_double import TARGET, Edge


def csv(
    at: timedelta | str = timedelta(0), hours: int = 24, end: str = "# Rows: 1", of: str = "test", sha: str = "4f2c1d9"
) -> str:
    at = at if isinstance(at, str) else (datetime.now(UTC) - at).isoformat()
    return "\n".join(
        [
            "# Spark Trading Platform - Snapshot Export",
            f"# Environment: {of}",
            f"# Build SHA: {sha}",
            f"# Exported At: {at}",
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
    ("changed", "complaint"),
    [
        ({"of": "prod"}, "says '# Environment: prod' where '# Environment: test' is expected"),
        ({"sha": "0000000"}, "where '# Build SHA: 4f2c1d9' is expected"),
        ({"hours": 1}, "'# Period: 1 hours' where '# Period: 24 hours' is expected"),
        ({"at": "yesterday"}, "Exported At is 'yesterday', a time with its offset expected"),
        ({"at": "2026-01-01T00:00:00"}, "a time with its offset expected"),
        ({"at": timedelta(hours=2)}, r"Exported At is .*, 7[12]\d\d s from now"),
        ({"end": "# INCOMPLETE: ends after 1 rows"}, "the export is not whole: '# INCOMPLETE: ends after 1 rows'"),
        ({"end": "# _mock: true, postgres is away"}, "the export is not whole: '# _mock: true, postgres is away'"),
    ],
)
def test_an_export_of_something_else_or_of_a_part_fails(changed: dict[str, Any], complaint: str) -> None:
    with pytest.raises(CheckFailedError, match=complaint):
        export.look(exporting(csv(**changed)).probe())


def test_an_empty_export_fails() -> None:
    with pytest.raises(CheckFailedError, match="the export says '' where '# Spark Trading Platform"):
        export.look(exporting("").probe())
