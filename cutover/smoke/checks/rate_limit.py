"""Rate limit: the edge refuses what is over the limit, passes what is not, and refills at the configured rate."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from cutover.smoke.check import Check
from cutover.smoke.limit_run import Plan, Ruling, fast, judge, paced, pauses, settle_seconds, sparse
from cutover.smoke.limiter import Limit
from cutover.smoke.probe import CheckFailedError, NotRunError, Probe
from cutover.smoke.provable import requests
from outputs.smoke import Criterion

LIMITED_PATH = "/api/smoke"
"""Under the edge's limit, and no route of the app: what is not a 429 has passed the limiter, at no cost and whatever
state the app is in."""


def _look(probe: Probe, plan: Callable[[Probe, Limit], Plan], *, again: bool) -> str:
    """How many passed, and of which limit that is proof.

    The check waits until the requests of the other checks have drained. Answers that decide nothing, because somebody
    else had used the bucket, are followed by others once that must have drained too.
    """
    limit = Limit.of(probe.target.edge.rate_per_minute, probe.target.edge.burst)
    probe.sleep(settle_seconds(probe.samples.limited_paths(), limit, probe.clock()))
    for pause in (0.0, *(pauses(limit) if again else ())):
        probe.retried = pause > 0
        probe.sleep(pause)
        saw = _send(probe, plan(probe, limit))
        judgement = judge(probe.samples.limited_paths(), limit)
        if judgement.ruling is Ruling.HOLDS:
            again_after = f", asked again after {pause:.0f} s, for others had used it" if pause else ""
            return f"{saw}{again_after}: {judgement.clause}"
        if judgement.ruling is Ruling.BROKEN:
            raise CheckFailedError(f"{saw}: {judgement.clause}")
        if not judgement.points:  # more answers are more than can be judged too
            break
    raise NotRunError(f"{saw}, which decides nothing: {judgement.clause}")


def look(probe: Probe) -> str:
    """The fast run where nothing but the edges counts requests, else the sparse one."""
    if probe.target.profile == "full" and probe.target.edge.firewall is None:
        return _look(probe, _fast, again=True)
    return _look(probe, _sparse, again=False)


def look_paced(probe: Probe) -> str:
    """The playbook's 65 requests at the pace at which 60 pass, 50 s long."""
    return _look(probe, lambda _probe, limit: paced(limit), again=False)


def _fast(probe: Probe, limit: Limit) -> Plan:
    return fast(limit, probe.target.edge.most)


def _sparse(probe: Probe, limit: Limit) -> Plan:
    """With what is left of the profile's requests, and of half of those that the firewall allows."""
    edge = probe.target.edge
    allowed = requests(limit, edge.most)
    if edge.firewall is not None:
        allowed = min(allowed, edge.firewall // 2)
    return sparse(limit, edge.most, max(0, allowed - len(probe.samples.taken)))


def _send(probe: Probe, plan: Plan) -> str:
    """Sends what the plan says, and says how many of it passed."""
    began, already = probe.clock(), len(probe.samples.limited_paths())

    def request() -> None:
        probe.send("GET", LIMITED_PATH)

    with ThreadPoolExecutor(plan.lanes) as pool:
        under_way: list[Future[None]] = []
        for due in plan.due:
            probe.sleep(max(0.0, began + due - probe.clock()))
            if plan.lanes == 1:
                request()
            else:
                under_way.append(pool.submit(request))
        for each in under_way:
            each.result()
    passed = [not sample.limited for sample in probe.samples.limited_paths()[already:]]
    burst = sum(due == 0 for due in plan.due)
    if burst == 1:
        return f"{sum(passed)} of {len(passed)} passed"
    after = passed[burst:]
    return f"{sum(passed[:burst])} of {burst} passed at once and {sum(after)} of {len(after)} after them"


CHECK = Check(
    name="rate limit",
    criterion=Criterion.RATE_LIMIT,
    did="sent the playbook's burst to a path under the limit, and went on at several times the rate",
    look=look,
)
PACED = Check(
    name="rate limit",
    criterion=Criterion.RATE_LIMIT,
    did="sent the playbook's 65 requests to a path under the limit, one each 0.775 s",
    look=look_paced,
)
