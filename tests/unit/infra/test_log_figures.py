"""What is taken out of a track's log on AWS: each filter's pattern, held against lines of nginx and of the app."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import SimpleNamespace
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from infra.runtime.fargate.metrics import BY_APP, BY_EDGE, COUNTED
from infra.runtime.fargate.work import DEAD, OLDEST, PENDING, SPOOLED
from outputs.log_figures import LogFigure
from tests.support.filter_pattern import matches
from tests.support.log_line import log_line
from tests.unit.infra.configs import BASE, FARGATE, changed, without
from tests.unit.infra.parts import run
from tests.unit.infra.recorder import Recording
from webnext import metrics
from webnext.dependency import FAILURES, AwayError, Dependency
from webnext.logs import JsonFormatter
from webnext.vault import TTL, Vault

REQUESTS, OTHERS, LIMITED, MOCK = LogFigure.REQUESTS, LogFigure.OTHERS, LogFigure.LIMITED, LogFigure.MOCK
WRITES, ELSEWHERE = LogFigure.AUDIT_WRITES, LogFigure.AUDIT_ELSEWHERE
GONE: Mapping[str, Any] = {"status": 499, "answered_by": "edge", "upstream_header_time": "-", "whole": "false"}
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
        ({**GONE, "request_time": 0.4, "upstream_response_time": ""}, {REQUESTS, LogFigure.LEFT}),
        ({**GONE, "request_time": 0.9, "upstream_response_time": "0.900"}, {REQUESTS}),
        ({**GONE, "request_time": 15.1, "upstream_response_time": "15.000"}, {REQUESTS}),
        ({**GONE, "request_time": 1.9, "upstream_response_time": "0.899"}, {REQUESTS, LogFigure.LEFT}),
        ({**GONE, "request_time": 0.1, "traffic": "smoke"}, {OTHERS, LogFigure.LEFT}),
        ({**GONE, "status": 400, "request_time": 1.5, "upstream_response_time": ""}, {REQUESTS, LogFigure.LEFT}),
        ({"status": 400, "upstream_response_time": ""}, {REQUESTS}),
        ({"mock": "true", "uri": "/api/audit/list"}, {REQUESTS, MOCK, LogFigure.MOCK_AUDIT}),
        ({"mock": "true", "uri": "/api/snapshot/export"}, {REQUESTS, MOCK, LogFigure.MOCK_AUDIT}),
        ({"mock": "true", "uri": "/api/evidence/zip"}, {REQUESTS, MOCK, LogFigure.MOCK_EVIDENCE}),
        ({"mock": "true", "uri": "/api/alerts/queue"}, {REQUESTS, MOCK, LogFigure.MOCK_QUEUE}),
        ({"mock": "true", "uri": "/api/guardrails/read"}, {REQUESTS, MOCK, LogFigure.MOCK_GUARDRAILS}),
        ({"mock": "true", "uri": "/api/evidence/zip", "status": 503}, {REQUESTS, MOCK}),
        ({"mock": "true", "uri": "/api/evidence/zip", "traffic": "smoke"}, {OTHERS}),
        (PUSH, {REQUESTS, WRITES}),
        ({**PUSH, "uri": "/api/signals"}, {REQUESTS, WRITES}),
        ({**PUSH, "request_time": 3.2, "upstream_header_time": "0.099"}, {REQUESTS, WRITES}),
        ({**PUSH, "upstream_header_time": "0.100"}, {REQUESTS, WRITES, LogFigure.AUDIT_SLOW}),
        ({**PUSH, "upstream_header_time": "2.000"}, {REQUESTS, WRITES, LogFigure.AUDIT_SLOW}),
        (
            {**PUSH, "mock": "true", "upstream_header_time": "5.000"},
            {REQUESTS, MOCK, LogFigure.MOCK_AUDIT, WRITES, ELSEWHERE},
        ),
        ({**PUSH, "status": 422}, {REQUESTS}),
        ({**PUSH, "traffic": "smoke"}, {OTHERS}),
    ],
)
def test_a_line_of_nginx_counts_for_what_it_is(values: dict[str, Any], figures: set[LogFigure]) -> None:
    assert counted(**values) == figures


def of(line: Mapping[str, Any]) -> list[LogFigure]:
    return [figure for figure, pattern in {**BY_EDGE, **BY_APP}.items() if matches(f"{{ {pattern} }}", line)]


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


def test_flags_and_secrets_that_stay_as_they_were_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    now, values = [0.0], {"SecretString": "kept"}

    def get_secret_value(*, SecretId: str) -> dict[str, Any]:  # noqa: N803
        if SecretId and values:
            return values
        raise ClientError({"Error": {"Code": "InternalServiceError"}}, "GetSecretValue")

    client = SimpleNamespace(get_secret_value=get_secret_value)
    vault = Vault("test/", lambda: cast("Any", client), lambda: now[0])
    assert vault.read("A") == "kept"
    values.clear()
    now[0] += TTL
    assert vault.read("A") == "kept"
    [line] = [json.loads(JsonFormatter().format(record)) for record in caplog.records]

    assert of(line) == [LogFigure.AWAY_SETTINGS]
    assert of(failing("ssm", caplog, FAILURES)[-1]) == [LogFigure.AWAY_SETTINGS]


def containers(declared: Recording) -> Iterator[tuple[str, str]]:
    """The name of each container, and the group that it logs into."""
    for task in declared.of("aws:ecs/taskDefinition:TaskDefinition"):
        for one in json.loads(task.inputs["containerDefinitions"]):
            yield one["name"], one["logConfiguration"]["options"]["awslogs-group"]


def base_and_candidate() -> list[tuple[str, str]]:
    """The containers of a base, and those of a candidate on it."""
    base = run(FARGATE)
    slot = base.outputs["slots"]["candidate"]
    candidate = run(changed(without(FARGATE, "zones"), track="candidate", base="prod"))
    groups = {BASE["slots"]["candidate"]["logs"][kind]: slot["logs"][kind] for kind in slot["logs"]}
    return [*containers(base), *((name, groups[group]) for name, group in containers(candidate))]


def test_what_a_container_logs_in_the_shape_of_another_counts_for_nothing(prod: Recording) -> None:
    lines = {
        "edge": [json.loads(log_line(**values)) for values in ({}, {"traffic": "smoke"}, {"status": 429}, PUSH)],
        "app": [{"away": "postgres"}, {"autoPauses": 1}, {SPOOLED: 0}],
        "worker": [{OLDEST: 0}, {DEAD: 0}, {PENDING: 0}],
        "watch": [{"ticked": True}, {"routes": {"weight": 10}}, {"held": True}],
    }
    filters = [one.inputs for one in prod.of("aws:cloudwatch/logMetricFilter:LogMetricFilter")]
    read = {
        (container, kind)
        for container, group in base_and_candidate()
        for one in filters
        if one["logGroupName"] == group
        for kind, written in lines.items()
        if any(matches(one["pattern"], line) for line in written)
    }

    assert read == {(kind, kind) for kind in lines}


def test_every_figure_is_taken_from_each_tracks_log(prod: Recording) -> None:
    filters = [
        one.inputs
        for one in prod.of("aws:cloudwatch/logMetricFilter:LogMetricFilter")
        if one.name.startswith("tracks-")
    ]
    made = {(one["logGroupName"], one["metricTransformation"]["name"], one["pattern"]) for one in filters}

    assert made == {
        (f"/ecs/web-next-test/{track}-{kind}", figure.of(track), f"{{ {pattern} }}")
        for track in ("stable", "candidate")
        for kind, figures in COUNTED.items()
        for figure, pattern in figures.items()
    }
    assert {figure for figures in COUNTED.values() for figure in figures} == {*LogFigure}
    assert len(filters) == len(made)
    assert {one["metricTransformation"]["defaultValue"] for one in filters} == {"0"}, "what never happened counts as 0"
    assert not [one for one in filters if "dimensions" in one["metricTransformation"]], "which excludes a default"
