"""Jobs of any producer: whatever their options, BullMQ makes jobs of them that end."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import pytest
from bullmq.backoffs import Backoffs

from webnext.alerts.foreign import job_of
from webnext.alerts.letter import letter_of
from webnext.alerts.production import _dead_letter
from webnext.alerts.queues import _dead_data, _job

QUEUE: Any = SimpleNamespace(backend=None, qualifiedName="bull:alerts:deliver", opts={})


def made(opts: Any, **fields: str) -> Any:
    return job_of(QUEUE, {"data": "{}", "opts": json.dumps(opts), "timestamp": "5", **fields}, "1")


def delay(job: Any, attempt: int) -> Any:
    return asyncio.run(Backoffs.calculate(job.opts["backoff"], attempt, None, job, None))


@pytest.mark.parametrize(
    ("backoff", "delays"),
    [
        ({"type": "jittered"}, [1000, 2000]),
        ({"type": "jittered", "delay": 500}, [500, 1000]),
        ({"type": "exponential", "delay": 300}, [300, 600]),
        ({"type": "fixed", "delay": 300}, [300, 300]),
        ({"type": "fixed", "delay": "300"}, [300, 300]),
        ({"type": "exponential"}, [1000, 2000]),
        ({"type": "fixed", "delay": -1}, [1000, 2000]),
        ({"type": ["fixed"], "delay": 7}, [7, 14]),
        (1500.5, [1500, 1500]),
        (700, [700, 700]),
        ("exponential", [1000, 2000]),
        ([], [None, None]),
        (None, [None, None]),
    ],
)
def test_a_backoff_that_bullmq_does_not_know_is_ours_with_the_delay_that_was_asked_for(
    backoff: Any, delays: list[int]
) -> None:
    job = made({"attempts": 3, "backoff": backoff})
    assert [delay(job, attempt) for attempt in (1, 2)] == delays


@pytest.mark.parametrize(
    ("attempts", "found"), [(3, 3), ("3", 3), (2.9, 2), (None, 1), ({}, 1), ("many", 1), (0, 1), ("inf", 1)]
)
def test_attempts_are_a_number(attempts: Any, found: int) -> None:
    assert made({"attempts": attempts}).opts["attempts"] == found
    assert made({}).opts["attempts"] == 1


@pytest.mark.parametrize(
    ("wish", "found"), [(True, True), (5, 5), ({"age": 60, "count": 1}, {"age": 60, "count": 1}), ("5", None)]
)
def test_a_wish_to_be_kept_is_one_that_bullmq_can_read(wish: Any, found: Any) -> None:
    assert made({"removeOnComplete": wish}).opts.get("removeOnComplete") == found


@pytest.mark.parametrize(("value", "found"), [("1500.5", 1500), ("soon", 0), ("", 0), ("1e3", 1000)])
def test_numbers_of_a_job_are_whole(value: str, found: int) -> None:
    assert made({}, delay=value).delay == found


@pytest.mark.parametrize(("opts", "data"), [("[]", "5"), ("{", "{"), ("null", '"text"')])
def test_what_is_no_object_is_no_obstacle(opts: str, data: str) -> None:
    job = job_of(QUEUE, {"data": data, "opts": opts, "timestamp": "5"}, "1")
    assert job.opts["attempts"] == 1


VALUES = [
    "", "garbage", "null", "[]", "{}", "12", "-1", "1e300", "1e18", "NaN", "[1,2]", "[null]", '"x"', '{"a":1}',
    '[{"at":1}]', '[["a"]]', '["{\\"at\\": 5}"]', "true", "1796017263675.1418", '{"parent":5}', '{"parent":{"id":1}}',
    '{"failParentOnFailure":1,"removeDependencyOnFailure":1}', '{"alert":{},"errors":[{"error":{}}]}',
    '{"alert":{},"errors":[{"at":{}}]}',
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES)
def test_whatever_a_field_holds_the_job_becomes_a_dead_letter(value: str) -> None:
    """Of all fields that BullMQ reads, each alone and beside an error that has no time."""
    fields = "data opts timestamp delay priority processedOn finishedOn ats attemptsMade atm stc stacktrace returnvalue"
    more = "failedReason parent parentKey rjk deid nrjid pb progress defa repeatJobKey name"
    for field in (*fields.split(), *more.split()):
        for beside in ({}, {"failedReason": "x", "finishedOn": "1700000000001"}):
            raw = {"name": "alert", "data": '{"alert": {"title": "x"}}', "timestamp": "5"} | beside | {field: value}
            letter = letter_of(job_of(QUEUE, raw, "7"))
            json.dumps(_job(letter, _dead_data(letter), {}), allow_nan=False)
            _dead_letter(letter).model_dump_json()


def test_what_another_worker_left_of_an_attempt_counts_where_it_is_text() -> None:
    job = made({}, stacktrace='["Error: a", null, 5]')
    assert [error["error"] for error in letter_of(job).errors] == ["Error: a"]
