"""The rate check against a real nginx: right, off, at another rate, with another burst, and beside a neighbour."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

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


@pytest.mark.parametrize("beside", [False, True])
@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("limit_req zone=api burst=10 nodelay;", ""),
        ("rate=60r/m", "rate=30r/m"),
        ("rate=60r/m", "rate=120r/m"),
        ("burst=10 nodelay", "nodelay"),
        ("burst=10", "burst=20"),
    ],
    ids=["off", "half", "twice", "no burst", "twice the burst"],
)
def test_another_limit_is_a_failure_beside_a_neighbour_too(
    start_edge: StartEdge, right: str, wrong: str, beside: bool
) -> None:
    with start_edge(config(), lambda text: text.replace(right, wrong)) as edge:
        if beside:
            with neighbour(edge):
                finding = checked(edge)
        else:
            finding = checked(edge)

    assert finding.outcome is Outcome.FAIL, finding.saw
    assert "not 60/min with burst 10" in finding.saw
