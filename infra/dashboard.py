"""The table of panels as a dashboard of Grafana's: two panels a row, a heading for each group."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from outputs.panel import Panel, Unit
from outputs.panels import TITLE, UID

PROMETHEUS = {"type": "prometheus", "uid": "prometheus"}
"""The data source of templates/grafana."""
WIDTH, HEIGHT, PER_ROW = 12, 8, 2
SCHEMA = 39
"""Grafana's own number of the form."""
_UNITS: Mapping[Unit, str] = {
    "count": "short",
    "per second": "reqps",
    "share": "percentunit",
    "seconds": "s",
    "percent": "percent",
}


def grafana_dashboard(panels: Sequence[Panel]) -> str:
    """The JSON that Grafana provisions."""
    made: list[dict[str, Any]] = []
    y = 0
    for group, own in groupby((panel for panel in panels if panel.queries), key=lambda panel: panel.group):
        made.append({"type": "row", "title": group, "collapsed": False, "gridPos": _place(0, y, 2 * WIDTH, 1)})
        for number, panel in enumerate(members := list(own)):
            place = _place(number % PER_ROW * WIDTH, y + 1 + number // PER_ROW * HEIGHT, WIDTH, HEIGHT)
            made.append(_timeseries(panel, place))
        y += 1 + -(-len(members) // PER_ROW) * HEIGHT
    dashboard = {
        "uid": UID,
        "title": TITLE,
        "schemaVersion": SCHEMA,
        "timezone": "utc",
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "tags": ["web-next"],
        "panels": [{"id": number, **panel} for number, panel in enumerate(made, start=1)],
    }
    return json.dumps(dashboard, indent=2) + "\n"


def _place(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}


def _timeseries(panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    limits = {"orange": panel.warn, "red": panel.limit}
    steps = [{"color": color, "value": value} for color, value in limits.items() if value is not None]
    defaults = {
        "unit": _UNITS[panel.unit],
        "custom": {"thresholdsStyle": {"mode": "line" if steps else "off"}},
        "thresholds": {"mode": "absolute", "steps": [{"color": "green", "value": None}, *steps]},
    }
    targets = [
        {"refId": chr(ord("A") + number), "expr": query.expression, "legendFormat": query.legend}
        for number, query in enumerate(panel.queries)
    ]
    return {
        "title": panel.title,
        "type": "timeseries",
        "gridPos": place,
        "datasource": PROMETHEUS,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": [{**target, "datasource": PROMETHEUS} for target in targets],
    }
