"""The mark at the real edge: what it refuses, and that nothing which was taken back comes back."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import pytest

from cutover.errors import CutoverError, RefusedError
from cutover.traffic.split import Mark, Share
from infra.nginx import WEIGHTS
from tests.support.containers import docker
from tests.support.edges import Edge, StartEdge, config

pytestmark = pytest.mark.engine


def mark(revision: int, rollout: str = "r7", *, final: bool = False) -> Mark:
    return Mark(rollout=rollout, revision=revision, final=final)


@pytest.fixture(scope="module")
def shared(start_edge: StartEdge) -> Iterator[Edge]:
    with start_edge(config("stable", "candidate")) as running:
        yield running


@pytest.fixture
def edge(shared: Edge) -> Edge:
    """The same, as a new stack has it: nothing is marked or latched."""
    docker("exec", shared.id, "sh", "-c", f"cd {WEIGHTS} && rm -rf now mark latched w*")
    return shared


def test_an_edge_without_now_is_at_0(edge: Edge) -> None:
    assert edge.traffic.get() == Share(weight=0)


def test_a_weight_comes_with_its_mark(edge: Edge) -> None:
    for wanted in (mark(1), mark(2), mark(3, final=True), mark(4, "r8")):
        edge.traffic.set(wanted.revision, wanted)
        assert edge.traffic.get() == Share(weight=wanted.revision, mark=wanted)


def test_the_same_revision_is_set_again(edge: Edge) -> None:
    edge.traffic.set(10, mark(4))
    edge.traffic.set(10, mark(4))

    assert edge.traffic.get() == Share(weight=10, mark=mark(4))


@pytest.mark.parametrize("rollout", ["r7", "r6"])
def test_an_older_revision_is_refused_whosever_it_is_and_lower_too(edge: Edge, rollout: str) -> None:
    edge.traffic.set(50, mark(5))

    for weight in (0, 100):
        with pytest.raises(RefusedError, match="revision 4 is older than what is in force, revision 5 of rollout r7"):
            edge.traffic.set(weight, mark(4, rollout))
    assert edge.traffic.get() == Share(weight=50, mark=mark(5))


@pytest.mark.parametrize("named", ["r7", None, "r6"])
def test_for_a_rollout_that_was_taken_back_nothing_but_0_is_taken(edge: Edge, named: str | None) -> None:
    edge.traffic.set(50, mark(5))
    edge.traffic.take_back(named)
    taken = frozenset({"r7", named or "r7"})

    assert edge.traffic.get() == Share(weight=0, mark=mark(5), taken_back=taken)
    for rollout in {"r7", named or "r7"}:
        with pytest.raises(RefusedError, match=f"rollout {rollout} was taken back"):
            edge.traffic.set(10, mark(6, rollout))
    edge.traffic.set(0, mark(6))
    assert edge.traffic.get() == Share(weight=0, mark=mark(6), taken_back=taken)
    edge.traffic.set(10, mark(7, "r8"))
    assert edge.traffic.get() == Share(weight=10, mark=mark(7, "r8"), taken_back=taken)


def test_a_rollout_without_a_mark_at_the_edge_is_taken_back(edge: Edge) -> None:
    edge.traffic.take_back()
    edge.traffic.take_back("r7")

    assert edge.traffic.get() == Share(weight=0, taken_back=frozenset({"r7"}))
    with pytest.raises(RefusedError, match="rollout r7 was taken back"):
        edge.traffic.set(10, mark(1))


@pytest.mark.parametrize("named", ["r7", None, "r6"])
def test_taking_back_is_refused_while_the_mark_is_final_but_by_hand(edge: Edge, named: str | None) -> None:
    edge.traffic.set(100, mark(8, final=True))

    with pytest.raises(RefusedError, match=r"rollout r7 is finishing: .* cutover traffic -s STACK 0 gives it all"):
        edge.traffic.take_back(named)
    assert edge.traffic.get() == Share(weight=100, mark=mark(8, final=True))
    edge.traffic.set(0)
    edge.traffic.take_back(named)
    assert "r7" in edge.traffic.get().taken_back


def test_the_next_rollout_is_taken_back_before_it_has_marked_anything(edge: Edge) -> None:
    edge.traffic.set(0, mark(8, final=True))
    edge.traffic.take_back("r8")

    with pytest.raises(RefusedError, match="rollout r8 was taken back"):
        edge.traffic.set(10, mark(9, "r8"))


def test_by_hand_the_weight_of_a_rollout_may_fall_and_rises_only_anyway(edge: Edge) -> None:
    edge.traffic.set(50)
    edge.traffic.set(50, mark(5))
    edge.traffic.set(10)

    with pytest.raises(RefusedError, match="the weight belongs to rollout r7, and by hand it may only fall"):
        edge.traffic.set(11)
    edge.traffic.set(11, anyway=True)
    assert edge.traffic.get() == Share(weight=11, mark=mark(5))


def test_after_a_rollback_the_weight_rises_by_hand_only_anyway_and_after_the_end_freely(edge: Edge) -> None:
    edge.traffic.set(50, mark(5))
    edge.traffic.take_back()
    with pytest.raises(RefusedError, match="the weight belongs to rollout r7"):
        edge.traffic.set(10)
    edge.traffic.set(0, mark(9, "r8", final=True))
    edge.traffic.set(10)

    assert edge.traffic.get().weight == 10


def test_of_those_who_set_at_once_an_older_revision_never_follows_a_newer_and_each_is_whole(edge: Edge) -> None:
    taken, begin = list[int](), threading.Barrier(8)

    def sets(revision: int) -> None:
        begin.wait()
        with contextlib.suppress(CutoverError):  # older, or too long in waiting for the others
            edge.traffic.set(10 * revision, mark(revision))
            taken.append(revision)

    for _ in range(3):
        docker("exec", edge.id, "sh", "-c", f"cd {WEIGHTS} && rm -f mark")
        taken.clear()
        setters = [threading.Thread(target=sets, args=(revision,)) for revision in range(1, 9)]
        for setter in setters:
            setter.start()
        for setter in setters:
            setter.join()
        share = edge.traffic.get()
        assert share.mark
        assert share.mark.revision >= max(taken)
        assert share.weight == 10 * share.mark.revision
