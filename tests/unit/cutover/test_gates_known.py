"""A gate of a metric that nobody has is found before a rollout starts."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from cutover.errors import CutoverError, UnreachableError
from cutover.gates.counts import TrackCounts
from cutover.gates.gate import Gate
from cutover.gates.known import METRICS, require_known
from cutover.rollout.phases import PHASES
from tests.support.judged import MOCKS, REAL, Adapters
from tests.support.metrics_double import Told

BOTH_REAL: Adapters = {"stable": REAL, "candidate": REAL}
ALL = [gate for phase in PHASES for gate in phase.gates]


def having(*missing: str) -> Told:
    """A Prometheus that has every metric but those."""
    told = Told()
    names = {metric.name for metrics in METRICS.values() for metric in metrics}
    told.answers = [(name, dict[str, Any](), 1.0) for name in names if name not in missing]
    return told


def test_every_count_has_its_metric() -> None:
    assert set(METRICS) == {field.name for field in fields(TrackCounts)}


def test_gates_whose_metrics_are_there_may_start_and_each_is_asked_for_once() -> None:
    told = having()
    require_known(told.prometheus(), ALL, BOTH_REAL)

    assert len(told.asked) == len(set(told.asked)) > 15
    asked = 'count(web_next_edge_answers_total{job="edge",track="candidate",traffic="user",outcome="given_up"})'
    assert asked in told.asked


@pytest.mark.parametrize(
    ("missing", "gate"),
    [
        ("web_next_edge_answers_total", "errors"),
        ("web_next_edge_request_seconds_bucket", "slow"),
        ("web_next_audit_inserts_total", "audit elsewhere"),
        ("web_next_audit_write_duration_seconds_bucket", "audit slow"),
        ("web_next_auto_pauses_total", "auto-pause"),
    ],
)
def test_a_metric_that_is_missing_fails_its_gate_by_both_names(missing: str, gate: str) -> None:
    with pytest.raises(CutoverError, match=f"gate '{gate}' needs {missing}{{.*, which Prometheus does not have"):
        require_known(having(missing).prometheus(), ALL, BOTH_REAL)


def test_what_a_mock_does_not_count_is_not_asked_for() -> None:
    told = having("web_next_audit_inserts_total")

    require_known(told.prometheus(), ALL[:6], {"stable": MOCKS, "candidate": MOCKS})
    with pytest.raises(CutoverError, match='track="candidate"'):
        require_known(told.prometheus(), ALL[:6], {"stable": MOCKS, "candidate": REAL})


def test_a_gate_of_a_count_that_there_is_not_fails_by_its_name() -> None:
    gate = Gate(name="warm", bad="heat", of="requests", limit=0.1, on="hold")

    with pytest.raises(CutoverError, match="gate 'warm' counts 'heat': known are asked, requests, "):
        require_known(having().prometheus(), [gate], BOTH_REAL)


def test_a_prometheus_that_is_away_is_out_of_reach() -> None:
    with pytest.raises(UnreachableError):
        require_known(Told(away=True).prometheus(), ALL, BOTH_REAL)
