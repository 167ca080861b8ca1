"""An alert as a job has it, ours or another producer's."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from webnext.alerts.letter import attempt, letter_of
from webnext.alerts.production import _dead_letter


def job(data: Any, stacktrace: list[str], reason: str | None = None, finished: int = 0) -> Any:
    return SimpleNamespace(
        id="1", data=data, stacktrace=stacktrace, failedReason=reason, timestamp=5, finishedOn=finished
    )


def test_a_job_of_ours_is_its_alert() -> None:
    entry = attempt("no answer")
    found = letter_of(job({"alert": {"text": "a"}, "traceId": "t"}, [entry, entry]))
    assert (found.alert, found.trace_id, found.created) == ({"text": "a"}, "t", 5)
    assert [list(error) for error in found.errors] == [["at", "error"]] * 2


@pytest.mark.parametrize(
    ("data", "alert"), [({"text": "a"}, {"text": "a"}), ({"alert": 1}, {"alert": 1}), (5, {"text": "5"})]
)
def test_any_other_job_is_an_alert_as_a_whole(data: Any, alert: dict[str, Any]) -> None:
    found = letter_of(job(data, ["Error: boom\n    at file:1"], "boom"))
    assert (found.alert, found.errors) == (alert, [{"at": None, "error": "Error: boom"}])
    assert letter_of(job(data, [], "stalled")).errors == [{"at": None, "error": "stalled"}]


def test_what_another_worker_gave_up_died_when_it_was_finished() -> None:
    found = letter_of(job({"text": "a"}, ["Error: boom", "Error: again"], finished=1772443800000))
    assert found.errors == [
        {"at": None, "error": "Error: boom"},
        {"at": "2026-03-02T09:30:00.000+00:00", "error": "Error: again"},
    ]


def test_errors_that_are_none_count_for_nothing() -> None:
    assert letter_of(job({"alert": {}, "errors": ["a", None, {"error": "b"}]}, [])).errors == [{"error": "b"}]


@pytest.mark.parametrize("bad", ["\ud800", "\x00"], ids=["half a pair", "NUL"])
@pytest.mark.parametrize("whole", [False, True])
def test_what_another_producer_put_there_and_nothing_can_hold_is_replaced(bad: str, whole: bool) -> None:
    alert = {"title": f"a{bad}", f"b{bad}": [float("inf"), 10**400]}
    data: dict[str, Any] = alert if whole else {"alert": alert, "errors": [{"error": f"c{bad}"}]}
    found = letter_of(job(data | {"traceId": f"t{bad}" * 500}, [f"Error: d{bad}"]))

    assert bad not in json.dumps(found, ensure_ascii=False)
    shown = _dead_letter(found)
    assert (shown.title, shown.lastError) == ("a\ufffd", "Error: d\ufffd" if whole else "c\ufffd")
    assert len(shown.traceId or "") == 200
    shown.model_dump_json().encode()
