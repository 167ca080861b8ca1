"""The table of panels as a dashboard of CloudWatch's, with the grid that Grafana's has."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count, groupby
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.dashboard import HEIGHT, PER_ROW, WIDTH
from infra.naming import Names
from outputs.panel import Line, Of, Panel, Unit
from outputs.panels import PANELS, TITLE

PERIOD = 60
COLOURS = {"warn": "#ff9900", "limit": "#d13212"}
_AXES: Mapping[Unit, str] = {
    "count": "Count",
    "per second": "1/s",
    "share": "share, 1 is all",
    "seconds": "s",
    "percent": "%",
}
Widget = dict[str, Any]


@dataclass(frozen=True)
class Measured:
    """Where the metrics of one are: their namespace, and the dimensions that are its own."""

    namespace: str
    dimensions: Mapping[str, str]


def cloudwatch_dashboard(panels: Sequence[Panel], measured: Mapping[Of, Measured], region: str) -> str:
    """The JSON that PutDashboard takes, of the panels that have lines on AWS (CloudWatch API reference, "Dashboard body
    structure and syntax")."""
    widgets: list[Widget] = [_heading(f"# {TITLE}", 0)]
    y = 1
    for group, own in groupby((panel for panel in panels if panel.on_aws), key=lambda panel: panel.group):
        widgets.append(_heading(f"## {group}", y))
        for number, panel in enumerate(members := list(own)):
            place = {"x": number % PER_ROW * WIDTH, "y": y + 1 + number // PER_ROW * HEIGHT}
            widgets.append(_widget(panel, place, measured, region))
        y += 1 + -(-len(members) // PER_ROW) * HEIGHT
    return json.dumps({"start": "-PT3H", "widgets": widgets})


def _heading(text: str, y: int) -> Widget:
    place = {"x": 0, "y": y, "width": 2 * WIDTH, "height": 1}
    return {"type": "text", **place, "properties": {"markdown": text, "background": "transparent"}}


def _widget(panel: Panel, place: Mapping[str, int], measured: Mapping[Of, Measured], region: str) -> Widget:
    ids = count()
    marks = {name: getattr(panel, name) for name in COLOURS}
    lines = [
        {"label": name, "value": value, "color": COLOURS[name]} for name, value in marks.items() if value is not None
    ]
    properties = {
        "title": panel.title,
        "region": region,
        "view": "timeSeries",
        "stacked": False,
        "period": PERIOD,
        "metrics": [row for line in panel.on_aws for row in _rows(line, ids, measured)],
        "yAxis": {"left": {"min": 0, "label": _AXES[panel.unit], "showUnits": False}},
        **({"annotations": {"horizontal": lines}} if lines else {}),
    }
    return {"type": "metric", **place, "width": WIDTH, "height": HEIGHT, "properties": properties}


def _rows(line: Line, ids: count[int], measured: Mapping[Of, Measured]) -> list[list[Any]]:
    """The metrics of a line, hidden, and what is reckoned of them; a metric by itself is shown as it is."""
    named = {name: f"m{next(ids)}" for name in line.over}
    alone = line.expression == f"{{{next(iter(line.over))}}}"
    rows = []
    for name, source in line.over.items():
        where = measured[source.of]
        dimensions = [part for pair in where.dimensions.items() for part in pair]
        shown = {"label": line.legend} if alone else {"visible": False}
        rows.append([where.namespace, source.name, *dimensions, {"id": named[name], "stat": source.statistic, **shown}])
    if not alone:
        expression = line.expression.format_map(named)
        rows.append([{"expression": expression, "label": line.legend, "id": f"e{next(ids)}"}])
    return rows


def declare_dashboard(
    names: Names,
    tracks: Mapping[Of, Mapping[str, pulumi.Input[str]]],
    worker: Mapping[str, pulumi.Input[str]],
    opts: pulumi.ResourceOptions,
) -> aws.cloudwatch.Dashboard:
    """Declares the stack's dashboard, named as the stack is; `tracks` and `worker` are the dimensions of their
    metrics."""
    every = {"worker": worker, **tracks}
    known = pulumi.Output.all(**{of: pulumi.Output.all(**dimensions) for of, dimensions in every.items()})

    def body(dimensions: Mapping[Any, Mapping[str, str]]) -> str:
        measured: dict[Of, Measured] = {"stack": Measured(names.metrics, {})}
        for of, own in dimensions.items():
            measured[of] = Measured("ECS/ContainerInsights" if of == "worker" else "AWS/ApplicationELB", own)
        return cloudwatch_dashboard(PANELS, measured, names.region)

    return aws.cloudwatch.Dashboard(
        "dashboard", dashboard_name=names.prefix, dashboard_body=known.apply(body), opts=opts
    )
