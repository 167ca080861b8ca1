"""A model of nginx's leaky bucket that judges each answer of a rate-limited edge.

nginx keeps one figure for each client address, the excess: it drains at the configured rate, a request adds
one, and a request that finds more than `burst` is refused and adds nothing (ngx_http_limit_req_module). Only
nginx knows the moment of its decision; a client knows that it lies between sending and receiving. So the
model keeps an interval for the excess, and calls an answer impossible only when no moment in between and no
excess within the interval could have produced it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

CLOCK_SLACK = 0.003
"""Seconds added to both ends of every interval: nginx's clock ticks once per event loop, in milliseconds."""


class Prediction(StrEnum):
    """What the limiter must do with a request, as far as the model can tell."""

    PASS = "pass"  # noqa: S105
    REFUSE = "refuse"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, kw_only=True)
class Observation:
    """One request: when it was sent and answered (seconds of one clock), and whether the answer was 429."""

    sent: float
    received: float
    limited: bool


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """An observation, what the model predicted for it, and whether the two can both be true."""

    observation: Observation
    prediction: Prediction

    @property
    def impossible(self) -> bool:
        expected = {True: Prediction.REFUSE, False: Prediction.PASS}[self.observation.limited]
        return self.prediction not in (expected, Prediction.AMBIGUOUS)


def judge(observations: Iterable[Observation], *, rate: float, burst: int, idle_before: bool) -> list[Verdict]:
    """A verdict for each of one client's requests, sent one after another.

    `rate` is in requests a second. `idle_before` says that the address sent nothing for (burst + 1) / rate
    seconds before the first; otherwise the bucket may have held anything. After an impossible answer the
    model goes on from what that answer would have meant.
    """
    full = float(burst + 1)
    low, high = (0.0, 0.0) if idle_before else (0.0, full)
    since: Observation | None = None
    verdicts = []
    for seen in observations:
        if since is not None:
            low = max(0.0, low - rate * (seen.received - since.sent + CLOCK_SLACK))
            high = max(0.0, high - rate * max(0.0, seen.sent - since.received - CLOCK_SLACK))
        if high <= burst:
            prediction = Prediction.PASS
        elif low > burst:
            prediction = Prediction.REFUSE
        else:
            prediction = Prediction.AMBIGUOUS
        if seen.limited:
            low, high = max(low, float(burst)), max(high, float(burst))
        else:
            low, high = min(low, float(burst)) + 1, min(high, float(burst)) + 1
        verdicts.append(Verdict(observation=seen, prediction=prediction))
        since = seen
    return verdicts
