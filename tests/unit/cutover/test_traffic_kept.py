"""The split over an update of what routes: read before, put back after."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from cutover.errors import RefusedError, TrafficError
from cutover.traffic import KeptShare
from cutover.traffic.split import Mark, Share

BEFORE = Share(weight=10, mark=Mark(rollout="r7", revision=4), taken_back=frozenset({"r6"}))


@dataclass
class Split:
    share: Share = BEFORE
    set_to: list[tuple[int, bool]] = field(default_factory=list)
    overtaken_by: Share | None = None

    def get(self) -> Share:
        return self.share

    def beside(self) -> tuple[str, ...]:
        raise AssertionError

    def set(self, weight: int, mark: Mark | None = None, *, anyway: bool = False) -> None:
        assert mark == self.share.mark, "the mark in force stays, and its latch is looked at"
        if self.overtaken_by:
            self.share, self.overtaken_by = self.overtaken_by, None
            raise RefusedError("it was taken back")
        self.set_to.append((weight, anyway))

    def take_back(self, rollout: str | None = None) -> None:
        raise AssertionError(rollout)

    def by_hand(self) -> str:
        raise AssertionError


def after(share: Share) -> tuple[Split, str | None]:
    """An update that leaves this."""
    split = Split()
    kept = KeptShare(split)
    kept.look()
    split.share = share
    return split, kept.put_back()


def test_what_an_update_sends_of_the_state_is_put_back() -> None:
    split, said = after(replace(BEFORE, weight=0))

    assert split.set_to == [(10, True)]
    assert said == "the update gave the candidate 0 %: it has 10 % again"


def test_a_split_that_no_update_touched_is_left_alone() -> None:
    assert after(BEFORE) == (Split(), None)


@pytest.mark.parametrize(("weight", "set_to"), [(50, [(0, True)]), (0, [])])
def test_a_rollout_that_was_taken_back_meanwhile_gets_nothing(weight: int, set_to: list[tuple[int, bool]]) -> None:
    split, _ = after(replace(BEFORE, weight=weight, taken_back=frozenset({"r7"})))

    assert split.set_to == set_to


@pytest.mark.parametrize(("weight", "set_to"), [(50, [(0, True)]), (0, [])])
def test_a_rollout_that_was_taken_back_at_the_last_moment_gets_nothing(
    weight: int, set_to: list[tuple[int, bool]]
) -> None:
    split = Split()
    kept = KeptShare(split)
    kept.look()
    split.share = replace(BEFORE, weight=0)
    split.overtaken_by = replace(BEFORE, weight=weight, taken_back=frozenset({"r7"}))
    kept.put_back()

    assert split.set_to == set_to


def test_a_turn_that_came_between_is_told_and_not_guessed() -> None:
    with pytest.raises(TrafficError, match=r"had 10 % before the listener changed and has 0 %, and a rollout"):
        after(replace(BEFORE, weight=0, mark=Mark(rollout="r7", revision=5)))
