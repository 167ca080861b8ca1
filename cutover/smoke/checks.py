"""The checks: each says in a line what it saw, or raises CheckFailedError with what is wrong."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence

import httpx

from cutover.smoke.limiter import Observation, judge
from cutover.smoke.probe import CheckFailedError, Probe
from outputs.release import SmokeTarget

BURST_REQUESTS = 65
"""Requests of the playbook's rate check."""
LIMITED_PATH = "/api/smoke"
"""Under the edge's limit, and no route of the app."""
DRAIN_SECONDS = 3.5
"""Pause after the burst: long enough that a limiter at half or twice the rate shows itself."""

Check = Callable[[Probe, SmokeTarget], str]


def health(probe: Probe, target: SmokeTarget) -> str:
    """The app answers, and it is the build that was deployed."""
    answer = probe.ask("GET", "/api/healthz")
    for key, expected in (("ok", True), ("buildSha", target.build_sha), ("version", target.version)):
        if answer.get(key) != expected:
            raise CheckFailedError(f"healthz {key} is {answer.get(key)!r}, {expected!r} expected")
    return f"build {target.build_sha}, up {answer.get('uptimeSec')} s"


def audit(probe: Probe, _target: SmokeTarget) -> str:
    """An entry that is written is read back, from Postgres and not from a fallback."""
    trace = f"smoke-{uuid.uuid4()}"
    body = {"action": "smoke", "result": "ok", "details": {"traffic": "smoke"}}
    pushed = probe.ask("POST", "/api/audit/push", body, **{"x-trace-id": trace})
    if pushed.get("ok") is not True:
        raise CheckFailedError(f"push was not accepted: {pushed.get('_err', pushed)}")
    listed = probe.ask("POST", "/api/audit/list", {"limit": 50})
    if listed.get("_mock") is not False:
        raise CheckFailedError(f"list is answered by a fallback: _mock is {listed.get('_mock')!r}")
    items = {str(item.get("id")): item for item in listed.get("items") or [] if isinstance(item, dict)}
    item = items.get(str(pushed.get("id")))
    if item is None:
        raise CheckFailedError(f"entry {pushed.get('id')} was written and is not among the newest {len(items)}")
    if trace not in item.values():
        raise CheckFailedError(f"entry {pushed.get('id')} does not carry its trace id {trace}")
    return f"entry {pushed['id']} written and read"


def rate_limit(probe: Probe, target: SmokeTarget) -> str:
    """The edge refuses what is over the limit, passes what is not, and refills at the configured rate.

    It asks for a path that the app does not have: what is not a 429 has passed the limiter, at no cost and
    whatever state the app is in. If the first burst meets a bucket that others had filled, the check waits
    until it must be empty and repeats, so that a limit that is too strict is told from earlier traffic.
    """
    rate = target.edge.rate_per_minute / 60
    passed = _burst(probe, target)
    wrong = judged(probe.observations, target, idle_before=False)
    if passed <= target.edge.burst and judged(probe.observations, target, idle_before=True):
        probe.sleep((target.edge.burst + 1) / rate + 1)
        probe.observations.clear()
        passed = _burst(probe, target)
        wrong = judged(probe.observations, target, idle_before=True)
    if not wrong and not any(seen.limited for seen in probe.observations):
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


def judged(observations: Sequence[Observation], target: SmokeTarget, *, idle_before: bool) -> str:
    """What contradicts the limit in the observations, in a clause; empty when nothing does."""
    rate = target.edge.rate_per_minute * 1000 // 60 / 1000  # nginx counts in whole thousandths of a request a second
    verdicts = judge(observations, rate=rate, burst=target.edge.burst, idle_before=idle_before)
    lax = sum(verdict.impossible and not verdict.observation.limited for verdict in verdicts)
    strict = sum(verdict.impossible and verdict.observation.limited for verdict in verdicts)
    limit = f"{target.edge.rate_per_minute}/min with burst {target.edge.burst}"
    clauses = [f"{lax} passed that {limit} refuses"] if lax else []
    clauses += [f"{strict} refused that {limit} passes"] if strict else []
    return ", ".join(clauses)
