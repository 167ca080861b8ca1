"""The rate check against a real nginx: right, off, at another rate, with another burst, and beside a neighbour."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext

import pytest

from cutover.smoke.checks import rate_limit
from cutover.smoke.finding import Finding, Outcome
from cutover.smoke.probe import Probe
from tests.support.edge_double import TARGET
from tests.support.edges import Edge, StartEdge, config

pytestmark = pytest.mark.engine


def checked(edge: Edge) -> Finding:
    began = time.monotonic()
    probe = Probe(http=edge.client, target=TARGET, clock=lambda: time.monotonic() - began)
    return rate_limit.CHECK.run(probe)


@contextmanager
def neighbour(edge: Edge) -> Iterator[None]:
    """Somebody who asks 0.7 times a second from the same address, for the block."""
    done = threading.Event()

    def ask() -> None:
        while not done.wait(1 / 0.7):
            edge.client.get("/api/healthz")

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        done.set()
        asking.join()


def test_the_right_limit_holds_within_eight_seconds(start_edge: StartEdge) -> None:
    with start_edge(config()) as edge:
        finding = checked(edge)

    assert finding.outcome is Outcome.PASS, finding.saw
    assert finding.seconds < 8


def test_a_neighbour_on_the_same_address_is_no_failure(start_edge: StartEdge) -> None:
    with start_edge(config()) as edge, neighbour(edge):
        finding = checked(edge)

    assert finding.outcome.stands, finding.saw


WRONG = {
    "half": ("rate=60r/m", "rate=30r/m"),
    "off": ("limit_req zone=api burst=10 nodelay;", ""),
    "twice": ("rate=60r/m", "rate=120r/m"),
    "no burst": ("burst=10 nodelay", "nodelay"),
    "twice the burst": ("burst=10", "burst=20"),
}
"""What the edge has, and what instead; the one that takes longest comes first."""
CASES = list(itertools.product(WRONG, (False, True)))
AT_ONCE = 4
"""A check waits for most of its time. More of them at once would be late with their bursts on a busy machine."""


@pytest.fixture(scope="module")
def findings(start_edge: StartEdge) -> dict[tuple[str, bool], Finding]:
    """What the check finds at each edge with another limit, alone and beside a neighbour."""

    def found(case: tuple[str, bool]) -> Finding:
        (right, wrong), beside = WRONG[case[0]], case[1]
        with (
            start_edge(config(), lambda text: text.replace(right, wrong)) as edge,
            neighbour(edge) if beside else nullcontext(),
        ):
            return checked(edge)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(CASES, pool.map(found, CASES), strict=True))


@pytest.mark.parametrize(("wrong", "beside"), CASES)
def test_another_limit_is_a_failure_beside_a_neighbour_too(
    findings: dict[tuple[str, bool], Finding], wrong: str, beside: bool
) -> None:
    finding = findings[wrong, beside]

    assert finding.outcome is Outcome.FAIL, finding.saw
    assert "not 60/min with burst 10" in finding.saw
