"""Grafana's dashboard: every panel once, where it covers no other, and a mark where a gate speaks."""

from __future__ import annotations

import json
from itertools import combinations
from typing import Any

import yaml

from infra.dashboard import grafana_dashboard
from infra.nginx import TEMPLATES
from outputs.panel import Panel, Query
from outputs.panels import PANELS

DASHBOARD: dict[str, Any] = json.loads(grafana_dashboard(PANELS))
SHOWN = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]


def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
    """What a panel covers of the grid."""
    place = panel["gridPos"]
    return {
        (column, line)
        for column in range(place["x"], place["x"] + place["w"])
        for line in range(place["y"], place["y"] + place["h"])
    }


def test_every_panel_of_the_table_is_shown_once_with_its_queries_and_its_unit() -> None:
    told = [(panel["title"], [target["expr"] for target in panel["targets"]]) for panel in SHOWN]

    queried = [panel for panel in PANELS if panel.queries]
    assert told == [(panel.title, [query.expression for query in panel.queries]) for panel in queried]
    assert len({title for title, _ in told}) == len(queried)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    assert {panel["fieldConfig"]["defaults"]["unit"] for panel in SHOWN} == {
        "percent",
        "percentunit",
        "reqps",
        "s",
        "short",
    }


def test_no_panel_covers_another_or_leaves_the_grid() -> None:
    covered = [cells(panel) for panel in DASHBOARD["panels"]]

    assert all(not one & other for one, other in combinations(covered, 2))
    assert max(column for own in covered for column, _ in own) < 24


def test_each_group_is_under_its_heading() -> None:
    headings = [panel["title"] for panel in DASHBOARD["panels"] if panel["type"] == "row"]

    assert headings == list(dict.fromkeys(panel.group for panel in PANELS))
    assert len(headings) == len(set(headings)), "a group stands together"


def test_each_query_goes_to_the_source_that_is_provisioned_and_has_a_letter_of_its_own() -> None:
    (source,) = yaml.safe_load((TEMPLATES / "grafana/datasources/prometheus.yml").read_text())["datasources"]

    for panel in SHOWN:
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {source["uid"]}
        assert [target["refId"] for target in panel["targets"]] == list("ABCDEFG"[: len(panel["targets"])])


def test_a_limit_is_a_red_line_and_a_warning_an_orange_one() -> None:
    queries = [Query("up", "")]
    both = Panel(group="g", title="both", unit="share", queries=queries, warn=0.01, limit=0.02)
    none = Panel(group="g", title="none", unit="share", queries=queries)
    _, limited, free = json.loads(grafana_dashboard([both, none]))["panels"]

    assert limited["fieldConfig"]["defaults"]["thresholds"]["steps"][1:] == [
        {"color": "orange", "value": 0.01},
        {"color": "red", "value": 0.02},
    ]
    assert limited["fieldConfig"]["defaults"]["custom"] == {"thresholdsStyle": {"mode": "line"}}
    assert free["fieldConfig"]["defaults"]["custom"] == {"thresholdsStyle": {"mode": "off"}}
