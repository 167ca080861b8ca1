"""Replicas: an edge for each task of the release has answered for the app behind it."""

from __future__ import annotations

import httpx

from cutover.smoke.check import Check
from cutover.smoke.pin import ANSWERED_BY_EDGE
from cutover.smoke.probe import CheckFailedError, Probe
from cutover.smoke.running import processes
from outputs.smoke import Criterion

FOR_EACH = 18
"""Requests for each task at most, where others use the stack."""
FOUND_SECONDS = 30.0
"""In which the balancer finds a task healthy that has just started: two looks, 5 s apart, after it is registered."""


def look(probe: Probe) -> str:
    """How many replicas have answered.

    /healthz, which is not limited, is asked until as many edges have answered as there are tasks. What was answered
    before these were listed does not count: a task may have been replaced since. Two thirds of the requests are spread
    over FOUND_SECONDS: a task that has just started gets none at first.
    """
    expected = sum(each.part == "app" for each in processes(probe.target, probe.sleep))
    most = (FOR_EACH if probe.target.profile == "prod" else 100) * expected
    found: set[str] = set()
    for sent in range(most):
        if sent >= most / 3:
            probe.sleep(1.5 * FOUND_SECONDS / most)
        answer = probe.send("GET", "/healthz")
        edge = answer.headers.get(ANSWERED_BY_EDGE, "a firewall")
        if answer.status_code != httpx.codes.OK:
            raise CheckFailedError(f"GET /healthz at {edge}: {answer.status_code}, 200 expected")
        found.add(edge)
        if len(found) == expected:
            return f"{expected} of {expected} replicas answered"
    raise CheckFailedError(
        f"{len(found)} of {expected} replicas answered in {most} requests: {', '.join(sorted(found))}"
    )


CHECK = Check(
    name="replicas",
    criterion=Criterion.HEALTH,
    did="asked /healthz until an edge for each task that runs had answered",
    look=look,
)
