"""Questions to the Prometheus of a docker stack."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Self

import httpx

from cutover.bounded import Bounded
from cutover.errors import CutoverError, UnreachableError

SECONDS = 5


class Series(NamedTuple):
    """The labels of one series, and its value at each moment of a range, None where it had none."""

    labels: Mapping[str, str]
    values: list[float | None]


@dataclass(frozen=True)
class Steps:
    """Moments at equal distances, from `start` on: `count` steps of `seconds`, to the millisecond."""

    start: datetime
    seconds: float
    count: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", self.start.replace(microsecond=self.start.microsecond // 1000 * 1000))
        object.__setattr__(self, "seconds", int(self.seconds * 1000) / 1000)

    @classmethod
    def between(cls, start: datetime, end: datetime, *, least: float, most: int) -> Self:
        """As many steps as fit, none shorter than `least` seconds and at most `most` of them, and one at least."""
        span = max((end - start).total_seconds(), least)
        count = max(1, min(most, int(span / least)))
        return cls(start, span / count, count)

    @property
    def end(self) -> datetime:
        """The last moment."""
        return self.start + timedelta(seconds=self.seconds * self.count)


@dataclass(frozen=True)
class Prometheus:
    """One server, asked by one client."""

    http: httpx.Client

    @classmethod
    @contextmanager
    def at(cls, url: str) -> Iterator[Self]:
        """The server at an address, for the block."""
        transport = Bounded(httpx.HTTPTransport(trust_env=False), SECONDS)
        with httpx.Client(base_url=url, timeout=SECONDS, trust_env=False, transport=transport) as http:
            yield cls(http)

    def query(self, expression: str, at: datetime | None = None) -> list[dict[str, Any]]:
        """The series that answer an instant query, now or at a moment. Raises UnreachableError where nothing answers,
        CutoverError where it is refused."""
        return self._asked("/api/v1/query", {"query": expression, **({"time": _time(at)} if at else {})})

    def range(self, expression: str, steps: Steps) -> list[Series]:
        """The series that answer a query at each moment of `steps`. Raises as `query` does."""
        asked = {"start": _time(steps.start), "end": _time(steps.end), "step": f"{steps.seconds:.3f}"}
        return [
            Series(found["metric"], _placed(found["values"], steps))
            for found in self._asked("/api/v1/query_range", {"query": expression, **asked})
        ]

    def _asked(self, path: str, parameters: Mapping[str, str]) -> list[dict[str, Any]]:
        try:
            document = self.http.get(path, params=dict(parameters)).json()
        except (httpx.HTTPError, ValueError) as error:
            raise UnreachableError(
                f"Prometheus at {self.http.base_url} does not answer ({type(error).__name__}: {error}): start it, "
                "make up brings the stack's own"
            ) from None
        if document.get("status") != "success":
            raise CutoverError(f"Prometheus refuses {parameters['query']!r}: {document.get('error')}")
        return list(document["data"]["result"])


def _time(moment: datetime) -> str:
    return f"{moment.timestamp():.3f}"


def _placed(values: list[list[Any]], steps: Steps) -> list[float | None]:
    placed: list[float | None] = [None] * (steps.count + 1)
    for at, value in values:
        placed[round((float(at) - steps.start.timestamp()) / steps.seconds)] = float(value)
    return placed
