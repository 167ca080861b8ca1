"""Asks one track through the edge, as a caller that it trusts: the gates leave these requests out."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import httpx

from cutover.rollout.phases import FlagValues
from cutover.smoke.pin import TRACK_HEADER, USER_AGENT
from outputs.release import Track
from rehearsal.stage import CRITERIA, Stage

ROUTES: dict[str, tuple[str, str, dict[str, Any] | None]] = dict(
    zip(
        CRITERIA,
        (
            ("POST", "/api/audit/list", {"limit": 1}),
            ("POST", "/api/evidence/zip", {"runId": "witness"}),
            ("GET", "/api/alerts/queue", None),
            ("GET", "/api/guardrails/read", None),
        ),
        strict=True,
    )
)
"""A route of each adapter, whose answer says whether the page shows a chip."""
LIMITED_SECONDS = 30


@dataclass(frozen=True)
class Witness:
    """A client of the base's edge."""

    http: httpx.Client

    @classmethod
    @contextmanager
    def of(cls, stage: Stage) -> Iterator[Self]:
        """A witness for the block."""
        trust = ssl.create_default_context(cafile=stage.authority)
        headers = {"user-agent": USER_AGENT}
        with httpx.Client(base_url=stage.url, verify=trust, timeout=10, headers=headers, trust_env=False) as http:
            yield cls(http)

    def chips(self, track: Track) -> list[str]:
        """The adapters of a track for which the page shows that its data is none."""
        found = []
        for adapter, (method, path, body) in ROUTES.items():
            if self._ask(track, method, path, body).json()["_mock"]:
                found.append(adapter)
        return found

    def version(self, track: Track) -> str:
        """The version of the release behind a track."""
        return str(self._ask(track, "GET", "/api/healthz").json()["version"])

    def flags(self, track: Track) -> FlagValues:
        """The flags in force on a track."""
        return FlagValues.of_parameter(self._ask(track, "GET", "/api/healthz").json()["flags"])

    def _ask(self, track: Track, method: str, path: str, body: dict[str, Any] | None = None) -> httpx.Response:
        """The answer of the track, once the edge does not limit this machine any more: the smoke suite fills it."""
        deadline = time.monotonic() + LIMITED_SECONDS
        while True:
            answer = self.http.request(method, path, json=body, headers={TRACK_HEADER: track})
            if answer.status_code != httpx.codes.TOO_MANY_REQUESTS or time.monotonic() > deadline:
                return answer.raise_for_status()
            time.sleep(0.5)
