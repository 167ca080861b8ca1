"""Each gate over CloudWatch: it passes what is well, and is red by a candidate that is broken in its way."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cutover import aws
from cutover.cloudwatch import PATIENCE, CloudWatch, Figures, Metric
from cutover.errors import CutoverError, UnreachableError
from cutover.gates import balanced
from cutover.gates.balanced import SETTLES, Balanced
from cutover.gates.judgement import Judgement, judge
from cutover.gates.on_aws import TrackMetrics
from cutover.gates.probe import Probed, Probes
from cutover.gates.result import Outcome
from cutover.gates.scraped import Scraped
from cutover.gates.source import source_of
from cutover.rollout import opening
from cutover.rollout.phases import PHASES, Phase, PhaseName
from cutover.rollout.record import Record, State
from cutover.rollout.store import Copy
from infra.naming import Names
from outputs.log_figures import LogFigure
from outputs.release import Adapter, Track
from tests.support.cloudwatch_double import MINUTE, TRAFFIC, Cloud
from tests.support.edge_double import TARGET
from tests.support.judged import BEGAN, MOCKS, REAL, WELL, gate
from tests.support.rollouts import RECORD, TARGETS
from tests.support.scheduled_ticks import ACCOUNT, REGION, OnAws

HOUR = 60
A_SECOND = 396_000
"""Figures older than three hours that CloudWatch gives an account in a second (service quotas, GetMetricData)."""
PLACES = replace(TARGET.places, metrics_url="cloudwatch:web-next-prod", emulator=None)
WRITES = {LogFigure.AUDIT_WRITES: 20}
BREACH = BEGAN + timedelta(minutes=20)


def cloud(minutes: int = HOUR) -> Cloud:
    """An hour of both tracks in order."""
    made = Cloud(began=BEGAN, now=BEGAN + minutes * MINUTE + SETTLES)
    for track in ("stable", "candidate"):
        made.at(track, log=WRITES)
    return made


def phase(name: PhaseName) -> Phase:
    """A phase that holds for an hour."""
    [own] = [each for each in PHASES if each.name == name]
    return replace(own, hold=3600.0)


def judged(
    told: Cloud,
    name: PhaseName = "staged",
    *,
    stable: Probed = WELL,
    candidate: Probed = WELL,
    of_stable: dict[str, Adapter] | None = None,
    breach: Any = None,
) -> Judgement:
    adapters: dict[Track, Any] = {"stable": of_stable or REAL, "candidate": REAL}
    own, probes = phase(name), Probes(stable=stable, candidate=candidate, breach=breach)
    counts = told.source().count(BEGAN, adapters=adapters, breach=breach)
    return judge(own.gates, counts, probes, hold=own.hold, adapters=adapters)


@dataclass(frozen=True)
class Unanswering(CloudWatch):
    """Notes how many figures it was asked for, and from when, and answers nothing."""

    asked: list[tuple[int, datetime]]

    def minutes(self, metrics: Iterable[Metric], start: datetime, end: datetime) -> Figures:
        self.asked.append((len(set(metrics)) * int((end - start) / MINUTE), start))
        raise UnreachableError("CloudWatch does not answer")


@pytest.mark.parametrize("hours", [1, 71, 72, 73, 88, 24 * 14])
def test_a_look_asks_for_three_days_at_most_however_long_a_phase_lasts(hours: int) -> None:
    asked: list[tuple[int, datetime]] = []
    now = BEGAN + timedelta(hours=hours, minutes=59)
    source = replace(cloud().source(), cloudwatch=Unanswering(None, asked), clock=lambda: now)
    source.count(BEGAN, adapters={"stable": REAL, "candidate": REAL})

    [(figures, start)] = asked
    assert figures < A_SECOND
    assert min(timedelta(hours=hours), timedelta(days=3)) - SETTLES < now - start, "an extended hold can end"


def test_a_phase_that_was_held_over_days_is_judged_by_its_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(balanced, "LONGEST", timedelta(hours=2))
    told = cloud(5 * HOUR + 30)
    told.at("candidate", *range(10, 30), log=WRITES, failed=90)
    assert judged(told).action == "rise"
    told.at("candidate", *range(4 * HOUR, 4 * HOUR + 10), log=WRITES, failed=90)
    judgement = judged(told)

    assert (judgement.action, judgement.decided_by) == ("rollback", "errors")
    assert {asked["StartTime"] for asked in told.asked} == {BEGAN + timedelta(hours=3)}


@pytest.mark.parametrize("name", ["canary", "staged", "production"])
def test_what_is_well_passes_every_gate_at_the_end_of_the_hold(name: PhaseName) -> None:
    told = cloud()
    told.at("candidate", 20, 21, log={**WRITES, LogFigure.AUTO_PAUSES: 1})
    judgement = judged(told, name, breach=BREACH)

    assert {each.name: each.outcome for each in judgement.gates if each.outcome is not Outcome.PASSED} == {}
    assert (judgement.action, judgement.outcome) == ("rise", Outcome.PASSED)


@pytest.mark.parametrize(
    ("name", "broken_by", "gate_name", "action"),
    [
        ("canary", {"failed": 6}, "errors", "rollback"),
        ("canary", {"killed": 6}, "errors", "rollback"),
        ("canary", {"given_up": 6}, "errors", "rollback"),
        ("canary", {"slow": [1.6] * 12}, "slow", "rollback"),
        ("staged", {"failed": 2}, "errors against stable", "rollback"),
        ("staged", {"slow": [0.3] * 12}, "slow against stable", "rollback"),
        ("production", {"failed": 3}, "errors", "rollback"),
        ("production", {"slow": [1.3] * 12}, "slow", "rollback"),
        ("canary", {"log": {**WRITES, LogFigure.MOCK_EVIDENCE: 6}}, "fallbacks", "rollback"),
        ("canary", {"log": {**WRITES, LogFigure.AUDIT_ELSEWHERE: 4}}, "audit elsewhere", "rollback"),
        ("staged", {"log": {**WRITES, LogFigure.AUDIT_SLOW: 4}}, "audit slow", "rollback"),
        ("canary", {"limited": 12}, "limited by edge", "hold"),
        ("canary", {"limited": 12, "log": {**WRITES, LogFigure.LIMITED_BY_APP: 12}}, "limited by app", "hold"),
    ],
)
def test_a_candidate_that_is_broken_fails_the_gate_of_its_fault(
    name: PhaseName, broken_by: dict[str, Any], gate_name: str, action: str
) -> None:
    told = cloud()
    told.at("candidate", **{"log": WRITES, **broken_by})
    judgement = judged(told, name)

    assert gate(judgement, gate_name).outcome is Outcome.FAILED
    assert (judgement.action, judgement.decided_by) == (action, gate_name)


def test_a_breach_without_a_pause_holds() -> None:
    assert judged(cloud(), "production", breach=BREACH).decided_by == "auto-pause"


@pytest.mark.parametrize("name", ["canary", "staged", "production"])
def test_who_leaves_at_once_has_clicked_elsewhere(name: PhaseName) -> None:
    told = cloud()
    told.at("candidate", left=20, log=WRITES)

    assert gate(judged(told, name), "errors").outcome is Outcome.PASSED


def test_what_stable_fails_too_is_shared_and_holds() -> None:
    told = cloud()
    for track in ("stable", "candidate"):
        told.at(track, failed=10, log=WRITES)

    assert (judged(told).action, gate(judged(told), "errors").outcome) == ("hold", Outcome.SHARED)


def test_mocks_of_stables_settings_are_no_fallbacks_and_excuse_no_candidate() -> None:
    told = cloud()
    mocks = {LogFigure.MOCK: 90, LogFigure.MOCK_AUDIT: 60, LogFigure.MOCK_QUEUE: 30}
    told.at("stable", log={LogFigure.AUDIT_WRITES: 20, **mocks})
    told.at("candidate", log={**WRITES, LogFigure.MOCK_AUDIT: 60})
    judgement = judged(told, "canary", of_stable=dict(MOCKS))

    assert (judgement.action, gate(judgement, "fallbacks").outcome) == ("hold", Outcome.FAILED)


@pytest.mark.parametrize("minutes", [59, 60])
def test_a_hold_is_over_when_its_last_minute_has_settled_and_not_before(minutes: int) -> None:
    told = cloud(minutes)
    told.now += timedelta(seconds=59)
    judgement = judged(told)

    assert (judgement.action, judgement.remaining) == (("wait", 60) if minutes == 59 else ("rise", 0))
    assert told.now - judgement.at == SETTLES + timedelta(seconds=59), "so late is what it says"


@pytest.mark.parametrize(
    ("lost", "action", "outcome"),
    [
        (range(6), "rise", Outcome.PASSED),
        (range(7), "extend", Outcome.INCONCLUSIVE),
        (range(57, 60), "hold", Outcome.NO_DATA),
    ],
    ids=["a tenth of the hold", "more than a tenth", "the newest three"],
)
def test_nothing_passes_on_minutes_that_have_not_arrived(lost: range, action: str, outcome: Outcome) -> None:
    told = cloud()
    told.absent = lambda name, number: name == "HTTPCode_Target_2XX_Count" and number in lost
    judgement = judged(told)

    assert (judgement.action, judgement.outcome) == (action, outcome)


def test_a_fault_of_one_minute_is_not_hidden_by_a_day() -> None:
    told = cloud(600)
    for minute in range(590, 600):
        told.at("candidate", minute, failed=20, log=WRITES)

    assert judged(told, "production").decided_by == "errors"


def test_a_throttled_look_holds_and_a_dead_candidate_is_taken_back_all_the_same() -> None:
    told = cloud()
    told.codes = {"RequestCount": "InternalError"}

    assert judged(told).action == "hold"
    assert judged(told, candidate=Probed(answered=False)).decided_by == "probe"


def test_the_records_runtime_chooses_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []
    monkeypatch.setattr(aws, "client", lambda *what: asked.append(what))
    with source_of(TARGETS.traffic, TARGETS.places) as local:
        assert isinstance(local, Scraped)
    with source_of(TRAFFIC, PLACES) as prod:
        assert isinstance(prod, Balanced)

    assert asked == [("cloudwatch", PLACES, PATIENCE)]
    candidate = prod.tracks["candidate"]
    assert candidate.sent.dimensions == (
        ("TargetGroup", "targetgroup/web-next-prod-candidate/0dc6c495c0c91880"),
        ("LoadBalancer", "app/web-next-prod/50dc6c495c0c9188"),
    )
    assert candidate.logged(LogFigure.MOCK)[:2] == ("web-next-prod", "EdgeMock-candidate")


def test_a_stack_on_aws_whose_metrics_are_elsewhere_is_refused() -> None:
    with pytest.raises(CutoverError, match=r"the metrics are at http://127\.0\.0\.1:9090, and behind a load balancer"):
        TrackMetrics.of("stable", TRAFFIC, TARGET.places)


def test_a_look_at_a_record_on_aws_needs_nothing_but_the_record(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    told = Cloud(began=now.replace(second=0, microsecond=0), now=now)
    record = replace(
        RECORD,
        since=told.began - 33 * MINUTE,
        targets=replace(TARGETS, traffic=TRAFFIC, places=PLACES, edge=replace(TARGETS.edge, url="https://127.0.0.1:9")),
    )
    monkeypatch.setattr(CloudWatch, "of", lambda _places: told.source().cloudwatch)
    judgement = opening._judged(Copy("prod", tmp_path), Record.read(record.text()))

    assert gate(judgement, "errors").of >= 2900
    assert gate(judgement, "errors").outcome is Outcome.PASSED
    assert gate(judgement, "probe").outcome is Outcome.SHARED, "nobody listens there"


def test_a_tick_of_the_schedule_takes_back_a_candidate_whose_figures_are_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC)
    told, judged_by_figures = Cloud(began=now.replace(second=0, microsecond=0), now=now), opening._judged
    told.at("candidate", failed=10)
    source = told.source()
    prod = OnAws(monkeypatch, Names(stack="prod", account=ACCOUNT, region=REGION))
    told.traffic = prod.traffic
    record = prod.begun(State.CANARY, since=told.began - 10 * MINUTE)
    places = replace(record.targets.places, metrics_url="cloudwatch:web-next-prod")
    edge = replace(record.targets.edge, url="https://127.0.0.1:9")
    prod.record = replace(record, targets=replace(record.targets, places=places, edge=edge))
    monkeypatch.setattr(opening, "_judged", judged_by_figures)
    monkeypatch.setattr(CloudWatch, "of", lambda _places: source.cloudwatch)
    prod.tick()

    assert (prod.weight, prod.record.state, prod.record.last.gate) == (0, State.ROLLED_BACK, "errors")
