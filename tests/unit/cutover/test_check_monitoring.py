"""The monitoring check: each metric has a fresh sample, in Prometheus or in CloudWatch."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import httpx
import pytest
from botocore.stub import Stubber

from cutover import aws
from cutover.smoke.checks import monitoring
from cutover.smoke.finding import Outcome
from cutover.smoke.probe import CheckFailedError
from outputs.log_figures import LogFigure
from tests.support.edge_double import TARGET, Edge
from tests.support.outside import Outside

QUERY = "/api/v1/query"


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Outside:
    return Outside().install(monkeypatch)


def prometheus(age: Callable[[str], float | None]) -> Callable[[httpx.Request], httpx.Response]:
    """Prometheus, with samples so many seconds old; `age` is given the query."""

    def answer(request: httpx.Request) -> httpx.Response:
        seconds = age(request.url.params["query"])
        result = [] if seconds is None else [{"metric": {}, "value": [1795917839.9, str(seconds)]}]
        return httpx.Response(200, json={"status": "success", "data": {"result": result}})

    return answer


def test_fresh_samples_pass_and_are_asked_for_on_the_track(outside: Outside) -> None:
    outside.answers["GET", QUERY] = prometheus(lambda _: 3.2)

    assert monitoring.look(Edge().probe()) == "8 metrics, the oldest sample 3 s old"
    asked = [request.url.params["query"] for request in outside.asked]
    assert 'min(time() - timestamp(web_next_audit_inserts_total{job="app", track="stable"}))' in asked
    assert 'min(time() - timestamp(web_next_queue_jobs{job="worker", track="stable"}))' in asked


def test_what_a_mock_does_not_count_is_not_asked_for(outside: Outside) -> None:
    outside.answers["GET", QUERY] = prometheus(lambda _: 3.2)
    mocks = replace(TARGET, adapters={"audit": "mock", "queue": "mock"})

    assert monitoring.look(Edge(target=mocks).probe()) == "5 metrics, the oldest sample 3 s old"
    assert [request for request in outside.asked if "audit" in request.url.query.decode()] == []


def test_a_stack_that_has_just_come_up_is_waited_for(outside: Outside) -> None:
    edge = Edge()
    outside.answers["GET", QUERY] = prometheus(lambda _: 0.5 if edge.clock() >= 4 else None)

    assert monitoring.look(edge.probe()) == "8 metrics, the oldest sample 0 s old"
    assert edge.clock() == 4


@pytest.mark.parametrize(
    ("age", "complaint"),
    [
        (lambda query: None if "edge_requests" in query else 1.0, "^no sample of web_next_edge_requests_total$"),
        (lambda query: 121.0 if "queue_jobs" in query else 1.0, "^older than 120 s: web_next_queue_jobs 121 s$"),
        (
            lambda query: None if "edge_" in query else 300.0 if "pauses" in query else 1.0,
            "^no sample of web_next_edge_requests_total, web_next_edge_answers_total, web_next_edge_request_s.*; older",
        ),
    ],
)
def test_a_metric_without_a_fresh_sample_fails_by_name(
    outside: Outside, age: Callable[[str], float | None], complaint: str
) -> None:
    outside.answers["GET", QUERY] = prometheus(age)

    with pytest.raises(CheckFailedError, match=complaint):
        monitoring.look(Edge().probe())


def test_a_prometheus_that_is_away_or_refuses_fails(outside: Outside) -> None:
    away = monitoring.CHECK.run(Edge().probe())
    outside.answer("GET", QUERY, {"status": "error", "error": "parse error"}, status=400)
    refused = monitoring.CHECK.run(Edge().probe())

    assert (away.outcome, refused.outcome) == (Outcome.FAIL, Outcome.FAIL)
    assert away.saw.startswith("Prometheus at http://127.0.0.1:9090 does not answer (ConnectError")
    assert re.match("Prometheus refuses 'min.*': parse error", refused.saw)


def on_aws(monkeypatch: pytest.MonkeyPatch, ages: dict[str, float | None]) -> str:
    """What is seen of a stack whose CloudWatch has figures so many seconds old."""
    client = boto3.client("cloudwatch", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
    monkeypatch.setattr(aws, "client", lambda *_: client)
    now = datetime.now(UTC)
    results: list[dict[str, Any]] = [
        {
            "Id": f"m{number}",
            "Timestamps": [] if age is None else [now - timedelta(seconds=age)],
            "Values": [] if age is None else [1.0],
            "StatusCode": "Complete",
        }
        for number, age in enumerate(ages.values())
    ]
    places = replace(TARGET.places, metrics_url="cloudwatch:web-next-prod")
    with Stubber(client) as stub:
        stub.add_response("get_metric_data", {"MetricDataResults": results})
        return monitoring.look(Edge(target=replace(TARGET, places=places)).probe())


def test_cloudwatch_has_five_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    ages: dict[str, float | None] = dict.fromkeys(LogFigure, 240.0)

    assert on_aws(monkeypatch, ages) == f"{len(LogFigure)} metrics, the oldest sample 240 s old"
    with pytest.raises(CheckFailedError, match="older than 300 s: EdgeRequests-stable 400 s, EdgeOthers-stable 4"):
        on_aws(monkeypatch, dict.fromkeys(LogFigure, 400.0))
    with pytest.raises(CheckFailedError, match=r"no sample of EdgeAuditSlow-stable$"):
        on_aws(monkeypatch, ages | {LogFigure.AUDIT_SLOW: None})


def test_a_cloudwatch_that_refuses_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    client = boto3.client("cloudwatch", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
    monkeypatch.setattr(aws, "client", lambda *_: client)
    places = replace(TARGET.places, metrics_url="cloudwatch:web-next-prod")
    with Stubber(client) as stub:
        stub.add_client_error("get_metric_data", "AccessDenied", "no", 403)
        finding = monitoring.CHECK.run(Edge(target=replace(TARGET, places=places)).probe())

    assert finding.outcome is Outcome.FAIL
    assert finding.saw.startswith("CloudWatch refuses with AccessDenied (no): give who asks cloudwatch:GetMetricData")
