"""The probe: does each track's release answer when it is asked by name, and what does it miss."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from cutover.edge_client import edge_client
from cutover.gates.counts import SHARED
from cutover.smoke.pin import ANSWERED_BY_TRACK, TRACK_HEADER, USER_AGENT
from outputs.release import Track
from outputs.shape import Shape
from outputs.smoke import EdgeSummary

SECONDS = 2.0
"""An answer that takes longer is a miss."""
TRIES = 2
"""Misses in turn that count. They are within one look, which so needs no memory of the one before."""


NOBODY = (502, 503, 504)
"""What a load balancer says itself, in no track's name, where no target of the track that was asked for answers it."""


@dataclass(frozen=True, kw_only=True)
class Probed(Shape):
    """What a track's release said. `answered` is None where it was not the one that answered: the edge did not honour
    the pin. `away` are the adapters that are real and whose other side it cannot reach; None where it did not say."""

    answered: bool | None
    away: Sequence[str] | None = None


@dataclass(frozen=True, kw_only=True)
class Probes(Shape):
    """What both said; `breach` is when the newest breach of a guardrail was, by what the candidate reads."""

    stable: Probed
    candidate: Probed
    breach: datetime | None = None


def probes(edge: EdgeSummary, *, breaches: bool = False, transport: httpx.BaseTransport | None = None) -> Probes:
    """Asks both tracks side by side, through the edge, with `breaches` for the newest one too. Takes 16 s at
    most. Whatever goes wrong is an answer too."""
    with ThreadPoolExecutor(2) as pool:
        stable = pool.submit(_probe, edge, "stable", transport, breaches=False)
        candidate, breach = pool.submit(_probe, edge, "candidate", transport, breaches=breaches).result()
        return Probes(stable=stable.result()[0], candidate=candidate, breach=breach)


def _probe(
    edge: EdgeSummary, track: Track, transport: httpx.BaseTransport | None, *, breaches: bool
) -> tuple[Probed, datetime | None]:
    try:
        headers = {TRACK_HEADER: track, "User-Agent": USER_AGENT}
        client = edge_client(edge, SECONDS, headers=headers, transport=transport)
    except OSError:  # there is no certificate to trust, and so nobody who answers
        return Probed(answered=None), None
    with client as http:
        for _ in range(TRIES):
            try:
                answer = http.get("/healthz")
            except httpx.HTTPError:
                continue
            if answer.headers.get(ANSWERED_BY_TRACK) != track:
                if answer.status_code in NOBODY:
                    continue
                return Probed(answered=None), None
            if answer.is_success:
                break
        else:
            return Probed(answered=False), None
        checks = _document(http, "/api/healthz").get("checks")
        breach = _document(http, "/api/guardrails/read").get("lastBreach") if breaches else None
    return Probed(answered=True, away=_away(checks)), _moment(breach)


def _document(http: httpx.Client, path: str) -> dict[str, Any]:
    """The JSON object that a path answers; an empty one where there is none, because the edge limits say."""
    try:
        answer = http.get(path)
        document = answer.json() if answer.is_success else None
    except (httpx.HTTPError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _away(checks: Any) -> tuple[str, ...] | None:
    if not isinstance(checks, dict):
        return None
    return tuple(
        name
        for name, check in sorted(checks.items())
        if isinstance(check, dict)
        and check.get("adapter") == "production"
        and check.get("ok") is False
        # The queue's fails for Postgres too, which the audit log's says.
        and SHARED.get(str(check.get("away")), name) == name
    )


def _moment(breach: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(breach["at"])
    except (TypeError, KeyError, ValueError):
        return None
    return at if at.tzinfo else None
