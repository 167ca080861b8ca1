"""The health check: the app is well, is this stack's, and says what it misses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cutover.smoke.checks import health
from cutover.smoke.probe import CheckFailedError
from tests.support.edge_double import TARGET, Edge

WELL = {
    "ok": True,
    "environment": "test",
    "uptimeSec": 7,
    "checks": {"memory": {"ok": True}, "uptime": {"ok": True}, "audit": {"ok": True}},
}


def test_an_app_that_is_well_passes_with_its_uptime() -> None:
    edge = Edge()
    edge.answer("/api/healthz", WELL)

    assert health.look(edge.probe()) == "ok, up 7 s"


def test_a_dependency_that_is_away_is_named_and_left_to_its_own_check() -> None:
    edge = Edge()
    edge.answer("/api/healthz", WELL | {"checks": {"memory": {"ok": True}, "audit": {"ok": False}}})

    assert health.look(edge.probe()) == "ok, up 7 s; it misses audit"


def test_a_mock_is_never_well_and_is_not_missed() -> None:
    edge = Edge(target=replace(TARGET, adapters={"audit": "mock", "queue": "production"}))
    edge.answer("/api/healthz", WELL | {"checks": {"audit": {"ok": False}, "queue": {"ok": False}}})

    assert health.look(edge.probe()) == "ok, up 7 s; it misses queue"


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"ok": False}, "healthz ok is False, True expected"),
        ({"ok": None}, "healthz ok is None, True expected"),
        ({"environment": "prod"}, "healthz environment is 'prod', 'test' expected"),
        ({"checks": None}, "healthz checks is None, an object expected"),
        ({"checks": {"memory": {"ok": False}}}, "healthz says that memory is not ok"),
        ({"checks": {"memory": {"ok": True}, "disk": "full"}}, "healthz says that disk is not ok"),
    ],
)
def test_an_unwell_app_and_another_stacks_fail(said: dict[str, Any], complaint: str) -> None:
    edge = Edge()
    edge.answer("/api/healthz", WELL | said)

    with pytest.raises(CheckFailedError, match=complaint):
        health.look(edge.probe())
