"""The guardrails check: the executor's thresholds, and its newest breach."""

from __future__ import annotations

from typing import Any

import pytest

from cutover.smoke.checks import guardrails
from cutover.smoke.probe import CheckFailedError
from tests.support.edge_double import Edge

READ = {"_mock": False, "thresholds": {"maxDrawdown": 0.15}, "lastBreach": None}
AT = "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("breach", "saw"),
    [
        (None, "maxDrawdown 0.15 from the executor, never breached"),
        ({"id": "b", "at": AT}, f"maxDrawdown 0.15 from the executor, last breach {AT}"),
    ],
)
def test_the_executors_threshold_and_last_breach_pass(breach: Any, saw: str) -> None:
    edge = Edge()
    edge.answer("/api/guardrails/read", READ | {"lastBreach": breach})

    assert guardrails.look(edge.probe()) == saw


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        (READ | {"_mock": True}, "answered by a fallback: _mock is True"),
        (READ | {"_mock": True, "_err": "executor: no"}, "answered by a fallback: _mock is True; executor: no"),
        ({**READ, "_mock": None}, "answered by a fallback: _mock is None"),
        (READ | {"thresholds": {}}, "thresholds.maxDrawdown is None, a share"),
        (READ | {"thresholds": None}, "thresholds.maxDrawdown is None, a share"),
        (READ | {"thresholds": {"maxDrawdown": True}}, "thresholds.maxDrawdown is True, a share"),
        (READ | {"thresholds": {"maxDrawdown": 0}}, "thresholds.maxDrawdown is 0, a share"),
        (READ | {"thresholds": {"maxDrawdown": 15}}, "thresholds.maxDrawdown is 15, a share above 0 and up to 1"),
        ({key: READ[key] for key in ("_mock", "thresholds")}, "lastBreach is missing, null or a breach expected"),
        (READ | {"lastBreach": "never"}, "lastBreach is 'never', null or a breach expected"),
    ],
)
def test_a_fallback_and_what_is_no_guardrail_fail(document: dict[str, Any], complaint: str) -> None:
    edge = Edge()
    edge.answer("/api/guardrails/read", document)

    with pytest.raises(CheckFailedError, match=complaint):
        guardrails.look(edge.probe())
