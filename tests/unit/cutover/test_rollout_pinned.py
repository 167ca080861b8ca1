"""Whether a track's release is there, by what the edge says of it; and what waits that it has accepted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from cutover.errors import UnreachableError
from cutover.rollout.pinned import Pinned
from tests.support.edge_double import TARGET

EDGE = replace(TARGET.edge, authority=None)


def told(monkeypatch: pytest.MonkeyPatch, answer: httpx.Response | httpx.HTTPError, track: str = "candidate") -> Pinned:
    def get(_client: httpx.Client, url: str) -> httpx.Response:
        assert url.startswith(EDGE.url)
        if isinstance(answer, httpx.HTTPError):
            raise answer
        answer.headers["x-edge-track"] = track
        return answer

    monkeypatch.setattr(httpx.Client, "get", get)
    return Pinned(EDGE, "candidate")


@pytest.mark.parametrize(
    ("answer", "there"),
    [
        (httpx.Response(200), True),
        (httpx.Response(502), False),
        (httpx.Response(503), False),
        (httpx.Response(504), None),
        (httpx.Response(500), None),
        (httpx.ReadTimeout("slow"), None),
        (httpx.ConnectError("no edge"), None),
    ],
)
def test_only_where_nobody_is_there_is_a_release_missing(
    monkeypatch: pytest.MonkeyPatch, answer: httpx.Response | httpx.HTTPError, there: bool | None
) -> None:
    assert told(monkeypatch, answer).answers() is there


def test_an_answer_of_the_other_track_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch, httpx.Response(200), track="stable").answers() is None


def test_what_waits_is_counted_by_the_queue_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch, httpx.Response(200, json={"pending": 3, "_mock": False})).undelivered() == 3


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, json={"pending": 0, "_mock": True}),
        httpx.Response(200, json={}),
        httpx.Response(502, text="no"),
        httpx.ReadTimeout("slow"),
    ],
)
def test_a_count_that_is_nobodys_is_none(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    with pytest.raises(UnreachableError):
        told(monkeypatch, answer).undelivered()
