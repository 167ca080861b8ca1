"""The rule of the log: figures that alarms read there where nobody asks for metrics."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from cutover.conformance.image import Image, Number, SkippedError, demand, says_mock

QUEUE, AUDIT = "/api/alerts/queue", "/api/audit/list"
FIGURES = {"oldestAlertSeconds": QUEUE, "deadLetters": QUEUE, "outboxPending": QUEUE, "spooledEntries": AUDIT}
"""By their keys, with the path whose answers tell whether their adapter is a mock: nothing waits for one."""


def log_figures(image: Image) -> str:
    """Each figure of an adapter that is no mock is a number, at the top level of a line. Raises SkippedError without a
    log, BrokenError."""
    if image.log is None:
        raise SkippedError("no log given: --log")
    mocks = {answer.request.url.path for answer in image.answers if says_mock(answer)}
    asked = [name for name, path in FIGURES.items() if path not in mocks]
    if not asked:
        raise SkippedError("queue and audit are mocks, for which nothing waits")
    lines = list(_objects(image.log))
    for name in asked:
        values = [line[name] for line in lines if name in line]
        demand(bool(values), f"{name} is on none of {len(lines)} lines")
        wrong = [value for value in values if not _is_figure(value)]
        demand(not wrong, f"{name} is {wrong[:1]}, a number of 0 or more expected")
    return ", ".join(asked)


def _is_figure(value: Any) -> bool:
    return isinstance(value, Number) and not isinstance(value, bool) and value >= 0


def _objects(log: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The lines that are JSON objects; what else a container says is not the contract's."""
    for line in log:
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            yield value
