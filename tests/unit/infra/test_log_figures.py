"""What is taken out of a track's log on AWS: each filter's pattern, held against lines of nginx and of the app."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest

from infra.runtime.fargate.metrics import COUNTED
from outputs.log_figures import LogFigure
from tests.support.filter_pattern import matches
from tests.support.log_line import log_line
from tests.unit.infra.configs import FARGATE
from tests.unit.infra.parts import run
from tests.unit.infra.recorder import Recording
from webnext import metrics
from webnext.dependency import FAILURES, AwayError, Dependency
from webnext.logs import JsonFormatter

REQUESTS, OTHERS, LIMITED, MOCK = LogFigure.REQUESTS, LogFigure.OTHERS, LogFigure.LIMITED, LogFigure.MOCK
WRITES, ELSEWHERE = LogFigure.AUDIT_WRITES, LogFigure.AUDIT_ELSEWHERE
PUSH: Mapping[str, Any] = {"uri": "/api/audit/push", "request_method": "POST"}


@pytest.fixture
def prod() -> Recording:
    return run(FARGATE)


def counted(**values: Any) -> set[LogFigure]:
    """The figures that a line of nginx counts for."""
    return set(of(json.loads(log_line(**values))))


@pytest.mark.parametrize(
    ("values", "figures"),
    [
        ({"uri": "/dashboard"}, {REQUESTS}),
        ({"traffic": "smoke"}, {OTHERS}),
        ({"traffic": "refused", "status": 403, "answered_by": "edge"}, {OTHERS}),
        ({"traffic": "health", "uri": "/healthz"}, set()),
        ({"status": 429, "answered_by": "edge"}, {REQUESTS, LIMITED}),
        ({"status": 429}, {REQUESTS, LIMITED, LogFigure.LIMITED_BY_APP}),
        ({"status": 499, "request_time": 0.4, "answered_by": "edge"}, {REQUESTS, LogFigure.LEFT}),
        ({"status": 499, "request_time": 0.9, "answered_by": "edge"}, {REQUESTS}),
        ({"status": 499, "request_time": 0.1, "traffic": "smoke"}, {OTHERS, LogFigure.LEFT}),
        ({"mock": "true", "uri": "/api/audit/list"}, {REQUESTS, MOCK, LogFigure.MOCK_AUDIT}),
        ({"mock": "true", "uri": "/api/snapshot/export"}, {REQUESTS, MOCK, LogFigure.MOCK_AUDIT}),
        ({"mock": "true", "uri": "/api/evidence/zip"}, {REQUESTS, MOCK, LogFigure.MOCK_EVIDENCE}),
        ({"mock": "true", "uri": "/api/alerts/queue"}, {REQUESTS, MOCK, LogFigure.MOCK_QUEUE}),
        ({"mock": "true", "uri": "/api/guardrails/read"}, {REQUESTS, MOCK, LogFigure.MOCK_GUARDRAILS}),
        ({"mock": "true", "uri": "/api/evidence/zip", "status": 503}, {REQUESTS, MOCK}),
        ({"mock": "true", "uri": "/api/evidence/zip", "traffic": "smoke"}, {OTHERS}),
        (PUSH, {REQUESTS, WRITES}),
        ({**PUSH, "uri": "/api/signals"}, {REQUESTS, WRITES}),
        ({**PUSH, "request_time": 0.1}, {REQUESTS, WRITES}),
        ({**PUSH, "request_time": 0.101}, {REQUESTS, WRITES, LogFigure.AUDIT_SLOW}),
        ({**PUSH, "mock": "true", "request_time": 5}, {REQUESTS, MOCK, LogFigure.MOCK_AUDIT, WRITES, ELSEWHERE}),
        ({**PUSH, "status": 422}, {REQUESTS}),
        ({**PUSH, "traffic": "smoke"}, {OTHERS}),
    ],
)
def test_a_line_of_nginx_counts_for_what_it_is(values: dict[str, Any], figures: set[LogFigure]) -> None:
    assert counted(**values) == figures


def of(line: Mapping[str, Any]) -> list[LogFigure]:
    return [figure for figure, pattern in COUNTED.items() if matches(f"{{ {pattern} }}", line)]


def failing(name: str, caplog: pytest.LogCaptureFixture, times: int) -> list[dict[str, Any]]:
    """The lines of an app that has called a dependency so often while it does not answer."""

    async def calls() -> None:
        dependency = Dependency(name, errors=(OSError,), seconds=1)
        for _ in range(times):
            with suppress(AwayError):
                await dependency.call(refuse)

    async def refuse() -> None:
        raise ConnectionRefusedError

    asyncio.run(calls())
    return [json.loads(JsonFormatter().format(record)) for record in caplog.records]


def test_no_line_takes_an_error_away_without_being_a_request_that_the_balancer_must_have_sent() -> None:
    assert of({"status": 499, "requestTime": 0.1}) == []
    assert of({"status": 499, "requestTime": 0.1, "traffic": "health"}) == []


def test_a_pause_is_counted_from_the_line_that_the_app_writes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    metrics.say(autoPauses=1)
    [line] = [json.loads(JsonFormatter().format(record)) for record in caplog.records]

    assert of(line) == [LogFigure.AUTO_PAUSES]


@pytest.mark.parametrize("name", ["postgres", "redis", "executor", "s3"])
def test_what_is_away_is_counted_by_its_name_from_lines_of_the_app(name: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    lines = failing(name, caplog, FAILURES - 1)
    assert lines == []
    lines = failing(name, caplog, FAILURES)

    assert [of(line) for line in lines] == [[LogFigure(f"Away{name.capitalize()}")]]


def test_every_figure_is_taken_from_each_tracks_log(prod: Recording) -> None:
    filters = [
        one.inputs
        for one in prod.of("aws:cloudwatch/logMetricFilter:LogMetricFilter")
        if one.name.startswith("tracks-")
    ]
    made = {(one["logGroupName"], one["metricTransformation"]["name"], one["pattern"]) for one in filters}

    assert made == {
        (f"/ecs/web-next-test/{track}", figure.of(track), f"{{ {COUNTED[figure]} }}")
        for figure in LogFigure
        for track in ("stable", "candidate")
    }
    assert len(filters) == len(made)
    assert {one["metricTransformation"]["defaultValue"] for one in filters} == {"0"}, "what never happened counts as 0"
    assert not [one for one in filters if "dimensions" in one["metricTransformation"]], "which excludes a default"
