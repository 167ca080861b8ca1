"""The dashboards check: the queries answer, and Grafana serves the panels where it runs."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import httpx
import pytest

from cutover.errors import CutoverError
from cutover.smoke.checks import dashboards
from cutover.smoke.probe import CheckFailedError, NotRunError
from tests.support.edge_double import TARGET, Edge
from tests.support.outside import Outside, containers

QUERY, DASHBOARD = "/api/v1/query", "/api/dashboards/uid/web-next-cutover"


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> Outside:
    made = Outside().install(monkeypatch)
    made.answer("GET", QUERY, {"status": "success", "data": {"result": [{}]}})
    made.answer("GET", DASHBOARD, {})
    ports = {"3000/tcp": [{"HostIp": "127.0.0.1", "HostPort": "4000"}]}
    containers(monkeypatch, {"grafana": SimpleNamespace(ports=ports), "ended": SimpleNamespace(ports={})})
    return made


def look(grafana: str | None = "grafana", metrics_url: str = "http://127.0.0.1:9090") -> str:
    places = replace(TARGET.places, grafana=grafana, metrics_url=metrics_url)
    return dashboards.look(Edge(target=replace(TARGET, places=places)).probe())


def test_queries_that_answer_and_a_grafana_that_serves_them_pass(outside: Outside) -> None:
    assert look().endswith("queries answer; Grafana at http://127.0.0.1:4000 serves the dashboard")
    assert len([request for request in outside.asked if request.url.path == QUERY]) >= 20


def test_panels_without_data_are_named(outside: Outside) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        result: list[dict[str, str]] = [] if "ratio5m" in request.url.params["query"] else [{}]
        return httpx.Response(200, json={"status": "success", "data": {"result": result}})

    outside.answers["GET", QUERY] = answer

    assert "no data yet for Errors by track, 429 by track, Answers by a mock or a fallback; Grafana at" in look()


def test_without_a_grafana_or_a_prometheus_it_did_not_run_and_says_what_is_missing(outside: Outside) -> None:
    with pytest.raises(NotRunError, match=r"no Grafana here, machine.grafanaImage .*; .* queries answer, 0"):
        look(grafana=None)
    with pytest.raises(NotRunError, match="Grafana's over Prometheus: this stack has neither"):
        look(metrics_url="cloudwatch:web-next")


def test_a_query_that_is_refused_fails_whether_or_not_grafana_runs(outside: Outside) -> None:
    outside.answer("GET", QUERY, {"status": "error", "error": "unknown function"}, status=400)

    with pytest.raises(CutoverError, match=r"Prometheus refuses 'web_next_rollout_weight': unknown function"):
        look(grafana=None)


def test_a_grafana_that_is_gone_or_has_no_dashboard_fails(outside: Outside) -> None:
    with pytest.raises(CheckFailedError, match="Grafana's container missing is not there"):
        look(grafana="missing")
    with pytest.raises(CheckFailedError, match="Grafana's container ended does not run"):
        look(grafana="ended")
    outside.answer("GET", DASHBOARD, {}, status=404)
    with pytest.raises(CheckFailedError, match="has no dashboard web-next-cutover: 404"):
        look()
    del outside.answers["GET", DASHBOARD]
    with pytest.raises(CheckFailedError, match=r"Grafana at http://127.0.0.1:4000 does not answer"):
        look()
