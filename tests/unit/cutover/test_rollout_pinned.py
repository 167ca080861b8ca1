"""Whether a track's release is there, by what the edge says of it; and what waits that it has accepted."""

from __future__ import annotations

from http.client import HTTPException

import pytest

from cutover.errors import UnreachableError
from cutover.rollout.pinned import Pinned
from tests.support.edge_double import TARGET

Answer = tuple[int, bytes] | Exception


def told(monkeypatch: pytest.MonkeyPatch, answer: Answer) -> Pinned:
    def get(_pinned: Pinned, _path: str) -> tuple[int, bytes]:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(Pinned, "_get", get)
    return Pinned(TARGET.edge, "candidate")


@pytest.mark.parametrize(
    ("answer", "there"),
    [
        ((200, b""), True),
        ((502, b""), False),
        ((503, b""), False),
        ((504, b""), None),
        ((500, b""), None),
        (TimeoutError("slow"), None),
        (ConnectionRefusedError("no edge"), None),
        (HTTPException("another track"), None),
    ],
)
def test_only_where_nobody_is_there_is_a_release_missing(
    monkeypatch: pytest.MonkeyPatch, answer: Answer, there: bool | None
) -> None:
    assert told(monkeypatch, answer).answers() is there


def test_what_waits_is_counted_by_the_queue_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch, (200, b'{"pending": 3, "_mock": false}')).undelivered() == 3


@pytest.mark.parametrize(
    "answer", [(200, b'{"pending": 0, "_mock": true}'), (200, b"{}"), (502, b"no"), TimeoutError("slow")]
)
def test_a_count_that_is_nobodys_is_none(monkeypatch: pytest.MonkeyPatch, answer: Answer) -> None:
    with pytest.raises(UnreachableError):
        told(monkeypatch, answer).undelivered()
