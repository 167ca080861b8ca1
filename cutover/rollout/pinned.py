"""One track of the edge, whatever the weight: asked briefly, as a caller whom the edge trusts."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Any

import httpx

from cutover.errors import UnreachableError
from cutover.smoke.pin import ANSWERED_BY_TRACK, TRACK_HEADER, USER_AGENT
from outputs.release import Track
from outputs.smoke import EdgeSummary

SECONDS = 1.0
_NOBODY = (httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE)
"""What an edge or a balancer says at once where there is nothing to send a request to."""


@dataclass(frozen=True)
class Pinned:
    """The release of `track` behind `edge`."""

    edge: EdgeSummary
    track: Track

    def answers(self) -> bool | None:
        """Whether the release answers; False only where the edge says that nobody is there, None where nothing has
        said anything in time: what is slow may still be there."""
        try:
            answer = self._get("/healthz")
        except httpx.HTTPError:
            return None
        return False if answer.status_code in _NOBODY else answer.is_success or None

    def undelivered(self) -> int:
        """How many alerts wait that it has accepted. Raises UnreachableError."""
        try:
            counts: dict[str, Any] = self._get("/api/alerts/queue").json()
            if counts["_mock"]:
                raise UnreachableError(f"the queues of {self.track} cannot be counted: its Redis does not answer")
            return int(counts["pending"])
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise UnreachableError(f"{self.track} does not say what waits in its queues ({error!r})") from None

    def _get(self, path: str) -> httpx.Response:
        trust = ssl.create_default_context(cafile=self.edge.authority)
        headers = {"user-agent": USER_AGENT, TRACK_HEADER: self.track}
        with httpx.Client(verify=trust, timeout=SECONDS, headers=headers, trust_env=False) as http:
            answer = http.get(self.edge.url + path)
        if answer.headers.get(ANSWERED_BY_TRACK) != self.track:
            raise httpx.HTTPError(f"{path} was answered by another track")
        return answer
