"""Replicas: each edge of the release has answered for the app behind it."""

from __future__ import annotations

import httpx

from cutover.smoke.check import Check
from cutover.smoke.probe import CheckFailedError, Probe, Sample
from cutover.smoke.running import processes
from outputs.smoke import Criterion

BESIDE = 20
FOR_EACH = 18
"""A whole run sends at most 18 requests for each edge and 20 beside, where others use the stack."""


def look(probe: Probe) -> str:
    """How many replicas have answered.

    The requests of all checks before it count, whichever edge they met; /healthz, which is not limited, is asked until
    the rest have answered too.
    """
    expected = sum(each.part == "app" for each in processes(probe.target))
    most = FOR_EACH * expected + BESIDE if probe.target.profile == "prod" else 100 * expected
    while len(found := {each.edge for each in probe.samples.taken if _answered(each)}) < expected:
        if len(probe.samples.taken) >= most:
            raise CheckFailedError(f"{len(found)} of {expected} replicas answered in {most} requests: {_named(found)}")
        answer = probe.send("GET", "/healthz")
        if answer.status_code != httpx.codes.OK:
            edge = probe.samples.taken[-1].edge
            raise CheckFailedError(f"GET /healthz at {edge}: {answer.status_code}, 200 expected")
    return f"{len(found)} of {expected} replicas answered"


def _answered(sample: Sample) -> bool:
    """Whether the app behind an edge gave it: nginx's own are 429 and 5xx."""
    return sample.edge is not None and sample.status < httpx.codes.INTERNAL_SERVER_ERROR and not sample.limited


def _named(edges: set[str | None]) -> str:
    return ", ".join(sorted(filter(None, edges))) or "none"


CHECK = Check(
    name="replicas",
    criterion=Criterion.HEALTH,
    did="counted the edges that have answered, and asked /healthz for the rest",
    look=look,
)
