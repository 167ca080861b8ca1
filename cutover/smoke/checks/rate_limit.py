"""Rate limit: the edge refuses what is over the limit, passes what is not, and refills at the configured rate."""

from __future__ import annotations

from collections.abc import Sequence

import httpx

from cutover.smoke.check import Check
from cutover.smoke.limiter import Observation, judge
from cutover.smoke.probe import CheckFailedError, Probe, Sample
from outputs.smoke import Criterion, SmokeTarget

BURST_REQUESTS = 65
"""Requests of the playbook's rate check."""
LIMITED_PATH = "/api/smoke"
"""Under the edge's limit, and no route of the app."""
DRAIN_SECONDS = 3.5
"""Pause after the burst: long enough that a limiter at half or twice the rate shows itself."""


def look(probe: Probe) -> str:
    """How many of the burst have passed.

    It asks for a path that the app does not have: what is not a 429 has passed the limiter, at no cost and
    whatever state the app is in. If the first burst meets a bucket that others had filled, the check waits
    until it must be empty and repeats, so that a limit that is too strict is told from earlier traffic.
    """
    target = probe.target
    rate = target.edge.rate_per_minute / 60
    passed = _burst(probe, target)
    own = probe.samples.limited_paths()
    wrong = judged(own, target, idle_before=False)
    if passed <= target.edge.burst and judged(own, target, idle_before=True):
        probe.sleep((target.edge.burst + 1) / rate + 1)
        probe.retried, again = True, len(own)
        passed = _burst(probe, target)
        own = probe.samples.limited_paths()[again:]
        wrong = judged(own, target, idle_before=True)
    if not wrong and not any(seen.limited for seen in own):
        wrong = "the limit was never reached, the edge answers too slowly"
    sent = _burst_requests(target)
    if wrong:
        raise CheckFailedError(f"{passed} of {sent} passed; {wrong}")
    return f"{passed} of {sent} passed, the rest 429; refills at {target.edge.rate_per_minute}/min"


def _burst_requests(target: SmokeTarget) -> int:
    return max(BURST_REQUESTS, target.edge.burst + 55)  # the playbook's 65 are 55 more than its burst


def _burst(probe: Probe, target: SmokeTarget) -> int:
    passed = sum(_passes(probe) for _ in range(_burst_requests(target)))
    probe.sleep(DRAIN_SECONDS * 60 / target.edge.rate_per_minute)
    for _ in range(6):
        _passes(probe)
    return passed


def _passes(probe: Probe) -> bool:
    return probe.send("GET", LIMITED_PATH).status_code != httpx.codes.TOO_MANY_REQUESTS


def judged(samples: Sequence[Sample], target: SmokeTarget, *, idle_before: bool) -> str:
    """What contradicts the limit in the samples, in a clause; empty when nothing does."""
    rate = target.edge.rate_per_minute * 1000 // 60 / 1000  # nginx counts in whole thousandths of a request a second
    observations = [Observation(sent=each.sent, received=each.received, limited=each.limited) for each in samples]
    verdicts = judge(observations, rate=rate, burst=target.edge.burst, idle_before=idle_before)
    lax = sum(verdict.impossible and not verdict.observation.limited for verdict in verdicts)
    strict = sum(verdict.impossible and verdict.observation.limited for verdict in verdicts)
    limit = f"{target.edge.rate_per_minute}/min with burst {target.edge.burst}"
    clauses = [f"{lax} passed that {limit} refuses"] if lax else []
    clauses += [f"{strict} refused that {limit} passes"] if strict else []
    return ", ".join(clauses)


CHECK = Check(
    name="rate limit",
    criterion=Criterion.RATE_LIMIT,
    did="sent the playbook's burst to a path under the limit, and more after a pause",
    look=look,
)
