"""What the guard rails answer: from what routes, from what is written, and where neither can be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from cutover import rollout
from cutover.errors import RefusedError, TrafficError
from cutover.rollout import guard
from cutover.rollout.guard import Seen
from cutover.rollout.record import KEY, Record, Releases, State
from cutover.traffic.split import NothingRoutesError, Share
from outputs.guard import Guarded
from outputs.traffic import DockerTraffic
from tests.support.memory_bucket import Memory
from tests.support.rollouts import RECORD, release

OLD, NEW = RECORD.releases.stable.digest, RECORD.releases.candidate.digest
CANDIDATE = Guarded(
    stack="local-canary",
    base="local",
    track="candidate",
    release=NEW,
    account="123456789012",
    region="eu-central-1",
    emulator="http://10.213.7.1:4566",
    records_bucket="records",
    traffic=DockerTraffic(container="edge", folder="/weights"),
)
STABLE = replace(CANDIDATE, stack="local", track="stable", traffic=None)


def rolled(state: State, **changes: Any) -> Record:
    return replace(RECORD, state=state, **changes)


def test_a_candidate_without_traffic_may_change_and_go() -> None:
    for records in ([], [rolled(State.PREPARED)], [rolled(State.ROLLED_BACK)], [rolled(State.FINISHED)], None):
        assert guard.against_candidate(CANDIDATE, Seen(weight=0, records=records)) is None


@pytest.mark.parametrize(
    ("records", "way"),
    [
        ([rolled(State.FINISHING)], "let it be finished first, cutover finish -s local; or let it through by name"),
        ([rolled(State.STAGED)], "take it back first, cutover rollback -s local; or let it through by name"),
        ([rolled(State.ROLLED_BACK)], "take it back first, cutover traffic -s local 0; or let it through by name"),
        ([], "take it back first, cutover traffic -s local 0; or"),
        (None, "take it back first, cutover traffic -s local 0; or"),
    ],
    ids=["finishing", "staged", "rolled back", "no rollout", "unreadable"],
)
def test_what_routes_is_believed_whatever_is_written(records: Sequence[Record] | None, way: str) -> None:
    why = guard.against_candidate(CANDIDATE, Seen(weight=50, records=records))

    assert why
    assert why.startswith(f"the candidate has 50 % of the traffic: {way}")
    assert why.endswith(f"pulumi config set --path web-next:rollout.mayReplace {NEW[:16]} -s local-canary and up")


@pytest.mark.parametrize("state", [State.CANARY, State.STAGED, State.PRODUCTION, State.FINISHING])
@pytest.mark.parametrize("weight", [0, None])
def test_a_phase_that_is_written_counts_although_nothing_is_routed_yet(state: State, weight: int | None) -> None:
    why = guard.against_candidate(CANDIDATE, Seen(weight=weight, records=[rolled(state)]))

    assert why
    assert f"rollout r7 is {state}, so the candidate has or is about to have" in why


def test_a_candidate_that_still_delivers_stays() -> None:
    why = guard.against_candidate(CANDIDATE, Seen(weight=0, records=[rolled(State.ROLLED_BACK, draining=True)]))

    assert why
    assert (
        "delivers what it has accepted: wait until nothing is left, cutover status -s local counts it; or let it" in why
    )


def test_where_what_routes_cannot_be_read_what_is_written_decides() -> None:
    assert guard.against_candidate(CANDIDATE, Seen(weight=None, records=[])) is None
    assert guard.against_candidate(CANDIDATE, Seen(weight=None, records=[rolled(State.PREPARED)])) is None


def test_where_nothing_can_be_read_the_answer_is_no() -> None:
    why = guard.against_candidate(CANDIDATE, Seen(weight=None, records=None))

    assert why
    assert why.startswith("neither what routes nor the record in records can be read")


@pytest.mark.parametrize("state", [State.PREPARED, State.CANARY, State.STAGED, State.PRODUCTION])
def test_the_release_that_a_rollout_returns_to_stays(state: State) -> None:
    why = guard.against_stable(STABLE, Seen(weight=None, records=[rolled(state)]))

    assert why
    assert why.startswith(f"rollout r7 is {state}, and returns to 1.5.0, which this would replace: finish it or roll")


def test_over_a_migration_that_stable_does_not_survive_nobody_is_told_to_take_the_candidate_back() -> None:
    staged = rolled(State.STAGED, releases=replace(RECORD.releases, one_way="007_drop.sql"))
    seen = Seen(weight=50, records=[staged])

    why = guard.against_candidate(CANDIDATE, seen)
    assert why
    assert "50 % of the traffic: it does not go back, let it be finished first, cutover status -s local; or" in why
    why = guard.against_stable(STABLE, seen)
    assert why
    assert "is staged, and makes 1.5.1 the release here: finish it first, cutover status -s local; or" in why


def test_finishing_brings_the_candidates_release_and_no_other() -> None:
    seen = Seen(weight=None, records=[rolled(State.FINISHING)])

    assert guard.against_stable(STABLE, seen) is None
    why = guard.against_stable(replace(STABLE, release="digest-1.5.2"), seen)
    assert why
    assert "and makes 1.5.1 the release here: finish it first, cutover finish -s local; or" in why


@pytest.mark.parametrize("records", [[], [rolled(State.ROLLED_BACK)], [rolled(State.ROLLED_BACK, draining=True)]])
def test_between_rollouts_a_base_may_get_any_release(records: list[Record]) -> None:
    assert guard.against_stable(replace(STABLE, release="digest-1.6.0"), Seen(weight=None, records=records)) is None


def test_a_base_whose_record_cannot_be_read_keeps_its_release() -> None:
    why = guard.against_stable(STABLE, Seen(weight=None, records=None))

    assert why
    assert why.startswith("the record in records cannot be read")


def history(*finished: tuple[str, str]) -> list[Record]:
    """The records of rollouts that were finished, each of a release in place of another; the newest first."""
    return [
        rolled(
            State.FINISHED,
            id=f"r{number}",
            revision=number,
            releases=Releases(stable=release("stable", old, "local"), candidate=release("candidate", new, "canary")),
        )
        for number, (old, new) in reversed(list(enumerate(finished)))
    ]


def superseded(digest: str, records: list[Record]) -> str | None:
    return guard.against_superseded(replace(STABLE, release=digest), Seen(weight=0, records=records))


def test_a_release_that_a_finished_rollout_has_replaced_does_not_come_back() -> None:
    records = history(("1.5.0", "1.5.1"), ("1.5.1", "1.5.2"))

    for old in ("1.5.0", "1.5.1"):
        why = superseded(f"digest-{old}", records)
        assert why == (
            f"release {old} ({f'digest-{old}'[:16]}) is superseded: rollout r1 was finished after it with 1.5.2; bring "
            "this checkout up to date, or let it through by name, pulumi config set --path web-next:rollout.mayReplace "
            f"{f'digest-{old}'[:16]} -s local and up"
        )
    assert superseded("digest-1.5.2", records) is None
    assert superseded("digest-1.6.0", records) is None


def test_a_release_that_was_rolled_back_before_another_was_finished_is_superseded_and_after_it_may_be_tried_again() -> (
    None
):
    back = replace(history(("1.5.1", "1.5.2"))[0], state=State.ROLLED_BACK)
    newer = history(("1.5.1", "1.5.3"))

    assert superseded("digest-1.5.2", [back]) is None
    assert superseded("digest-1.5.2", [back, *history(("1.5.0", "1.5.1"))]) is None
    assert superseded("digest-1.5.2", [*newer, back])


def test_an_old_release_that_was_rolled_out_again_is_not_superseded_and_what_it_replaced_is() -> None:
    records = history(("1.5.0", "1.5.1"), ("1.5.1", "1.5.0"))

    assert superseded("digest-1.5.0", records) is None
    assert superseded("digest-1.5.1", records)


class World:
    """What is seen, in place of a look."""

    def __init__(self, patch: pytest.MonkeyPatch, weight: int | None, records: list[Record] | None) -> None:
        self.looks = 0
        self.seen = Seen(weight=weight, records=records)
        patch.setattr(guard, "look", self)

    def __call__(self, _guarded: Guarded) -> Seen:
        self.looks += 1
        return self.seen


def asked(guarded: Guarded, *, new: bool = False, preview: bool = False) -> str | None:
    return rollout.objection(guarded.output(), new=new, preview=preview)


def test_an_update_and_its_preview_are_refused_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    World(monkeypatch, 50, [rolled(State.STAGED)])

    for guarded in (CANDIDATE, STABLE):
        assert asked(guarded)
        assert asked(guarded, preview=True) == asked(guarded)


def test_a_preview_is_not_refused_because_nothing_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    World(monkeypatch, None, None)

    for guarded in (CANDIDATE, STABLE):
        assert asked(guarded)
        assert asked(guarded, preview=True) is None


def test_what_is_not_there_yet_may_be_made_at_any_weight_but_not_of_a_superseded_release(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    records = history(("1.5.0", "1.5.1"))
    World(monkeypatch, 50, records)

    assert asked(replace(CANDIDATE, release=NEW), new=True) is None
    assert asked(replace(CANDIDATE, release=OLD), new=True)


def test_a_stack_that_is_previewed_for_the_first_time_and_a_new_base_are_not_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World(monkeypatch, 50, [rolled(State.STAGED)])

    assert asked(CANDIDATE, new=True, preview=True) is None
    assert asked(STABLE, new=True) is None
    assert world.looks == 0


def test_a_release_that_is_named_is_let_through_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    World(monkeypatch, 50, [rolled(State.STAGED)])

    for guarded in (CANDIDATE, STABLE):
        assert asked(replace(guarded, may_replace=NEW[:12])) is None
        assert asked(replace(guarded, may_replace="digest-1.4"))
    rollout.require_removable(replace(CANDIDATE, may_replace=NEW).output())
    with pytest.raises(RefusedError, match="the candidate has 50 % of the traffic"):
        rollout.require_removable(CANDIDATE.output())


def test_a_candidate_without_traffic_is_removable(monkeypatch: pytest.MonkeyPatch) -> None:
    World(monkeypatch, 0, [])

    rollout.require_removable(CANDIDATE.output())


class Split:
    """A split that answers, or does not."""

    def __init__(self, answer: int | Exception) -> None:
        self.answer = answer

    def get(self) -> Share:
        if isinstance(self.answer, Exception):
            raise self.answer
        return Share(weight=self.answer)


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Memory:
    """The records bucket that is looked at."""
    made = Memory()
    monkeypatch.setattr("cutover.aws.client", lambda *_: made.s3)
    return made


def written(memory: Memory, *texts: str) -> None:
    """Versions of the record, one after another."""
    for text in texts:
        found = memory.bucket.read(KEY)
        memory.bucket.replace(KEY, text.encode(), found[1] if found else None)


@pytest.mark.parametrize(
    ("answer", "weight"), [(50, 50), (NothingRoutesError("no edge"), 0), (TrafficError("no answer"), None)]
)
def test_a_look_at_what_routes(
    monkeypatch: pytest.MonkeyPatch, memory: Memory, answer: Any, weight: int | None
) -> None:
    monkeypatch.setattr("cutover.traffic.traffic_split", lambda _where: Split(answer))

    assert guard.look(CANDIDATE) == Seen(weight=weight, records=[])
    assert guard.look(STABLE) == Seen(weight=None, records=[]), "a base is not asked for the weight"


def test_a_look_at_what_is_written_has_the_newest_first(memory: Memory) -> None:
    written(memory, *(replace(RECORD, revision=revision).text() for revision in (2, 9, 10)))

    assert [record.revision for record in guard.look(STABLE).records or ()] == [10, 9, 2]


def test_a_record_that_cannot_be_read_is_none(memory: Memory) -> None:
    written(memory, RECORD.text(), '{"schema": 99}')
    assert guard.look(STABLE).records is None
    memory.s3.away = True
    assert guard.look(STABLE).records is None


def test_an_older_version_of_another_form_is_named_and_blinds_nobody(
    memory: Memory, capsys: pytest.CaptureFixture[str]
) -> None:
    written(memory, '{"schema": 0}', "no JSON", rolled(State.FINISHED).text())

    for _ in range(2):
        assert [record.state for record in guard.look(STABLE).records or ()] == [State.FINISHED]
    assert asked(replace(STABLE, release="digest-1.6.0")) is None
    assert capsys.readouterr().err == (
        "  older versions of s3://records/rollout.json are of another form and count as none: 2, the newest of "
        "2026-11-29 05:00 UTC\n"
    )
