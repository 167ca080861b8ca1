"""The client that the checks share."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

from cutover.errors import NotPreparedError
from cutover.smoke.limiter import Observation
from outputs.release import SmokeTarget

USER_AGENT = "web-next-smoke"
TRACK_HEADER = "X-Web-Next-Track"
"""Asks the edge for one track, whatever the weight; it listens to trusted callers only."""


class CheckFailedError(Exception):
    """A check saw something other than what it must; the message says what."""


@dataclass(kw_only=True)
class Probe:
    """The client the checks share. It remembers every limited request, because all of them fill one bucket."""

    http: httpx.Client
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    observations: list[Observation] = field(default_factory=list)

    @classmethod
    @contextmanager
    def of(cls, target: SmokeTarget) -> Iterator[Self]:
        """A probe of the target's track, for the block. Raises NotPreparedError without its authority's certificate."""
        try:
            trust = ssl.create_default_context(cafile=target.edge.authority)
        except OSError as error:
            raise NotPreparedError(
                f"{target.edge.authority} is no certificate authority ({error}): make up writes it"
            ) from None
        headers = {"user-agent": USER_AGENT, TRACK_HEADER: target.track}
        with httpx.Client(base_url=target.edge.url, verify=trust, timeout=10, headers=headers, trust_env=False) as http:
            yield cls(http=http)

    def send(self, method: str, path: str, body: Mapping[str, Any] | None = None, **headers: str) -> httpx.Response:
        """One request, whatever its answer. Raises CheckFailedError when there is none."""
        sent = self.clock()
        try:
            answer = self.http.request(method, path, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise CheckFailedError(f"{method} {path}: no answer ({type(error).__name__}: {error})") from None
        limited = answer.status_code == httpx.codes.TOO_MANY_REQUESTS
        self.observations.append(Observation(sent=sent, received=self.clock(), limited=limited))
        return answer

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, **headers: str) -> dict[str, Any]:
        """The JSON object of a 200, waiting while the edge limits. Raises CheckFailedError on any other answer."""
        for _ in range(12):
            answer = self.send(method, path, body, **headers)
            if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
                break
            wait = answer.headers.get("retry-after", "")
            self.sleep(int(wait) if wait.isdecimal() else 1)
        if answer.status_code != httpx.codes.OK:
            raise CheckFailedError(f"{method} {path}: {answer.status_code} {answer.text[:120]!r}, 200 expected")
        try:
            document = answer.json()
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise CheckFailedError(f"{method} {path}: not a JSON object: {answer.text[:120]!r}")
        return document
