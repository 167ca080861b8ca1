"""The alarms of the fargate runtime: what is down, and whether somebody hears of it, minute by minute."""

from __future__ import annotations

import asyncio
import json
import operator
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any, cast

import pytest

from infra.runtime.fargate.balancer import TRACKS
from infra.runtime.fargate.metrics import BY_EDGE
from infra.runtime.fargate.work import DEAD, OLDEST, PENDING, SPOOLED
from outputs.log_figures import LogFigure
from outputs.release import Track
from outputs.traffic import FargateTraffic
from tests.support.filter_pattern import matches
from tests.support.log_line import log_line
from tests.unit.infra.configs import BASE, FARGATE, changed, without
from tests.unit.infra.parts import run
from tests.unit.infra.recorder import Recording
from webnext.alerts import redis
from webnext.alerts.outbox import Counts
from webnext.alerts.queues import Depth
from webnext.alerts.reconciler import Reconciler
from webnext.audit.replay import Replayer
from webnext.dependency import AwayError
from webnext.logs import JsonFormatter

ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
FILTER = "aws:cloudwatch/logMetricFilter:LogMetricFilter"
Minute = Mapping[str, float]
"""What CloudWatch has of a minute: metric → value. A count of nothing is no datum."""
ERRORS, REQUESTS, BALANCER, HOSTS = (
    "HTTPCode_Target_5XX_Count",
    "RequestCount",
    "HTTPCode_ELB_5XX_Count",
    "HealthyHostCount",
)
FALLBACKS = {
    "audit": LogFigure.MOCK_AUDIT,
    "evidence": LogFigure.MOCK_EVIDENCE,
    "queue": LogFigure.MOCK_QUEUE,
    "guardrails": LogFigure.MOCK_GUARDRAILS,
}
AWAY = [figure for figure in LogFigure if figure.startswith("Away")]
WELL: Minute = {
    REQUESTS: 1000,
    HOSTS: 2,
    "TargetResponseTime": 0.2,
    SPOOLED: 0,
    **{figure.of("stable"): 0 for figure in (*FALLBACKS.values(), *AWAY)},
}
WORKS: Minute = {"RunningTaskCount": 1, OLDEST: 0, DEAD: 0, PENDING: 0}
CANDIDATE = changed(without(FARGATE, "zones"), track="candidate", base="prod")
MOCKS = dict.fromkeys(FALLBACKS, "mock")
WATCHS = ("no-ticks", "candidate-used", "rollout-held")
"""The halves of the watch's alarm, and the one on a hold: test_fargate_watch.py."""
WORK = ("worker-", "alerts-", "dead-")
"""How the names of the alarms on the worker begin."""


@pytest.fixture
def prod() -> Recording:
    return run(FARGATE)


def alarms(declared: Recording) -> dict[str, dict[str, Any]]:
    named = {re.sub("^web-next-(test|prod)-", "", one.inputs["name"]): one.inputs for one in declared.of(ALARM)}
    others = ("database-", "queues-", "audit-partition-", *WATCHS)
    return {name: alarm for name, alarm in named.items() if not name.startswith(others)}


def value(alarm: Mapping[str, Any], minute: Minute) -> float | None:
    """What an alarm watches, of one minute; None without a datum."""
    if "metricQueries" not in alarm:
        return minute.get(alarm["metricName"])
    *metrics, result = alarm["metricQueries"]
    known = {one["id"]: minute.get(one["metric"]["metricName"]) for one in metrics}
    if result["expression"].split(" + ") == list(known):
        return None if None in known.values() else sum(each or 0 for each in known.values())
    expression = re.sub(r"FILL\((\w+), (\d+)\)", lambda found: str(known[found[1]] or found[2]), result["expression"])
    if any(known[name] is None for name in re.findall(r"\b(?:errors|requests)\b", expression)):
        return None
    condition, share, otherwise = re.fullmatch(r"IF\((.*), (.*), (.*)\)", expression).groups()  # type: ignore[union-attr]
    return float(eval(share if eval(condition, {}, known) else otherwise, {}, known))


def fires(alarm: Mapping[str, Any], minutes: Sequence[Minute]) -> bool:
    """Whether it does at the end of these minutes, the last of its own."""
    assert alarm.get("period", 60) == 60
    beyond = {
        "GreaterThanThreshold": operator.gt,
        "GreaterThanOrEqualToThreshold": operator.ge,
        "LessThanThreshold": operator.lt,
    }[alarm["comparisonOperator"]]
    seen = [value(alarm, minute) for minute in minutes[-int(alarm["evaluationPeriods"]) :]]
    assert len(seen) == alarm["evaluationPeriods"]
    silence, threshold = alarm["treatMissingData"] == "breaching", alarm["threshold"]
    found = sum(silence if each is None else beyond(each, threshold) for each in seen)
    return bool(found >= alarm.get("datapointsToAlarm", len(seen)))


def heard(declared: Recording, *, stable: Minute = WELL, worker: Minute = WORKS) -> set[str]:
    """The alarms that fire after ten minutes of this."""
    return {
        name
        for name, alarm in alarms(declared).items()
        if not name.startswith("candidate-") and fires(alarm, [worker if name.startswith(WORK) else stable] * 10)
    }


def but(minute: Minute, **changes: float | None) -> Minute:
    names = {"errors": ERRORS, "requests": REQUESTS, "balancer": BALANCER, "hosts": HOSTS}
    joined = {**minute, **{names[name]: changes[name] for name in changes}}
    return {name: each for name, each in joined.items() if each is not None}


@pytest.mark.parametrize(
    ("stable", "names"),
    [
        (WELL, set()),
        (but(WELL, errors=200), {"stable-errors"}),
        (but(WELL, hosts=0, requests=None, balancer=50), {"balancer-errors", "stable-hosts"}),
        ({}, {"stable-hosts"}),
        (but(WELL, requests=900, balancer=100), {"balancer-errors"}),
        (but(WELL, requests=12, errors=12), {"stable-errors"}),
        ({**WELL, "TargetResponseTime": 3}, {"stable-slow"}),
    ],
    ids=[
        "all is well",
        "a fifth fails",
        "no task is healthy and people ask",
        "nothing is there and nobody asks",
        "a candidate with a tenth of the traffic is gone",
        "all of a single tab fails",
        "slow",
    ],
)
def test_each_way_of_being_down_is_heard_by_name(prod: Recording, stable: Minute, names: set[str]) -> None:
    assert heard(prod, stable=stable) == names


def test_errors_that_a_stranger_can_cause_end_no_deployment(prod: Recording) -> None:
    assert heard(prod, stable=but(WELL, errors=40)) == set(), "40 a minute are 4 % of what is answered"
    assert heard(prod, stable=but(WELL, requests=1, errors=1)) == set(), "one of one is no outage"


@pytest.mark.parametrize(("tasks", "least", "silent"), [(0, 1, False), (1, 1, True), (1, 2, False), (None, 1, False)])
def test_a_worker_that_is_gone_or_too_small_is_heard(tasks: int | None, least: int, silent: bool) -> None:
    declared = run(changed(FARGATE, fargate={"workerTasks": least}))

    minute = {name: each for name, each in {**WORKS, "RunningTaskCount": tasks}.items() if each is not None}
    assert heard(declared, worker=minute) == (set() if silent else {"worker-tasks"})


@pytest.mark.parametrize(
    ("figures", "names"),
    [
        ({OLDEST: 299, PENDING: 99}, set()),
        ({OLDEST: 300}, {"alerts-late"}),
        ({PENDING: 100}, {"alerts-backlog"}),
        ({DEAD: 1}, {"dead-letters"}),
    ],
)
def test_what_a_worker_is_behind_with_is_heard(prod: Recording, figures: Minute, names: set[str]) -> None:
    assert heard(prod, worker={**WORKS, **figures}) == names


def test_a_spool_that_nobody_empties_for_five_minutes_is_heard(prod: Recording) -> None:
    assert heard(prod, stable={**WELL, SPOOLED: 1}) == {"audit-spooled"}
    assert fires(alarms(prod)["audit-spooled"], [WELL] * 5 + [{**WELL, SPOOLED: 1}] * 5)


@pytest.mark.parametrize("adapter", FALLBACKS)
def test_a_fallback_that_answers_in_five_minutes_of_ten_is_heard_on_either_track(prod: Recording, adapter: str) -> None:
    both = alarms(prod) | alarms(run(CANDIDATE))
    for track in TRACKS:
        alarm = both[f"{track}-fallback-{adapter}"]
        once = {FALLBACKS[adapter].of(track): 1}
        assert fires(alarm, [WELL] * 5 + [once] * 5)
        assert fires(alarm, [once, {}] * 5), "who asks every other minute"
        assert not fires(alarm, [WELL] * 6 + [once] * 4)
    stable = {**WELL, FALLBACKS[adapter].of("stable"): 1}
    assert heard(prod, stable=stable) == {f"stable-fallback-{adapter}"}


def test_pushes_that_the_executor_keeps_are_heard(prod: Recording) -> None:
    line = json.loads(log_line(uri="/api/audit/push", request_method="POST", status=200, mock="true"))
    counted = {figure.of("stable"): 1 for figure, pattern in BY_EDGE.items() if matches(f"{{ {pattern} }}", line)}

    assert heard(prod, stable={**WELL, **counted, REQUESTS: 1000}) == {"stable-fallback-audit"}


@pytest.mark.parametrize("figure", AWAY)
def test_whatever_does_not_answer_the_app_for_five_minutes_is_heard(prod: Recording, figure: LogFigure) -> None:
    assert heard(prod, stable={**WELL, figure.of("stable"): 2}) == {"stable-away"}
    assert fires(alarms(prod)["candidate-away"], [{each.of("candidate"): each == figure for each in AWAY}] * 10)


@pytest.mark.parametrize("adapter", FALLBACKS)
def test_a_mock_is_no_fallback(adapter: str) -> None:
    declared = run(changed(FARGATE, adapters={adapter: "mock"}))

    assert {name.rpartition("-")[2] for name in alarms(declared) if "-fallback-" in name} == FALLBACKS.keys() - {
        adapter
    }


@pytest.mark.parametrize("stable", [{}, MOCKS], ids=["stable is real", "stable is mock"])
@pytest.mark.parametrize("candidate", [{}, MOCKS, {"audit": "mock"}], ids=["real", "mock", "some"])
def test_each_tracks_own_adapters_say_what_is_a_fallback_of_it(
    stable: dict[str, str], candidate: dict[str, str]
) -> None:
    base, on_it = run(changed(FARGATE, adapters=stable)), run(changed(CANDIDATE, adapters=candidate))

    for declared, track, mocks in ((base, "stable", stable), (on_it, "candidate", candidate)):
        found = {name for name in alarms(declared) if "-fallback-" in name}
        assert found == {f"{track}-fallback-{each}" for each in FALLBACKS.keys() - set(mocks)}


@pytest.mark.parametrize(
    ("queue", "tasks", "names"),
    [
        ("production", 1, {"candidate-alerts-late"}),
        ("production", 0, {"candidate-alerts-late", "candidate-worker-tasks"}),
        ("mock", 1, set()),
        ("mock", 0, {"candidate-worker-tasks"}),
    ],
)
def test_a_candidates_worker_that_is_gone_or_says_nothing_is_heard(queue: str, tasks: int, names: set[str]) -> None:
    """While stable is on mocks the candidate's alone delivers."""
    found = alarms(run(changed(CANDIDATE, adapters={"queue": queue})))
    worker = {name: each for name, each in found.items() if name.startswith(("candidate-worker", "candidate-alerts"))}

    assert {name for name, each in worker.items() if fires(each, [{"RunningTaskCount": tasks}] * 10)} == names
    assert {name for name, each in worker.items() if fires(each, [WORKS] * 10)} == set()


def test_a_candidates_alarms_are_the_bases_by_name_topic_and_metrics_and_are_made_after_its_services() -> None:
    declared = run(CANDIDATE)
    told, component = BASE["slots"]["candidate"]["alarms"], declared.one("web-next:fargate:StandingAlarms")

    assert {one.urn for one in declared.of("aws:ecs/service:Service")} <= component.depends_on
    for one in declared.of(ALARM):
        assert one.inputs["name"].startswith(f"{told['prefix']}-candidate-")
        assert one.inputs["alarmActions"] == one.inputs["okActions"] == [told["topic"]]
        assert one.inputs["namespace"] in (told["namespace"], "ECS/ContainerInsights")
    (worker,) = (one for one in declared.of(ALARM) if one.inputs["name"].endswith("worker-tasks"))
    assert worker.inputs["dimensions"] == {"ClusterName": "web-next-prod", "ServiceName": "candidate-worker"}


@pytest.mark.parametrize(("queue", "names"), [("production", {"alerts-late"}), ("mock", set())])
def test_a_worker_that_runs_and_says_nothing_is_heard_where_it_delivers(queue: str, names: set[str]) -> None:
    declared = run(changed(FARGATE, adapters={"queue": queue}))

    assert heard(declared, worker={"RunningTaskCount": 1}) == names


def written(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    """The lines of app and worker as they go to standard output, in one."""
    lines = [json.loads(JsonFormatter().format(record)) for record in caplog.records if record.msg == "measured"]
    return {key: value for line in lines for key, value in line.items()}


@pytest.mark.parametrize(("oldest", "says"), [(None, 7.5), (9.0, 9.0)], ids=["in Redis alone", "a row that Redis lost"])
def test_the_figures_are_taken_out_of_the_lines_that_worker_and_app_write(
    prod: Recording, caplog: pytest.LogCaptureFixture, oldest: float | None, says: float
) -> None:
    caplog.set_level("INFO")
    queues = SimpleNamespace(depths=partial(answered, {"deliver": Depth(2, 1, 0, 7.5), "dlq": Depth(3, 0, 0, 90.0)}))
    outbox = SimpleNamespace(counts=partial(answered, Counts(pending=4, dead=3, oldest=oldest)))
    asyncio.run(Reconciler(cast("Any", outbox), cast("Any", queues), redis.dependency(1)).measure())
    asyncio.run(Replayer(cast("Any", Away()), cast("Any", None), cast("Any", Spool())).replay())
    line = written(caplog)
    filters = [one.inputs for one in prod.of(FILTER) if one.name.startswith("work-")]

    for one in filters:
        figure = one["metricTransformation"]["name"]
        assert one["pattern"] == f"{{ $.{figure} >= 0 }}"
        assert one["metricTransformation"]["value"] == f"$.{figure}"
    found = {one["metricTransformation"]["name"]: line[one["metricTransformation"]["name"]] for one in filters}
    assert found == {OLDEST: says, DEAD: 3, PENDING: 4, SPOOLED: 2}
    groups = {(one["metricTransformation"]["name"], one["logGroupName"].rpartition("/")[2]) for one in filters}
    assert groups == {
        *((name, part) for name in (OLDEST, DEAD, PENDING) for part in ("stable-worker", "candidate-worker")),
        *((SPOOLED, part) for part in ("stable-app", "candidate-app")),
    }, "whichever track delivers"


async def answered(answer: Any) -> Any:
    return answer


class Away:
    """A Postgres that nobody reaches."""

    dependency = SimpleNamespace(is_open=True)

    async def run(self, *_: Any, **__: Any) -> None:
        raise AwayError("postgres", "nobody answers")


class Spool:
    """Two objects that wait."""

    async def pages(self) -> AsyncIterator[list[str]]:
        yield ["a", "b"]


def test_what_must_be_there_is_watched_once_it_is(prod: Recording) -> None:
    standing = [one for one in prod.of(ALARM) if one.name.startswith("standing-")]
    component = prod.one("web-next:fargate:StandingAlarms")
    services = {one.urn for one in prod.of("aws:ecs/service:Service")}
    ends_a_deployment = prod.one("aws:ecs/service:Service", "stable").inputs["alarms"]["alarmNames"]

    assert {one.inputs["name"] for one in standing if one.inputs["treatMissingData"] == "breaching"} == {
        "web-next-test-alerts-late",
        "web-next-test-stable-hosts",
        "web-next-test-worker-tasks",
    }
    assert {one.parent for one in standing} == {component.urn}
    assert services <= component.depends_on, "its alarms are registered after it"
    assert ends_a_deployment == ["web-next-test-stable-errors"], "before the first task nobody is healthy"


@pytest.mark.parametrize("track", ["stable", "candidate"])
def test_each_track_is_watched_at_its_own_target_group_and_gates_go_by_the_same(prod: Recording, track: Track) -> None:
    of_track = {"TargetGroup": f"targetgroup/balancer-{track}/1", "LoadBalancer": "app/lb/1"}
    found = alarms(prod)
    gates = FargateTraffic.from_output(prod.outputs["traffic"]).dimensions(track)

    assert found[f"{track}-slow"]["dimensions"] == of_track == gates
    assert found[f"{track}-slow"]["extendedStatistic"] == "p95"
    errors, requests, _ = found[f"{track}-errors"]["metricQueries"]
    assert errors["metric"] == {
        "metricName": ERRORS,
        "namespace": "AWS/ApplicationELB",
        "dimensions": of_track,
        "stat": "Sum",
        "period": 60,
    }
    assert requests["metric"] == {**errors["metric"], "metricName": REQUESTS}


def test_cloudwatch_is_told_which_one_query_of_a_formula_it_is(prod: Recording) -> None:
    formulas = [alarm["metricQueries"] for alarm in alarms(prod).values() if "metricQueries" in alarm]

    assert len(formulas) == 5
    for queries in formulas:
        told = [query["returnData"] for query in queries]
        assert told == [False] * (len(queries) - 1) + [True], "left out it would be true"


def test_every_alarm_is_heard_when_it_fires_and_when_it_ends(prod: Recording) -> None:
    for name, alarm in alarms(prod).items():
        assert alarm["alarmActions"] == alarm["okActions"] != [], name
        assert len(alarm["alarmDescription"]) > 40, name
