"""The audit check: an entry is written, read back from Postgres, and marked."""

from __future__ import annotations

from typing import Any

import pytest

from cutover.smoke.checks import audit
from cutover.smoke.probe import CheckFailedError
from tests.support.edge_double import Edge


def test_an_audit_entry_is_written_read_back_and_marked_as_smoke() -> None:
    edge = Edge()

    assert audit.look(edge.probe()) == "entry 1 written and read"
    assert edge.rows[0]["details"] == {"traffic": "smoke"}
    assert edge.rows[0]["traceId"].startswith("smoke-")


@pytest.mark.parametrize(
    ("path", "document", "complaint"),
    [
        ("/api/audit/push", {"ok": False, "_err": "disk full"}, "push was not accepted: disk full"),
        ("/api/audit/push", {}, "push was not accepted"),
        ("/api/audit/list", {"_mock": True, "items": []}, "answered by a fallback: _mock is True"),
        ("/api/audit/list", {"items": []}, "answered by a fallback: _mock is None"),
        ("/api/audit/list", {"_mock": False, "items": []}, "entry 1 was written and is not among the newest 0"),
        ("/api/audit/list", {"_mock": False, "items": None}, "entry 1 was written and is not among the newest 0"),
        ("/api/audit/list", {"_mock": False, "items": ["x", {"id": "7"}]}, "is not among the newest 1"),
        ("/api/audit/list", {"_mock": False, "items": [{"id": 1, "traceId": "other"}]}, "does not carry its trace id"),
    ],
)
def test_an_entry_that_is_not_kept_fails_the_audit_check(path: str, document: dict[str, Any], complaint: str) -> None:
    edge = Edge()
    edge.answer(path, document)

    with pytest.raises(CheckFailedError, match=complaint):
        audit.look(edge.probe())
