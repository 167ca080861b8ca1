"""Questions to CloudWatch: what several metrics have of each minute of a stretch of time, in one look."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Self

from cutover import aws
from cutover.errors import CutoverError, UnreachableError

PERIOD = 60
PATIENCE = aws.Patience(seconds=20, attempts=3)
"""A page of a day is a hundred thousand figures."""
_BUSY = ("Throttling", "ThrottlingException", "RequestLimitExceeded", "InternalServiceError", "InternalServiceFault")


class Metric(NamedTuple):
    """One statistic of a metric."""

    namespace: str
    name: str
    statistic: str
    dimensions: tuple[tuple[str, str], ...] = ()


Figures = Mapping[Metric, Mapping[datetime, float]]
"""What each metric has of each minute, by the minute's begin. A minute that is not there has no figure."""


@dataclass(frozen=True)
class CloudWatch:
    """One region's, through a client."""

    client: Any = field(repr=False)

    @classmethod
    def of(cls, where: aws.Where) -> Self:
        """That of a place, with the credentials of the environment. The client tries three times, and waits between."""
        return cls(aws.client("cloudwatch", where, PATIENCE))

    def minutes(self, metrics: Iterable[Metric], start: datetime, end: datetime) -> Figures:
        """The figures of the minutes from `start` to `end`, both whole minutes, all of them or an error.

        Raises UnreachableError where CloudWatch does not answer, is busy or has a part alone, CutoverError where it
        refuses.
        """
        asked = {f"m{number}": metric for number, metric in enumerate(dict.fromkeys(metrics))}
        figures: dict[Metric, dict[datetime, float]] = {metric: {} for metric in asked.values()}
        said = dict.fromkeys(asked, "left out")  # of several pages the last one says whether a result is whole
        with _said():
            for page in self.client.get_paginator("get_metric_data").paginate(
                MetricDataQueries=[_query(id_, metric) for id_, metric in asked.items()],
                StartTime=start,
                EndTime=end,
                ScanBy="TimestampAscending",
            ):
                for message in page.get("Messages", ()):
                    raise CutoverError(f"CloudWatch answers in part: {message.get('Code')}, {message.get('Value')}")
                for result in page["MetricDataResults"]:
                    figures[asked[result["Id"]]].update(zip(result["Timestamps"], result["Values"], strict=True))
                    said[result["Id"]] = result["StatusCode"]
        _require_whole({asked[id_]: code for id_, code in said.items()})
        return figures


def _query(id_: str, metric: Metric) -> dict[str, Any]:
    dimensions = [{"Name": name, "Value": value} for name, value in metric.dimensions]
    asked = {"Namespace": metric.namespace, "MetricName": metric.name, "Dimensions": dimensions}
    return {"Id": id_, "MetricStat": {"Metric": asked, "Period": PERIOD, "Stat": metric.statistic}}


def _require_whole(said: Mapping[Metric, str]) -> None:
    for metric, code in said.items():
        if code == "Forbidden":
            raise CutoverError(f"CloudWatch forbids {metric.name} of {metric.namespace}: {_RIGHT}")
        if code != "Complete":
            raise UnreachableError(
                f"CloudWatch has not all of {metric.name} of {metric.namespace} ({code}): look again in a minute"
            )


_RIGHT = "give who asks cloudwatch:GetMetricData, as the role web-next-on-call of bootstrap/ has it"


@contextmanager
def _said() -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

    try:
        yield
    except (ConnectionError, HTTPClientError) as error:
        raise UnreachableError(f"CloudWatch does not answer ({error}): look at the network and at proxies") from None
    except ClientError as error:
        code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"].get("HTTPStatusCode", 0)
        if code in _BUSY or status >= 500:
            raise UnreachableError(
                f"CloudWatch is busy ({code}), {PATIENCE.attempts} times: look again in a minute"
            ) from None
        why = f"{code} ({error.response['Error'].get('Message')})"
        raise CutoverError(f"CloudWatch refuses with {why}: {_RIGHT}") from None
    except BotoCoreError as error:
        raise CutoverError(f"CloudWatch: {error}; the credentials are those of the environment") from None
