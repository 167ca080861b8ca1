"""CloudWatch's dashboard: the body is one that AWS takes, and each metric on it is one that somebody writes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest

from infra.dashboard import grafana_dashboard
from infra.runtime.fargate.dashboard import Measured, cloudwatch_dashboard
from outputs.panel import Line, Panel, Source
from outputs.panels import PANELS
from tests.unit.infra.configs import FARGATE, NAMES, REGION
from tests.unit.infra.parts import run
from tests.unit.infra.recorder import Recording

DASHBOARD = "aws:cloudwatch/dashboard:Dashboard"
PUBLISHED = {
    "AWS/ApplicationELB": {"RequestCount", "HTTPCode_Target_5XX_Count", "TargetResponseTime", "HealthyHostCount"},
    "ECS/ContainerInsights": {"RunningTaskCount"},
}
"""What AWS publishes by itself, by the dimensions below: ELB user guide, "CloudWatch metrics for your Application Load
Balancer"; CloudWatch user guide, "Amazon ECS Container Insights metrics"."""
DIMENSIONS = {
    "AWS/ApplicationELB": {"TargetGroup", "LoadBalancer"},
    "ECS/ContainerInsights": {"ClusterName", "ServiceName"},
}
FUNCTIONS = {"FILL", "PERIOD"}


@pytest.fixture
def prod() -> Recording:
    return run(FARGATE)


def body(declared: Recording) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(declared.one(DASHBOARD).inputs["dashboardBody"])
    return made


def pictures(declared: Recording) -> list[dict[str, Any]]:
    return [widget for widget in body(declared)["widgets"] if widget["type"] == "metric"]


def wrong(made: dict[str, Any]) -> Iterator[str]:
    """What PutDashboard would refuse of a body (CloudWatch API reference, "Dashboard body structure and syntax")."""
    if made.keys() - {"start", "end", "periodOverride", "widgets"}:
        yield f"unknown keys {sorted(made)}"
    if not re.fullmatch(r"-P(T\d+[HM]|\d+[DWM])", made.get("start", "-PT3H")):
        yield f"start {made['start']}"
    if len(made["widgets"]) > 500:
        yield "more than 500 widgets"
    for widget in made["widgets"]:
        own, where = widget["properties"], f"{widget['type']} {widget['properties'].get('title', '')}"
        if not (0 <= widget["x"] <= 23 and 1 <= widget["width"] <= 24 - widget["x"] and 1 <= widget["height"] <= 1000):
            yield f"{where}: place"
        if widget["type"] == "text":
            if own.keys() - {"markdown", "background"} or not own["markdown"]:
                yield f"{where}: {sorted(own)}"
            continue
        known = {"title", "region", "view", "stacked", "period", "metrics", "yAxis", "annotations", "stat"}
        if widget["type"] != "metric" or own.keys() - known or "region" not in own:
            yield f"{where}: {sorted(own)}"
        if own["view"] not in ("timeSeries", "singleValue", "gauge", "bar", "pie") or own["period"] % 60:
            yield f"{where}: view or period"
        yield from (f"{where}: {problem}" for row in own["metrics"] for problem in row_wrong(row))
        ids = [row[-1]["id"] for row in own["metrics"]]
        if len({*ids}) < len(ids) or not own["metrics"] or len(ids) > 500:
            yield f"{where}: ids {ids}"
        for row in own["metrics"]:
            used = set(re.findall(r"[A-Za-z_]\w*", row[0]["expression"])) if isinstance(row[0], dict) else set()
            if used - FUNCTIONS - {*ids}:
                yield f"{where}: {row[0]['expression']} names what is not there"
        for line in own.get("annotations", {}).get("horizontal", []):
            if not isinstance(line["value"], int | float) or not re.fullmatch(r"#[0-9a-f]{6}", line["color"]):
                yield f"{where}: annotation {line}"


def row_wrong(row: list[Any]) -> Iterator[str]:
    *texts, options = row
    if not re.fullmatch(r"[a-z][A-Za-z0-9_]{0,254}", options["id"]):
        yield f"id {options['id']}"
    if "expression" in options:
        if texts or options.keys() != {"expression", "label", "id"}:
            yield f"expression {row}"
        return
    if options.keys() - {"id", "stat", "label", "visible"} or len(texts) < 2 or len(texts) % 2 or len(texts) > 62:
        yield f"metric {row}"
    if not all(isinstance(text, str) and text for text in texts):
        yield f"texts {texts}"
    if not re.fullmatch(r"Average|Maximum|Minimum|Sum|SampleCount|p\d{1,2}", options["stat"]):
        yield f"stat {options['stat']}"


def test_aws_takes_the_body(prod: Recording) -> None:
    assert list(wrong(body(prod))) == []
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,255}", prod.one(DASHBOARD).inputs["dashboardName"])


UNFOUNDED: dict[str, str] = {"expression": "m9", "label": "x", "id": "e9"}
FIRST = 2
"""The first widget that is a picture."""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda picture: picture.update(width=30), "place"),
        (lambda picture: picture["properties"].pop("region"), "metric Weight and phase"),
        (lambda picture: picture["properties"]["metrics"][0][-1].update(id="M1"), "id M1"),
        (lambda picture: picture["properties"]["metrics"][0].insert(2, "alone"), "metric "),
        (lambda picture: picture["properties"]["metrics"].append([UNFOUNDED]), "names what is not there"),
        (lambda picture: picture["properties"].update(view="pictures"), "view or period"),
    ],
)
def test_a_body_that_aws_would_refuse_is_found(prod: Recording, change: Any, said: str) -> None:
    made = body(prod)
    change(made["widgets"][FIRST])

    assert any(said in problem for problem in wrong(made))


def named(declared: Recording) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Each metric on the dashboard: namespace, name, dimensions."""
    for picture in pictures(declared):
        for *texts, _options in picture["properties"]["metrics"]:
            if texts:
                namespace, name, *pairs = texts
                yield namespace, name, dict(zip(pairs[::2], pairs[1::2], strict=True))


def test_each_metric_is_one_that_the_program_declares_or_that_aws_publishes(prod: Recording) -> None:
    filters = [one.inputs["metricTransformation"] for one in prod.of("aws:cloudwatch/logMetricFilter:LogMetricFilter")]
    own = {(each["namespace"], each["name"]) for each in filters}
    shown = list(named(prod))

    assert len(shown) > 30
    for namespace, name, dimensions in shown:
        if namespace == NAMES.metrics:
            assert (namespace, name) in own
            assert dimensions == {}, "a filter's metrics have none"
        else:
            assert name in PUBLISHED[namespace]
            assert dimensions.keys() == DIMENSIONS[namespace]


def test_each_track_is_shown_by_its_own_target_group_and_the_worker_by_its_service(prod: Recording) -> None:
    of = {(name, tuple(sorted(dimensions.items()))) for _, name, dimensions in named(prod) if dimensions}
    alarmed = {
        (metric["metricName"], tuple(sorted(metric["dimensions"].items())))
        for one in prod.of("aws:cloudwatch/metricAlarm:MetricAlarm")
        for metric in [one.inputs, *(query.get("metric", {}) for query in one.inputs.get("metricQueries", []))]
        if metric.get("dimensions")
    }

    assert {name for name, _ in of} == {name for names in PUBLISHED.values() for name in names}
    assert of - alarmed == {one for one in of if one[0] == "HealthyHostCount" and "candidate" in str(one)}
    assert len(of) == 2 * 4 + 1


def test_what_the_table_has_for_aws_is_shown_once_in_its_order_under_its_group(prod: Recording) -> None:
    on_aws = [panel for panel in PANELS if panel.on_aws]
    headings = [one["properties"]["markdown"] for one in body(prod)["widgets"] if one["type"] == "text"]

    assert [picture["properties"]["title"] for picture in pictures(prod)] == [panel.title for panel in on_aws]
    assert headings[1:] == [f"## {group}" for group in dict.fromkeys(panel.group for panel in on_aws)]
    for picture, panel in zip(pictures(prod), on_aws, strict=True):
        shown = [row[-1]["label"] for row in picture["properties"]["metrics"] if row[-1].get("visible", True)]
        assert shown == [line.legend for line in panel.on_aws]
    assert {picture["properties"]["region"] for picture in pictures(prod)} == {REGION}


def test_no_widget_covers_another(prod: Recording) -> None:
    covered = [
        {
            (column, line)
            for column in range(one["x"], one["x"] + one["width"])
            for line in range(one["y"], one["y"] + one["height"])
        }
        for one in body(prod)["widgets"]
    ]

    assert all(not one & other for one, other in combinations(covered, 2))


def test_a_limit_is_the_same_line_in_both_dashboards(prod: Recording) -> None:
    grafana = {
        panel["title"]: [step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"][1:]]
        for panel in json.loads(grafana_dashboard(PANELS))["panels"]
        if panel["type"] != "row"
    }
    both = [one["properties"] for one in pictures(prod) if one["properties"]["title"] in grafana]
    assert len(both) >= 12
    for own in both:
        lines = [line["value"] for line in own.get("annotations", {}).get("horizontal", [])]
        assert lines == grafana[own["title"]], own["title"]


def test_an_expression_is_over_ids_of_its_own_and_its_metrics_are_hidden() -> None:
    share = [
        Line(
            legend=name,
            expression="{a} / {b}",
            over={"a": Source("stack", f"A{name}"), "b": Source("stack", "B", "p95")},
        )
        for name in ("x", "y")
    ]
    panel = Panel(group="g", title="t", unit="share", on_aws=share, limit=0.5)
    made = json.loads(cloudwatch_dashboard([panel], {"stack": Measured("n", {})}, "r"))

    assert made["widgets"][-1]["properties"]["metrics"] == [
        ["n", "Ax", {"id": "m0", "stat": "Sum", "visible": False}],
        ["n", "B", {"id": "m1", "stat": "p95", "visible": False}],
        [{"expression": "m0 / m1", "label": "x", "id": "e2"}],
        ["n", "Ay", {"id": "m3", "stat": "Sum", "visible": False}],
        ["n", "B", {"id": "m4", "stat": "p95", "visible": False}],
        [{"expression": "m3 / m4", "label": "y", "id": "e5"}],
    ]
