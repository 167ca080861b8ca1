"""The fault matrix of a rollout: what is broken, how, in which phase, and how the rollout must end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from cutover.rollout.record import State
from rehearsal.faults import hung
from tests.support.faults import paused, stopped
from tests.support.faulty import fault
from tests.support.under_load import HELD, ROLLED_BACK, Rollouts, impatient, rollouts

pytestmark = [pytest.mark.e2e, pytest.mark.soak]


@pytest.fixture(scope="module")
def running() -> Iterator[Rollouts]:
    with rollouts() as made:
        yield made


@pytest.fixture(autouse=True)
def _taken_back(running: Rollouts) -> None:
    """A test that fails leaves its rollout running, which is not the next one's to explain."""
    if running.play.record and running.play.record.state.running:
        running.clean()


@contextmanager
def crowded(running: Rollouts) -> Iterator[None]:
    """One client of this machine sends far more than its limit."""
    ended = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=running.play.stage.url, verify=False, timeout=5, trust_env=False) as http:
            while not ended.wait(0.01):
                http.get("/api/alerts/queue")

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        ended.set()
        asking.join()


@dataclass(frozen=True, kw_only=True)
class Fault:
    """`how` breaks it for a block; `ends` is the exit code that a wait ends with, and `says` is in what it says."""

    name: str
    how: Callable[[Rollouts], AbstractContextManager[None]]
    phase: str
    ends: int
    says: str


FAULTS = (
    Fault(name="slow", how=lambda it: fault(it.app, slow=1.8), phase="canary", ends=ROLLED_BACK, says="slow"),
    Fault(
        name="5xx", how=lambda it: fault(it.app, status=500, share=0.5), phase="canary", ends=ROLLED_BACK, says="err"
    ),
    Fault(
        name="5xx late",
        how=lambda it: fault(it.app, status=500, share=0.1),
        phase="production",
        ends=ROLLED_BACK,
        says="err",
    ),
    Fault(name="hung", how=lambda it: hung(it.app), phase="staged", ends=ROLLED_BACK, says="answer"),
    Fault(
        name="silent fallbacks",
        how=lambda it: fault(it.app, mock=True, share=0.5),
        phase="staged",
        ends=ROLLED_BACK,
        says="fallbacks",
    ),
    Fault(name="edge 429", how=crowded, phase="canary", ends=HELD, says="limited"),
    Fault(
        name="app 429", how=lambda it: fault(it.app, status=429, share=0.5), phase="canary", ends=HELD, says="limited"
    ),
    Fault(
        name="audit stall",
        how=lambda it: paused(it.system.container("audit")),
        phase="staged",
        ends=HELD,
        says="postgres",
    ),
    Fault(
        name="dead Postgres",
        how=lambda it: stopped(it.system.container("audit")),
        phase="canary",
        ends=HELD,
        says="postgres",
    ),
    Fault(
        name="dead Redis",
        how=lambda it: stopped(it.system.container("queues")),
        phase="staged",
        ends=HELD,
        says="redis",
    ),
    Fault(
        name="dead metrics",
        how=lambda it: stopped(it.system.container("prometheus")),
        phase="canary",
        ends=HELD,
        says="rometheus",
    ),
    Fault(
        name="too little traffic",
        how=lambda it: hung(it.play.stage.crowd_name),
        phase="canary",
        ends=HELD,
        says="needed",
    ),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_each_fault_ends_as_declared(running: Rollouts, fault: Fault) -> None:
    running.to(fault.phase)
    with fault.how(running):
        done = running.wait(expected=(fault.ends,))

    assert fault.says in done.last_line
    state = running.record.state
    assert state is (State.ROLLED_BACK if fault.ends == ROLLED_BACK else State(fault.phase))
    assert (running.weight == 0) is (fault.ends == ROLLED_BACK)
    running.clean()


def test_clients_that_give_up_after_a_second_are_back_within_30_when_half_of_the_answers_hang(
    running: Rollouts, tmp_path: Path
) -> None:
    """The last of them: the load is gone after it."""
    with impatient(running, tmp_path) as seen:
        running.to("staged")
        time.sleep(3)
        began = time.time()
        with hung(running.app):
            done = running.wait(expected=(ROLLED_BACK,))
            time.sleep(2)
        met = [each.sent for each in seen.between(began - 1, time.time()) if each.failed]
        print(f"{len(met)} requests met it, the last {max(met) - began:.1f} s after it began; {done.last_line}")
        after = seen.between(max(met) + 0.001, time.time())

    assert 0 < max(met) - began <= 30
    assert {each.track for each in after} == {"stable"}
    assert running.record.state is State.ROLLED_BACK
