"""docs/cost.md has what the captured prod costs and carries, by arithmetic that is tried by hand here."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.cost.bill import UnpricedError, Use, prices, sources, standing, usd
from bench.cost.growth import LINE_BYTES, USERS, Limits, Load, tab_requests
from bench.cost.tables import tables, written
from tests.support.log_line import log_line
from tests.support.prod import texts
from tests.unit.infra.parts import run
from tests.unit.infra.recorder import Recording

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "cost.md"


def prod(**settings: Any) -> Recording:
    return run(texts(**{"database.access": "tunnel"} | settings))


def bill(**settings: Any) -> dict[str, float]:
    """What stands, in USD by part."""
    return usd(standing(prod(**settings)), prices())


def load(users: int, **settings: Any) -> Load:
    return Load(users, Limits(prod(**settings)))


def test_the_page_has_the_tables_of_prod_as_it_is_declared() -> None:
    page = PAGE.read_text()

    assert page == written(page, tables(prod())), "prod, prices or arithmetic changed: python -m bench.cost --write"


@pytest.mark.parametrize("name", ["bill", "carries", "load", "fill", "prices"])
def test_a_page_without_a_place_for_a_table_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"no place for the table {name}: "):
        written(PAGE.read_text().replace(f"<!-- end of {name} -->", ""), tables(prod()))


def test_a_type_that_is_neither_priced_nor_free_is_refused_by_name() -> None:
    declared = prod()
    first, *others = declared.registered
    unknown = replace(declared, registered=[*others, replace(first, token="aws:sqs/queue:Queue")])

    with pytest.raises(UnpricedError, match=r"aws:sqs/queue:Queue: declared, and neither priced nor free"):
        standing(unknown)


def test_a_size_without_a_price_is_refused() -> None:
    with pytest.raises(UnpricedError, match=r"db\.r7g\.large-hour: no such price"):
        usd([Use("Postgres", "db.r7g.large-hour", 730)], prices())


def test_each_price_is_asked_for_and_says_where_it_is_from() -> None:
    known, one = prices(), load(USERS[-1])
    asked = {use.price for use in [*standing(prod()), *one.uses()]}

    assert asked == known.keys()
    assert {price.source for price in known.values()} == sources().keys()
    assert all(price.usd > 0 and price.region and price.seen for price in known.values())


def test_what_stands_is_what_one_reckons_by_hand() -> None:
    hour = 0.5 * 0.04656 + 1 * 0.00511  # a task of half a vCPU and 1 GB

    assert {part: round(amount, 2) for part, amount in bill().items() if part != "Metrics and alarms"} == {
        "Bastion": round(730 * 0.0048 + 8 * 0.0952, 2),
        "Fargate: app": round(2 * 730 * hour, 2),
        "Fargate: watch": round(730 * (0.25 * 0.04656 + 0.5 * 0.00511), 2),
        "Fargate: worker": round(730 * hour, 2),
        "Firewall": 5 + len(prod().one("aws:wafv2/webAcl:WebAcl").inputs["rules"]),
        "Images (ECR)": 0.6,
        "KMS keys": 1,
        "Load balancer": round(730 * 0.027, 2),
        "NAT gateways": round(2 * 730 * 0.052, 2),
        "Postgres": round(2 * (730 * 0.168 + 100 * 0.137), 2),
        "Public addresses": round(4 * 730 * 0.005, 2),
        "Redis": round(2 * 730 * 0.158, 2),
        "Secrets": 2.4,
        "VPC endpoints": round(5 * 2 * 730 * 0.012, 2),
    }


def test_an_alarm_costs_as_many_metrics_as_it_looks_at_one_of_alarms_more_and_a_metric_of_two_filters_once() -> None:
    declared = prod()
    alarms = declared.of("aws:cloudwatch/metricAlarm:MetricAlarm")
    looked_at = sum(str(one.inputs).count("'metricName'") for one in alarms)
    written_to = {
        (one.inputs["metricTransformation"]["namespace"], one.inputs["metricTransformation"]["name"])
        for one in declared.of("aws:cloudwatch/logMetricFilter:LogMetricFilter")
    }

    assert looked_at > len(alarms)
    assert bill()["Metrics and alarms"] == pytest.approx(0.1 * looked_at + 0.3 * len(written_to) + 0.5)


def test_a_change_of_prod_changes_its_part_of_the_bill() -> None:
    other = bill(
        **{
            "fargate.tasks": 4,
            "fargate.workerTasks": 3,
            "database.multiAz": "false",
            "queues.replicas": 0,
            "network.nat": "one",
        }
    )

    assert {part: amount / bill()[part] for part, amount in other.items() if amount != bill()[part]} == pytest.approx(
        {
            "Fargate: app": 2,
            "Fargate: worker": 3,
            "Postgres": 1 / 2,
            "Redis": 1 / 2,
            "NAT gateways": 1 / 2,
            "Public addresses": 3 / 4,
            "Metrics and alarms": 1 - 0.3 / bill()["Metrics and alarms"],  # of a node that is not there
        }
    )


def test_ten_thousand_users_are_a_thousand_tabs_and_their_audit_entries() -> None:
    one = load(10_000)

    assert tab_requests() == 12
    assert one.peak == pytest.approx(1000 * 12 + 3 * 200_000 / 1440)
    assert one.requests == pytest.approx(one.peak / 3 * 43_800)
    assert (one.peak_tasks, one.mean_tasks) == (13, 5)
    assert one.limits.by_bench == 60 * 200 * 0.5 * 0.6
    assert one.month_rows == pytest.approx(200_000 * 730 / 24)
    assert one.stored_gib(12) == pytest.approx(200_000 * 365 * 292 / 2**30)


def test_how_much_of_each_limit_is_taken() -> None:
    assert {limit: round(part, 3) for limit, part in load(10_000).fill().items()} == {
        "tasks": round(13 / 6, 3),
        "connections": round(2 * (13 + 1) * 10 / 640, 3),
        "worker": round(3 * 10_000 / 86400, 3),
        "disk": round(200_000 * 365 * 292 / 2**30 / 500, 3),
        "redis": round(10_000 * 2048 / (6.38 * 0.75 * 2**30), 3),
    }


def test_the_page_names_what_gives_way_at_each_size_the_worst_first() -> None:
    called = {"tasks": "tasks", "connections": "connections", "worker": "alerts"}
    said = dict(re.findall(r"^- \*\*([\d,]+) users: ([a-z, ]+)\.\*\*", PAGE.read_text(), re.MULTILINE))

    for users in USERS:
        fill = load(users).fill()
        over = [called[limit] for limit in sorted(fill, key=fill.__getitem__, reverse=True) if fill[limit] > 1]
        assert said[f"{users:,}"] == (", ".join(over) or "nothing")
    assert load(10_000).tasks(load(10_000).peak, load(10_000).limits.by_bench) <= load(10_000).limits.most_tasks


def test_what_users_add_is_what_one_reckons_by_hand() -> None:
    one = load(100_000)
    requests = (10_000 * 12 + 3 * 2_000_000 / 1440) / 3 * 43_800
    sent, logged = requests * 2048 / 1e9, requests * 400 / 1e9
    stored = 2_000_000 * 365 * 292 / 2**30
    task = 730 * (0.5 * 0.04656 + 0.00511)

    assert usd(one.uses(), prices()) == pytest.approx(
        {
            "Fargate: app": (42 - 2) * task,
            "Postgres": 2 * -(-(stored / 0.9 - 100) // 1) * 0.137,
            "Load balancer": 0.008 * sent,
            "Firewall": 0.6 * requests / 1e6,
            "Logs": logged * 0.63 + logged * 90 * 24 / 730 * 0.0324,
            "Evidence (S3)": 100_000 * 0.0001 * 30 * 0.0245,
            "Access logs (S3)": requests * 100 / 1e9 * 90 * 24 / 730 * 0.0245,
            "Traffic to the internet": 0.09 * sent,
        }
    )


def test_nobody_costs_nothing_more_than_what_stands() -> None:
    assert sum(usd(load(0).uses(), prices()).values()) == 0


def test_a_line_of_nginx_is_as_long_as_reckoned() -> None:
    assert len(log_line()) + 26 == pytest.approx(LINE_BYTES, rel=0.1)
