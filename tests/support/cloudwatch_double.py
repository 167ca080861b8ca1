"""A CloudWatch that has been told what happened in each minute, behind botocore's own client.

Requests and answers are held against the service's published model.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3

from cutover.cloudwatch import CloudWatch
from cutover.gates.balanced import Balanced
from cutover.gates.on_aws import TrackMetrics
from outputs.log_figures import LogFigure
from outputs.release import Track
from outputs.traffic import FargateTraffic
from tests.support.service_model import answer_problems, problems

MINUTE = timedelta(minutes=1)
_ARN = "arn:aws:elasticloadbalancing:eu-central-1:123456789012"
TRAFFIC = FargateTraffic(
    region="eu-central-1",
    listener=f"{_ARN}:listener/app/web-next-prod/50dc6c495c0c9188/f2f7dc8efc522ab2",
    stable=f"{_ARN}:targetgroup/web-next-prod-stable/73e2d6bc24d8a067",
    candidate=f"{_ARN}:targetgroup/web-next-prod-candidate/0dc6c495c0c91880",
)
TRACKS: tuple[Track, ...] = ("stable", "candidate")


@dataclass
class Minute:
    """What a track had in a minute. Its users sent `users` requests, and smoke and refused callers `others`, all of
    which were answered with 200, but for `failed` with 5xx and `limited` with 429, and for `killed`, whom nobody
    answered and no line tells of, and `given_up` and `left` after and before 0.9 s. `slow` have the seconds of the
    answers that did not take 50 ms. `log` is further figures of the log, `lost` are lines that are not in it."""

    users: int = 100
    others: int = 0
    failed: int = 0
    limited: int = 0
    killed: int = 0
    given_up: int = 0
    left: int = 0
    slow: list[float] = field(default_factory=list)
    log: dict[LogFigure, int] = field(default_factory=dict)
    lost: int = 0
    tasks: int = 2

    def figure(self, name: str, statistic: str) -> float | None:
        """What CloudWatch has of it; None where it has nothing."""
        unanswered = self.killed + self.given_up + self.left
        answered = self.users + self.others - unanswered
        if name == "HealthyHostCount":
            return self.tasks
        if name == "RequestCount":
            return self.users + self.others or None
        if name == "TargetResponseTime":
            if statistic == "Maximum":
                return max(self.slow, default=0.05) if answered else None
            beyond = re.fullmatch(r"TC\(([\d.]+):\)", statistic)
            assert beyond or statistic == "SampleCount", statistic
            found = sum(each > float(beyond[1]) for each in self.slow) if beyond else answered
            return found if answered else None
        if name.startswith("HTTPCode_Target_"):
            of = {"4XX": self.limited, "5XX": self.failed, "2XX": answered - self.failed - self.limited}
            return of.get(name.removeprefix("HTTPCode_Target_").removesuffix("_Count")) or None
        figure = LogFigure(name.rpartition("-")[0])
        own = {
            LogFigure.REQUESTS: self.users - self.killed - self.lost,
            LogFigure.OTHERS: self.others,
            LogFigure.LIMITED: self.limited,
            LogFigure.LEFT: self.left,
        }
        return self.log.get(figure, own.get(figure, 0))


@dataclass
class Cloud:
    """Minutes by track and number since `began`, all alike until one is changed. `now` is the time; figures come
    `late` after the end of their minute. `absent` says which are not there, by metric or by statistic. `pages` is how
    many points an answer has, `codes` has a result's status on its last page."""

    began: datetime
    now: datetime
    late: timedelta = timedelta(0)
    absent: Callable[[str, int], bool] = lambda _name, _number: False
    pages: int = 100_800
    codes: dict[str, str] = field(default_factory=dict)
    asked: list[dict[str, Any]] = field(default_factory=list)
    minutes: dict[tuple[Track, int], Minute] = field(default_factory=dict)
    traffic: FargateTraffic = TRAFFIC
    each: dict[Track, Minute] = field(default_factory=lambda: {track: Minute() for track in TRACKS})

    def at(self, track: Track, *numbers: int, **changes: Any) -> None:
        """Changes these minutes of a track, all without numbers."""
        if not numbers:
            self.each[track] = Minute(**changes)
        self.minutes |= {(track, number): Minute(**changes) for number in numbers}

    def source(self) -> Balanced:
        """The gates' source over it."""
        client = boto3.client(
            "cloudwatch", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b"
        )
        told: list[dict[str, Any]] = []
        events = client.meta.events
        events.register("before-parameter-build.cloudwatch.GetMetricData", lambda params, **_: told.append(params))
        events.register("before-call.cloudwatch.GetMetricData", lambda **_: self._answered(told[-1]))
        tracks = {track: TrackMetrics(track, "web-next-prod", self._group(track)) for track in TRACKS}
        return Balanced(CloudWatch(client), tracks, lambda: self.now)

    def _answered(self, asked: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        self.asked.append(asked)
        answer = self._answer(asked)
        assert problems("cloudwatch", "GetMetricData", asked) == []
        assert answer_problems("cloudwatch", "GetMetricData", answer) == []
        return SimpleNamespace(status_code=200), {**answer, "ResponseMetadata": {"HTTPStatusCode": 200}}

    def _answer(self, asked: dict[str, Any]) -> dict[str, Any]:
        assert asked["StartTime"].second == asked["EndTime"].second == 0, "whole minutes"
        first = int(asked.get("NextToken", 0))
        points = [
            (query["Id"], at, value)
            for query in asked["MetricDataQueries"]
            for at, value in self._series(query["MetricStat"], asked["StartTime"], asked["EndTime"])
        ]
        page, more = points[first : first + self.pages], len(points) > first + self.pages
        results = []
        for query in asked["MetricDataQueries"]:
            own = [(at, value) for id_, at, value in page if id_ == query["Id"]]
            code = "PartialData" if more else self.codes.get(query["MetricStat"]["Metric"]["MetricName"], "Complete")
            results.append(
                {
                    "Id": query["Id"],
                    "Label": query["MetricStat"]["Metric"]["MetricName"],
                    "Timestamps": [at for at, _ in own],
                    "Values": [value for _, value in own],
                    "StatusCode": code,
                }
            )
        token = {"NextToken": str(first + self.pages)} if more else {}
        return {"MetricDataResults": results, **token}

    def _series(self, stat: Mapping[str, Any], start: datetime, end: datetime) -> Iterator[tuple[datetime, float]]:
        name, period = stat["Metric"]["MetricName"], stat["Period"]
        assert period == 60
        at = start
        while at < end:
            number = int((at - self.began) / MINUTE)
            value = self._minute(stat["Metric"], number).figure(name, stat["Stat"])
            there = at + MINUTE + self.late <= self.now and not (
                self.absent(name, number) or self.absent(stat["Stat"], number)
            )
            if value is not None and there:
                yield at, float(value)
            at += MINUTE

    def _minute(self, metric: Mapping[str, Any], number: int) -> Minute:
        named = {each["Name"]: each["Value"] for each in metric["Dimensions"]}
        for track in TRACKS:
            if named == dict(self._group(track)) and metric["Namespace"] == "AWS/ApplicationELB":
                return self.minutes.get((track, number), self.each[track])
            if not named and metric["Namespace"] == "web-next-prod" and metric["MetricName"].endswith(f"-{track}"):
                return self.minutes.get((track, number), self.each[track])
        raise AssertionError(f"nobody has {metric}")

    def _group(self, track: Track) -> tuple[tuple[str, str], ...]:
        return tuple(self.traffic.dimensions(track).items())
