"""One track of the edge, whatever the weight: asked briefly, as a caller whom the edge trusts.

A rollback asks before it sets the traffic, so it is the standard library's client: httpx takes a fifth of its time.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

from cutover.edge import connected
from cutover.errors import UnreachableError
from cutover.smoke.pin import ANSWERED_BY_TRACK, TRACK_HEADER, USER_AGENT
from outputs.release import Track
from outputs.smoke import EdgeSummary

SECONDS = 1.0
MOST = 2**20
"""Bytes of an answer."""
_NOBODY = (502, 503)
"""What an edge or a balancer says at once where there is nothing to send a request to, the balancer in no track's name.
Not 504, which both say of a release that is slow too."""


@dataclass(frozen=True)
class Pinned:
    """The release of `track` behind `edge`."""

    edge: EdgeSummary
    track: Track

    def answers(self) -> bool | None:
        """Whether the release answers; False only where the edge says that nobody is there, None where nothing has
        said anything in time: what is slow may still be there."""
        try:
            status, _ = self._get("/healthz")
        except (OSError, HTTPException):
            return None
        return False if status in _NOBODY else 200 <= status < 300 or None

    def undelivered(self) -> int:
        """How many alerts wait that it has accepted. Raises UnreachableError."""
        try:
            counts: dict[str, Any] = json.loads(self._get("/api/alerts/queue")[1])
            if counts["_mock"]:
                raise UnreachableError(f"the queues of {self.track} cannot be counted: its Redis does not answer")
            return int(counts["pending"])
        except (OSError, HTTPException, ValueError, KeyError) as error:
            raise UnreachableError(f"{self.track} does not say what waits in its queues ({error!r})") from None

    def _get(self, path: str) -> tuple[int, bytes]:
        """Status and body. Raises OSError and HTTPException, the latter too where neither the track has answered nor a
        balancer that has nobody to ask."""
        http = HTTPConnection(urlsplit(self.edge.url).netloc)
        http.sock = connected(self.edge.url, self.edge.address, self.edge.authority, SECONDS)
        try:
            http.request("GET", path, headers={"User-Agent": USER_AGENT, TRACK_HEADER: self.track})
            with http.getresponse() as answer:
                by = answer.getheader(ANSWERED_BY_TRACK)
                if by != self.track and not (by is None and answer.status in _NOBODY):
                    raise HTTPException(f"{path} was answered by {by or 'nobody who names a track'}")
                return answer.status, _body(answer)
        finally:
            http.close()


def _body(answer: HTTPResponse) -> bytes:
    """What is there within SECONDS, and the wait that is on then. Raises HTTPException where there is more."""
    body, until = b"", time.monotonic() + SECONDS
    while part := answer.read1(MOST):
        body += part
        if len(body) > MOST or time.monotonic() > until:
            raise HTTPException(f"an answer that does not end, or has more than {MOST} bytes")
    return body
