"""CloudWatch alarms: on one metric, or on a formula over several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pulumi
import pulumi_aws as aws


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One statistic of a metric; `p95` is a percentile."""

    namespace: pulumi.Input[str]
    name: str
    dimensions: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    statistic: Literal["Average", "Minimum", "Maximum", "Sum", "p95"]


@dataclass(frozen=True, kw_only=True)
class Formula:
    """An expression of CloudWatch's metric math over metrics by their ids."""

    expression: str
    over: Mapping[str, Metric]


@dataclass(frozen=True, kw_only=True)
class Alarm:
    """One alarm: it fires when what it is `of`, over `period` seconds, is `beyond` the threshold in `periods` periods
    on end, or in as few of them as `enough`. `missing` is what a period without data counts as. A `quiet` one tells
    nobody: others are made of it."""

    name: str
    says: str
    of: Metric | Formula
    beyond: Literal["GreaterThanThreshold", "GreaterThanOrEqualToThreshold", "LessThanThreshold"]
    threshold: float
    period: int = 60
    periods: int
    enough: int | None = None
    missing: Literal["missing", "breaching", "notBreaching"]
    quiet: bool = False


def declare(
    parent: str, prefix: pulumi.Input[str], topic: pulumi.Input[str], alarm: Alarm, opts: pulumi.ResourceOptions
) -> aws.cloudwatch.MetricAlarm:
    """The alarm PREFIX-NAME, which tells the topic, an ARN, when it fires and when it recovers."""
    return aws.cloudwatch.MetricAlarm(
        f"{parent}-{alarm.name}",
        aws.cloudwatch.MetricAlarmArgs(
            name=pulumi.Output.concat(prefix, "-", alarm.name),
            alarm_description=alarm.says,
            comparison_operator=alarm.beyond,
            threshold=alarm.threshold,
            evaluation_periods=alarm.periods,
            datapoints_to_alarm=alarm.enough,
            treat_missing_data=alarm.missing,
            alarm_actions=None if alarm.quiet else [topic],
            ok_actions=None if alarm.quiet else [topic],
            **_watched(alarm.of, alarm.period),
        ),
        opts=opts,
    )


def _watched(of: Metric | Formula, period: int) -> dict[str, Any]:
    if isinstance(of, Formula):
        return {"metric_queries": _queries(of, period)}
    return {
        "namespace": of.namespace,
        "metric_name": of.name,
        "dimensions": dict(of.dimensions) or None,
        "extended_statistic" if of.statistic == "p95" else "statistic": of.statistic,
        "period": period,
    }


def _queries(formula: Formula, period: int) -> list[aws.cloudwatch.MetricAlarmMetricQueryArgs]:
    queries = [
        aws.cloudwatch.MetricAlarmMetricQueryArgs(
            id=id_,
            return_data=False,
            metric=aws.cloudwatch.MetricAlarmMetricQueryMetricArgs(
                namespace=metric.namespace,
                metric_name=metric.name,
                dimensions=dict(metric.dimensions) or None,
                stat=metric.statistic,
                period=period,
            ),
        )
        for id_, metric in formula.over.items()
    ]
    result = aws.cloudwatch.MetricAlarmMetricQueryArgs(
        id="result", expression=formula.expression, label=formula.expression, return_data=True
    )
    return [*queries, result]
