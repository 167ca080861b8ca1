"""The client of the checks: every request is pinned to the track that is smoked, and remembered."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

import httpx

from cutover.edge_client import edge_client
from cutover.errors import NotPreparedError
from cutover.smoke.pin import ANSWERED_BY_EDGE, ANSWERED_BY_TRACK, TRACK_HEADER, USER_AGENT
from cutover.smoke.redaction import redacted
from outputs.shape import Shape
from outputs.smoke import SmokeTarget

if TYPE_CHECKING:
    import psycopg

TRACE = "x-trace-id"
LIMITED = "/api/"
"""Paths under it are limited by the edge."""
ALERTS = "/api/alerts/webhook"
"""The one among them that has a limit of its own."""


SECONDS = 10.0
_AWAY = (httpx.codes.BAD_GATEWAY, httpx.codes.GATEWAY_TIMEOUT)
"""What the edge says where the app does not answer; 503 is the app's own too."""


class CheckFailedError(Exception):
    """A check saw something other than what it must; the message says what."""


class AwayError(CheckFailedError):
    """Nobody answered, or the edge did in the app's place."""


class NotRunError(Exception):
    """A check cannot be made here; the message says why, and what would make it possible."""


def excerpt(answer: httpx.Response) -> str:
    """The begin of an answer's text. A secret is taken out before the text is cut: half of one has no form."""
    return redacted(answer.text)[:120]


@dataclass(frozen=True, kw_only=True)
class Sample(Shape):
    """One request of `check`: when it was sent and answered, in seconds since the run began, and the answer's status.
    `track` and `edge` are what the answer names; a 429 without an edge is a firewall's."""

    check: str
    method: str
    path: str
    sent: float
    received: float
    status: int
    track: str | None = None
    edge: str | None = None

    @property
    def limited(self) -> bool:
        """Whether a limiter has refused it."""
        return self.status == httpx.codes.TOO_MANY_REQUESTS

    @property
    def counted(self) -> bool:
        """Whether the edge's limit of the API has counted it."""
        return self.path.startswith(LIMITED) and self.path != ALERTS


@dataclass
class Samples:
    """The samples of a run, of all its checks: requests from one address fill one bucket. `keep` is given each.
    `headers` are those of the answers, and `traces` the trace ids that they were asked with, in the samples' order."""

    keep: Callable[[Sample], object] = lambda _sample: None
    taken: list[Sample] = field(default_factory=list)
    headers: list[httpx.Headers] = field(default_factory=list)
    traces: list[str | None] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, sample: Sample, headers: httpx.Headers, trace: str | None = None) -> None:
        with self._lock:
            self.taken.append(sample)
            self.headers.append(headers)
            self.traces.append(trace)
            self.keep(sample)

    def answers(self) -> list[tuple[Sample, httpx.Headers, str | None]]:
        """Each with its answer's headers and the trace id that it was asked with."""
        with self._lock:
            return list(zip(self.taken, self.headers, self.traces, strict=True))

    def limited_paths(self) -> list[Sample]:
        """Those that an edge's limiter has counted, in the order of their sending."""
        with self._lock:
            return sorted((each for each in self.taken if each.counted), key=lambda each: each.sent)


@dataclass
class Shared:
    """What several checks of a run need and one of them asks for: the answer of each path, or why there is none."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    answers: dict[str, dict[str, Any] | CheckFailedError] = field(default_factory=dict)
    away: bool = False
    """The app does not answer: whatever else goes through it can only say so again."""
    over: bool = False
    """The run has its report: a check that was left behind sends nothing more, and so comes to its end."""


@dataclass(kw_only=True)
class Probe:
    """The client as one check has it. `clock` gives seconds since the run began; `database` opens a connection to the
    audit database as its reader; `retried` says that what passed passed on a second try."""

    http: httpx.Client
    target: SmokeTarget
    check: str = ""
    clock: Callable[[], float]
    sleep: Callable[[float], None] = time.sleep
    samples: Samples = field(default_factory=Samples)
    shared: Shared = field(default_factory=Shared)
    database: Callable[[], AbstractContextManager[psycopg.Connection]] | None = None
    retried: bool = False

    @classmethod
    @contextmanager
    def of(cls, target: SmokeTarget, samples: Samples) -> Iterator[Self]:
        """A probe of the target's track, for the block. Raises NotPreparedError without its authority's certificate."""
        headers = {"user-agent": USER_AGENT, TRACK_HEADER: target.track}
        try:
            client = edge_client(target.edge, SECONDS, headers=headers)
        except OSError as error:
            raise NotPreparedError(
                f"{target.edge.authority} is no certificate authority ({error}): make up writes it"
            ) from None
        began = time.monotonic()
        with client as http:
            yield cls(http=http, target=target, clock=lambda: time.monotonic() - began, samples=samples)

    def for_check(self, name: str) -> Self:
        """The probe of one check."""
        return replace(self, check=name, retried=False)

    def send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """One request through the edge, under a trace id of its own where `headers` has none, whatever its answer.

        Raises CheckFailedError when there is none, and when it names another track than the one asked for.
        """
        if self.shared.over:
            raise NotRunError("the run is over")
        sent = self.clock()
        try:
            asked = {TRACE: f"smoke-{uuid.uuid4()}", **(headers or {})}
            answer = self.http.request(method, path, json=body, headers=asked)
        except httpx.HTTPError as error:
            raise AwayError(f"{method} {path}: no answer ({type(error).__name__}: {error})") from None
        track = answer.headers.get(ANSWERED_BY_TRACK)
        edge = answer.headers.get(ANSWERED_BY_EDGE)
        sample = Sample(
            check=self.check,
            method=method,
            path=redacted(path),
            sent=round(sent, 6),
            received=round(self.clock(), 6),
            status=answer.status_code,
            track=track,
            edge=edge,
        )
        self.samples.add(sample, answer.headers, asked[TRACE])
        if edge is not None and track != self.target.track:
            raise CheckFailedError(
                f"{method} {path}: answered by {track or 'no track'}, {self.target.track} was asked for: this caller's "
                "address is not in edge.trustedCallers, or the edge does not honour the pin"
            )
        if edge is None and not sample.limited:
            raise CheckFailedError(
                f"{method} {path}: {answer.status_code} without an X-Edge-Id: it did not come through the edge"
            )
        return answer

    def accepted(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        status: int = httpx.codes.OK,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """An answer of this status, waiting while the edge limits. Raises CheckFailedError on any other."""
        for _ in range(12):
            answer = self.send(method, path, body, headers=headers)
            if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
                break
            wait = answer.headers.get("retry-after", "")
            self.sleep(min(int(wait), 5) if wait.isdecimal() else 1)
        if answer.status_code != status:
            kind = AwayError if answer.status_code in _AWAY else CheckFailedError
            raise kind(f"{method} {path}: {answer.status_code} {excerpt(answer)!r}, {status} expected")
        return answer

    def ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        status: int = httpx.codes.OK,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """The JSON object of an answer of this status, waiting while the edge limits. Raises CheckFailedError on any
        other answer."""
        answer = self.accepted(method, path, body, status=status, headers=headers)
        try:
            document = answer.json()
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise CheckFailedError(f"{method} {path}: not a JSON object: {excerpt(answer)!r}")
        return document

    def once(self, path: str) -> dict[str, Any]:
        """What `ask` says of a GET, which is sent once a run, however many checks need it."""
        with self.shared.lock:
            if path not in self.shared.answers:
                try:
                    self.shared.answers[path] = self.ask("GET", path)
                except CheckFailedError as failure:
                    self.shared.answers[path] = failure
            known = self.shared.answers[path]
        if isinstance(known, CheckFailedError):
            raise type(known)(str(known))
        return known
