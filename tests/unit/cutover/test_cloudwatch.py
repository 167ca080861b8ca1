"""Questions to CloudWatch: pages, parts, who refuses and who is busy; with botocore's own retries, and no wait."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any

import boto3
import botocore.endpoint
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import EndpointConnectionError

from cutover import aws
from cutover.cloudwatch import CloudWatch, Metric
from cutover.errors import CutoverError, UnreachableError
from tests.support.loopback_aws import loopback_aws
from tests.support.service_model import answer_problems

START = datetime(2026, 11, 29, 6, 0, tzinfo=UTC)
END = START + timedelta(minutes=3)
REQUESTS = Metric("AWS/ApplicationELB", "RequestCount", "Sum", (("LoadBalancer", "app/lb/1"),))
MOCKS = Metric("web-next-prod", "EdgeMock-stable", "Sum")


class Raw(BytesIO):
    """A body as botocore reads it."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        yield self.read()


class Wire:
    """Answers of the service in turn, as they come over the network, the last one again and again."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: tuple[int, dict[str, Any]] | Exception) -> None:
        self.sent, self.slept = 0, list[float]()
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
        monkeypatch.setattr(botocore.endpoint.time, "sleep", self.slept.append)
        cloudwatch = CloudWatch.of(aws.Account(region="eu-central-1"))
        cloudwatch.client.meta.events.register("before-send.cloudwatch.GetMetricData", self._send)
        self._answers = list(answers)
        self.cloudwatch = cloudwatch

    def asked(self) -> Any:
        return self.cloudwatch.minutes([REQUESTS, MOCKS], START, END)

    def _send(self, **_: Any) -> AWSResponse:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        self.sent += 1
        if isinstance(answer, Exception):
            raise answer
        status, document = answer
        if status == 200:
            assert answer_problems("cloudwatch", "GetMetricData", timed(document)) == []
        return AWSResponse("https://monitoring", status, {}, Raw(json.dumps(document).encode()))


def timed(document: dict[str, Any]) -> dict[str, Any]:
    """An answer with its times as times."""
    results = [
        {**result, "Timestamps": [datetime.fromtimestamp(at, UTC) for at in result["Timestamps"]]}
        for result in document["MetricDataResults"]
    ]
    return {**document, "MetricDataResults": results}


def result(id_: str, values: dict[int, float], code: str = "Complete") -> dict[str, Any]:
    """A result with a value at each of these minutes."""
    times = [(START + timedelta(minutes=minute)).timestamp() for minute in values]
    return {"Id": id_, "Label": id_, "Timestamps": times, "Values": list(values.values()), "StatusCode": code}


def answer(*results: dict[str, Any], **more: Any) -> tuple[int, dict[str, Any]]:
    return 200, {"MetricDataResults": list(results), **more}


def throttled() -> tuple[int, dict[str, Any]]:
    return 400, {"__type": "Throttling", "message": "Rate exceeded"}


WHOLE = answer(result("m0", {0: 5, 2: 7}), result("m1", {}))


def test_figures_come_by_minute_and_what_is_absent_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Wire(monkeypatch, WHOLE).asked() == {REQUESTS: {START: 5.0, START + timedelta(minutes=2): 7.0}, MOCKS: {}}


def test_pages_are_put_together_and_the_last_one_says_whether_they_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    first = answer(result("m0", {0: 5}, "PartialData"), result("m1", {}, "PartialData"), NextToken="more")
    wire = Wire(monkeypatch, first, answer(result("m0", {1: 6}), result("m1", {0: 1})))

    assert [len(figures) for figures in wire.asked().values()] == [2, 1]
    assert wire.sent == 2


@pytest.mark.parametrize(
    ("last", "why"),
    [
        (answer(result("m0", {0: 5}, "PartialData"), result("m1", {})), r"RequestCount of AWS/Appl.* \(PartialData\)"),
        (answer(result("m0", {0: 5}, "InternalError"), result("m1", {})), r"RequestCount of .* \(InternalError\)"),
        (answer(result("m0", {0: 5})), r"EdgeMock-stable of web-next-prod \(left out\)"),
    ],
)
def test_a_part_is_an_error_that_passes(
    monkeypatch: pytest.MonkeyPatch, last: tuple[int, dict[str, Any]], why: str
) -> None:
    with pytest.raises(UnreachableError, match=f"CloudWatch has not all of {why}: look again in a minute"):
        Wire(monkeypatch, last).asked()


@pytest.mark.parametrize(
    ("last", "why"),
    [
        (
            answer(result("m0", {}, "Forbidden"), result("m1", {})),
            "CloudWatch forbids RequestCount of AWS/ApplicationELB",
        ),
        (
            answer(result("m0", {}), result("m1", {}), Messages=[{"Code": "MaxMetricsExceeded", "Value": "500 only"}]),
            "CloudWatch answers in part: MaxMetricsExceeded, 500 only",
        ),
        (
            (403, {"__type": "AccessDenied", "message": "not you"}),
            r"refuses with AccessDenied \(not you\): give who asks",
        ),
    ],
)
def test_what_is_refused_is_said_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch, last: tuple[int, dict[str, Any]], why: str
) -> None:
    with pytest.raises(CutoverError, match=why) as caught:
        Wire(monkeypatch, last).asked()

    assert not isinstance(caught.value, UnreachableError)


def test_who_is_throttled_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire(monkeypatch, throttled(), throttled(), WHOLE)

    assert wire.asked()[REQUESTS][START] == 5.0
    assert (wire.sent, len(wire.slept)) == (3, 2)


@pytest.mark.parametrize("busy", [throttled(), (503, {"__type": "ServiceUnavailable"})])
def test_three_times_throttled_is_out_of_reach(
    monkeypatch: pytest.MonkeyPatch, busy: tuple[int, dict[str, Any]]
) -> None:
    wire = Wire(monkeypatch, busy)

    with pytest.raises(UnreachableError, match=r"CloudWatch is busy \(\w+\), 3 times: look again in a minute"):
        wire.asked()
    assert wire.sent == 3


def test_a_network_without_a_way_is_out_of_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Wire(monkeypatch, EndpointConnectionError(endpoint_url="https://monitoring"))

    with pytest.raises(UnreachableError, match="CloudWatch does not answer"):
        wire.asked()


def test_who_has_no_credentials_is_told_whose_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    client = boto3.Session().client("cloudwatch", region_name="eu-central-1")

    with pytest.raises(CutoverError, match=r"CloudWatch: .*; the credentials are those of the environment"):
        CloudWatch(client).minutes([REQUESTS], START, END)


def test_what_was_put_comes_back_by_its_minutes() -> None:
    metric = Metric("web-next-prod", "EdgeRequests-stable", "Sum")
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    with loopback_aws() as account:
        client = account.client("cloudwatch")
        for minute, value in ((3, 5.0), (3, 2.0), (2, 0.0)):
            at = now - timedelta(minutes=minute) + timedelta(seconds=7)
            data = [{"MetricName": metric.name, "Value": value, "Timestamp": at}]
            client.put_metric_data(Namespace=metric.namespace, MetricData=data)
        figures = CloudWatch(client).minutes([metric], now - timedelta(minutes=5), now)

    assert figures == {metric: {now - timedelta(minutes=3): 7.0, now - timedelta(minutes=2): 0.0}}
