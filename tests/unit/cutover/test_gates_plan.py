"""The plan: what gates find at the traffic that comes, held against the exact figures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from cutover.cloudwatch import CloudWatch
from cutover.commands.app import main
from cutover.gates.gate import Gate
from cutover.gates.plan import TIMES, Planned, Traffic, must_hold, plan, typical
from cutover.prometheus import Prometheus
from cutover.rollout import proposal, settings
from cutover.rollout.phases import PHASES
from cutover.stacks import outputs
from outputs.log_figures import LogFigure
from outputs.rollout import RolloutSettings
from tests.support.cloudwatch_double import TRAFFIC, Cloud
from tests.support.edge_double import TARGET
from tests.support.exact import median
from tests.support.metrics_double import Told
from tests.support.rollouts import TARGETS

BUSY = Traffic(requests=5, audit_writes=0.5)


def planned(phase: str, gate: str, traffic: Traffic = BUSY) -> Planned:
    [found] = [each for each in plan(PHASES, traffic) if (each.phase, each.gate) == (phase, gate)]
    return found


@pytest.mark.parametrize("times", [5.0, 10.0])
@pytest.mark.parametrize(
    "gate", [gate for gate in PHASES[0].gates if gate.on == "rollback"], ids=lambda gate: gate.name
)
def test_the_typical_number_of_requests_is_about_the_exact_median(gate: Gate, times: float) -> None:
    share = gate.limit * times

    assert typical(gate, share) == pytest.approx(median(gate.limit, share), rel=0.3)


def test_at_five_requests_a_second_a_canary_has_seen_enough_of_errors_after_five_minutes() -> None:
    errors = planned("canary", "errors")

    assert (errors.comes, errors.needed, errors.passes_after) == (900, 150, 300)
    assert list(errors.finds) == sorted((each or 0 for each in errors.finds), reverse=True)
    assert (errors.finds[TIMES.index(5.0)] or 0) < 240
    assert errors.least
    assert 2 < errors.least / errors.limit < 3


def test_a_limit_of_which_ten_times_is_more_than_all_has_no_time_for_that() -> None:
    gate = replace(PHASES[0].gates[0], limit=0.2)
    [found] = plan([replace(PHASES[0], gates=[gate])], BUSY)

    assert found.finds[TIMES.index(2.0)]
    assert found.finds[TIMES.index(10.0)] is None


def test_without_traffic_nothing_is_found_and_nothing_passes() -> None:
    nobody = plan(PHASES, Traffic(requests=0, audit_writes=0))

    assert {each.least for each in nobody} == {each.passes_after for each in nobody} == {None}
    assert must_hold(nobody) is None


def test_a_phase_must_hold_as_long_as_its_slowest_gate_needs() -> None:
    canary = [each for each in plan(PHASES, BUSY) if each.phase == "canary"]

    assert must_hold(canary) == planned("canary", "audit elsewhere").passes_after == 3000


def test_a_share_at_the_limit_is_never_found() -> None:
    assert typical(PHASES[0].gates[0], 0.02) == float("inf")


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Told:
    """A stack whose Prometheus has seen five requests a second."""
    told = Told(answers=[("web_next_edge_answers_total", {}, 5.0), ("web_next_audit_inserts_total", {}, 0.5)])

    @contextmanager
    def at(_url: str) -> Iterator[Prometheus]:
        yield told.prometheus()

    monkeypatch.setattr(Prometheus, "at", at)
    monkeypatch.setattr(outputs, "outputs", lambda stack: outputs.Outputs(stack, {}))
    monkeypatch.setattr(proposal, "targets_of", lambda _base: TARGETS)
    monkeypatch.setattr(settings, "settings_of", lambda _stack: RolloutSettings())
    return told


def test_the_command_shows_each_phase_with_its_gates(command: Told, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gates", "plan", "-s", "local"]) == 0
    said = capsys.readouterr().out

    assert "in the last hour 5.00 requests and 0.50 audit entries a second" in said
    assert "canary: 10 % for 30 min; it must hold 50 min to pass, which is longer" in said
    assert "production: 100 % for 24.0 h; it must hold 5 min to pass" in said
    assert said.count("errors against stable") == 1
    assert "figures come 10 s later at most" in said


def test_the_command_prints_json_on_request(command: Told, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gates", "plan", "-s", "local", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)

    assert said["must_hold"] == {"canary": 3000, "staged": 600, "production": 300}
    assert said["gates"][0]["gate"] == "errors"


def test_on_aws_it_goes_by_cloudwatch(
    command: Told, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = datetime.now(UTC)
    cloud = Cloud(began=now.replace(second=0, microsecond=0), now=now)
    cloud.at("stable", users=240, log={LogFigure.AUDIT_WRITES: 60})
    cloud.at("candidate", users=60)
    places = replace(TARGET.places, metrics_url="cloudwatch:web-next-prod")
    monkeypatch.setattr(CloudWatch, "of", lambda _places: cloud.source().cloudwatch)
    monkeypatch.setattr(proposal, "targets_of", lambda _base: replace(TARGETS, traffic=TRAFFIC, places=places))

    assert main(["gates", "plan", "-s", "prod"]) == 0
    said = capsys.readouterr().out
    assert "in the last hour 5.00 requests and 1.00 audit entries a second" in said
    assert "figures come 4 min later at most" in said
    assert command.asked == []
