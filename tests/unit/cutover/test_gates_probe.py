"""The probe: both tracks asked by name, twice where they miss, and never a failure of its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import httpx
import pytest

from cutover.gates.counts import Counts
from cutover.gates.look import look
from cutover.gates.plan import Traffic
from cutover.gates.probe import TRIES, Probed, probes
from cutover.gates.result import Outcome
from cutover.gates.scraped import Scraped
from cutover.prometheus import Prometheus
from cutover.rollout.phases import PHASES
from outputs.smoke import EdgeSummary
from tests.support.judged import BEGAN, REAL, WELL, gate

EDGE = EdgeSummary(url="https://edge", rate_per_minute=60, burst=10, config="c")
WELL_CHECKS = {"audit": {"ok": True, "adapter": "production"}, "queue": {"ok": False, "adapter": "mock"}, "memory": {}}
Answer = Callable[[str, str], httpx.Response]


def well(track: str, path: str, **checks: Any) -> httpx.Response:
    """What a release in order answers; some of its checks changed."""
    document: dict[str, Any] = {"checks": WELL_CHECKS | checks}
    if path == "/api/guardrails/read":
        document = {"lastBreach": {"id": "b1", "at": "2026-11-29T06:00:00Z"}}
    return httpx.Response(200, json=document, headers={"x-edge-track": track})


class Edge(httpx.MockTransport):
    """Answers as it is told, and remembers who was asked for what."""

    def __init__(self, answer: Answer = well) -> None:
        self.asked: list[tuple[str, str]] = []
        self.agents: set[str] = set()
        super().__init__(self._answered(answer))

    def _answered(self, answer: Answer) -> Callable[[httpx.Request], httpx.Response]:
        def handle(request: httpx.Request) -> httpx.Response:
            track = request.headers["x-web-next-track"]
            self.asked.append((track, request.url.path))
            self.agents.add(request.headers["user-agent"])
            return answer(track, request.url.path)

        return handle


def hung(track: str, path: str) -> httpx.Response:
    """A candidate that hangs beside a stable that answers."""
    if track == "candidate":
        raise httpx.ReadTimeout("timed out")
    return well(track, path)


def test_both_tracks_are_asked_by_name_and_as_smoke() -> None:
    edge = Edge()
    seen = probes(EDGE, transport=edge)

    assert (seen.stable, seen.candidate, seen.breach) == (WELL, WELL, None)
    assert sorted(edge.asked) == [
        (track, path) for track in ("candidate", "stable") for path in ("/api/healthz", "/healthz")
    ]
    assert edge.agents == {"web-next-smoke"}


def test_a_candidate_that_hangs_is_asked_twice_and_has_not_answered() -> None:
    edge = Edge(hung)
    seen = probes(EDGE, transport=edge)

    assert (seen.candidate, seen.stable) == (Probed(answered=False), WELL)
    assert [each for each in edge.asked if each[0] == "candidate"] == [("candidate", "/healthz")] * TRIES


def test_one_miss_is_none() -> None:
    missed: list[str] = []

    def once(track: str, path: str) -> httpx.Response:
        if path == "/healthz" and track not in missed:
            missed.append(track)
            return httpx.Response(502, headers={"x-edge-track": track})
        return well(track, path)

    seen = probes(EDGE, transport=Edge(once))

    assert (seen.stable.answered, seen.candidate.answered, len(missed)) == (True, True, 2)


def test_an_answer_of_another_track_is_none_of_this_one() -> None:
    def other(_track: str, path: str) -> httpx.Response:
        return well("stable", path)

    assert probes(EDGE, transport=Edge(other)).candidate == Probed(answered=None)


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_balancer_without_a_target_for_the_candidate_is_a_candidate_that_has_not_answered(status: int) -> None:
    def gone(track: str, path: str) -> httpx.Response:
        return httpx.Response(status) if track == "candidate" else well(track, path)

    edge = Edge(gone)
    assert probes(EDGE, transport=edge).candidate == Probed(answered=False)
    assert [each for each in edge.asked if each[0] == "candidate"] == [("candidate", "/healthz")] * TRIES


def test_an_edge_whose_authority_is_missing_cannot_be_asked() -> None:
    asked = EdgeSummary(url="https://edge", authority="/none", rate_per_minute=60, burst=10, config="c")

    assert probes(asked, transport=Edge()).candidate == Probed(answered=None)


def test_an_adapter_that_is_real_and_not_ok_is_away_and_a_mock_never_is() -> None:
    def frozen(track: str, path: str) -> httpx.Response:
        return well(track, path, audit={"ok": False, "adapter": "production"})

    assert probes(EDGE, transport=Edge(frozen)).candidate.away == ("audit",)


@pytest.mark.parametrize(("away", "seen"), [("postgres", ("audit",)), ("redis", ("audit", "queue"))])
def test_a_queue_that_misses_postgres_is_not_taken_for_a_redis_that_is_away(away: str, seen: tuple[str, ...]) -> None:
    def frozen(track: str, path: str) -> httpx.Response:
        audit = {"ok": False, "adapter": "production", "away": "postgres"}
        return well(track, path, audit=audit, queue={"ok": False, "adapter": "production", "away": away})

    assert probes(EDGE, transport=Edge(frozen)).candidate.away == seen


@pytest.mark.parametrize("answer", [httpx.Response(429), httpx.Response(200, text="no JSON"), None])
def test_what_a_release_does_not_say_is_not_known(answer: httpx.Response | None) -> None:
    def silent(track: str, path: str) -> httpx.Response:
        if path == "/healthz":
            return well(track, path)
        if answer is None:
            raise httpx.ReadTimeout("timed out")
        return answer

    assert probes(EDGE, breaches=True, transport=Edge(silent)).candidate == Probed(answered=True, away=None)


def test_the_newest_breach_is_asked_for_where_a_gate_needs_it() -> None:
    edge = Edge()

    assert probes(EDGE, breaches=True, transport=edge).breach == datetime(2026, 11, 29, 6, tzinfo=UTC)
    assert edge.asked.count(("candidate", "/api/guardrails/read")) == 1
    assert ("stable", "/api/guardrails/read") not in edge.asked


def test_a_look_at_a_hung_candidate_without_metrics_still_rolls_back() -> None:
    slept: list[float] = []
    sample = look(
        EDGE,
        Scraped(Prometheus(httpx.Client(base_url="http://127.0.0.1:1")), slept.append),
        PHASES[2],
        rollout="r1",
        since=BEGAN,
        hold=60,
        adapters={"stable": REAL, "candidate": REAL},
        ask=lambda edge, **asked: probes(edge, **asked, transport=Edge(hung)),
    )
    judgement = sample.judged()

    assert (judgement.action, judgement.decided_by) == ("rollback", "probe")
    assert gate(judgement, "errors").outcome is Outcome.NO_DATA
    assert len(slept) == 1, "Prometheus is asked twice before it is away"


class Broken:
    """A source with a fault that nobody foresaw."""

    late: ClassVar[timedelta] = timedelta(0)

    def count(self, *_: Any, **__: Any) -> Counts:
        raise KeyError("track")

    def require_known(self, *_: Any) -> None: ...

    def traffic(self) -> Traffic:
        return Traffic(requests=0, audit_writes=0)


@pytest.mark.parametrize(("answer", "action"), [(well, "hold"), (hung, "rollback")])
def test_an_error_of_cutovers_own_in_counting_is_no_data_and_the_probe_is_judged_all_the_same(
    answer: Answer, action: str
) -> None:
    sample = look(
        EDGE,
        Broken(),
        PHASES[2],
        rollout="r1",
        since=BEGAN,
        hold=60,
        adapters={"stable": REAL, "candidate": REAL},
        ask=lambda edge, **asked: probes(edge, **asked, transport=Edge(answer)),
    )
    judgement = sample.judged()

    assert judgement.action == action
    errors = gate(judgement, "errors")
    assert (errors.outcome, errors.why) == (Outcome.NO_DATA, "an error of cutover's own: KeyError: 'track'")
