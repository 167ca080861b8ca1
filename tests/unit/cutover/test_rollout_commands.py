"""The commands that raise a candidate: in which order they ask, what stops them, and what they leave then."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from cutover.commands import rollout, waiting
from cutover.commands.app import main
from cutover.errors import CutoverError, NoGoError, PackError, RefusedError
from cutover.evidence import keeping
from cutover.evidence.form import Role
from cutover.evidence.keeping import KeptPack
from cutover.evidence.pack import Pack
from cutover.evidence.places import upload
from cutover.gates.judgement import Judgement
from cutover.gates.result import Outcome
from cutover.rollout import proposal
from cutover.rollout.controller import Ticked
from cutover.rollout.effects import Effect, WriteFlags, WriteRecord
from cutover.rollout.record import Record, State
from cutover.smoke.finding import Outcome as Seen
from cutover.smoke.report import Report
from outputs.release import Adapter
from outputs.smoke import SmokeTarget
from tests.support.packs import SUPPLIED, TARGET, findings, report_of
from tests.support.rollout_stacks import NEW, PACK, STABLE, KeptFlags, Stacks, judgement, said
from tests.support.rollouts import TARGETS


def test_a_candidate_without_its_signatures_is_prepared_and_gets_nothing(
    stacks: Stacks, capsys: pytest.CaptureFixture[str]
) -> None:
    stacks.sign(Role.DEVOPS)

    assert main(["canary", "-s", "local"]) == 13
    assert stacks.up == [("local-canary", 0)]
    assert (stacks.record.state, stacks.record.pack, stacks.world.weight) == (State.PREPARED, PACK.id, 0)
    line = said(capsys)
    assert "its pack is not signed by backend, frontend" in line
    assert f"cutover approve {PACK.document.key} -s local --role ROLE" in line


def test_once_it_is_signed_the_same_pack_takes_it_to_canary(stacks: Stacks, capsys: pytest.CaptureFixture[str]) -> None:
    main(["canary", "-s", "local"])
    prepared = stacks.record
    stacks.sign(*Role)

    assert main(["canary", "-s", "local"]) == 0
    assert (stacks.record.id, stacks.record.state, stacks.world.weight) == (prepared.id, State.CANARY, 10)
    assert list(stacks.record.signed) == [f"{role}: Ada (arn:aws:sts::1:ada)" for role in Role]
    printed = capsys.readouterr().out
    assert "  caveat  one signer for devops, backend, frontend: arn:aws:sts::1:ada\n" in printed
    assert f"canary: {NEW.version} has 10 % of local" in printed


@pytest.mark.parametrize("cleaned", [False, True], ids=["locked", "cleaning again"])
def test_a_release_that_was_just_rolled_back_goes_out_again_and_is_said_to_have_been(
    stacks: Stacks, capsys: pytest.CaptureFixture[str], cleaned: bool
) -> None:
    stacks.sign(*Role)
    main(["canary", "-s", "local"])
    assert "was rolled back" not in capsys.readouterr().out
    main(["rollback", "-s", "local", "--why", "orders are late"])
    back = stacks.record
    if cleaned:
        main(["resume", "--cleanup", "-s", "local"])

    assert main(["canary", "-s", "local"]) == 0
    assert (stacks.record.state, stacks.world.weight, stacks.smoked) == (State.CANARY, 10, [])
    line = f"  caveat  {NEW.version} was rolled back {back.since:%Y-%m-%d %H:%M} UTC: orders are late"
    assert line in capsys.readouterr().out


@pytest.mark.parametrize("digest", ["ee" * 32, None], ids=["another release", "not rolled back"])
def test_of_a_release_that_was_not_rolled_back_nothing_is_said(
    stacks: Stacks, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, digest: str | None
) -> None:
    monkeypatch.setattr(rollout, "proven", lambda _target, _now: PACK)
    main(["canary", "-s", "local"])
    if digest:
        main(["rollback", "-s", "local", "--why", "orders are late"])
        stacks.deployed["local-canary"] = replace(NEW, digest=digest)

    assert main(["canary", "-s", "local", "--unsigned", "a test"]) == 0
    assert "was rolled back" not in capsys.readouterr().out


def test_without_signatures_it_goes_on_for_a_reason_that_is_recorded(stacks: Stacks) -> None:
    reasons: set[str | None] = set()

    def note(effect: Effect) -> None:
        if isinstance(effect, WriteRecord):
            reasons.add(effect.record.last.why)

    stacks.world.meanwhile = note
    assert main(["canary", "-s", "local", "--unsigned", "a rehearsal"]) == 0
    assert stacks.world.weight == 10
    assert "a rehearsal" in reasons


def test_a_pack_older_than_a_day_is_made_anew(stacks: Stacks) -> None:
    stacks.hours = 23.9
    main(["canary", "-s", "local"])
    assert stacks.smoked == []

    stacks.hours = 24.1
    main(["canary", "-s", "local"])
    assert stacks.smoked == [NEW]


@pytest.mark.parametrize(
    ("hours", "stack", "again"),
    [(1, "local-canary", True), (-1, "local-canary", False), (1, "local", False), (-23, "local-canary", False)],
    ids=["since the GO", "before the GO", "of another stack", "long before"],
)
def test_a_no_go_since_the_last_go_has_the_candidate_proven_anew(
    stacks: Stacks, hours: int, stack: str, again: bool
) -> None:
    at = PACK.document.at + timedelta(hours=hours)
    failed = [replace(each, at=at) for each in findings(audit=(Seen.FAIL, "503"))]
    upload(stacks.memory.bucket, Pack.of(report_of(failed, replace(NEW, stack=stack), at=at), SUPPLIED))
    stacks.hours = 2

    assert main(["canary", "-s", "local", "--unsigned", "a test"]) == 0
    assert stacks.smoked == ([NEW] if again else [])
    assert (stacks.record.pack == PACK.id) is not again


def test_a_pack_that_was_moved_below_a_release_begins_no_rollout(
    stacks: Stacks, capsys: pytest.CaptureFixture[str]
) -> None:
    others = Pack.of(report_of(findings(), replace(NEW, digest="ab" * 32)), SUPPLIED)
    stacks.memory.bucket.put_files(f"packs/{NEW.digest}/20261129T031500Z", others.files)

    assert main(["canary", "-s", "local", "--unsigned", "a test"]) == PackError.exit_code
    assert stacks.world.written is None
    assert f"is the pack {others.document.key}: it was moved" in said(capsys)


@pytest.mark.parametrize(("ahead", "code"), [(timedelta(minutes=4), 0), (timedelta(days=4000), PackError.exit_code)])
def test_a_pack_that_is_still_to_be_made_begins_no_rollout_and_a_clock_may_be_a_little_ahead(
    stacks: Stacks, capsys: pytest.CaptureFixture[str], ahead: timedelta, code: int
) -> None:
    at = PACK.document.at + ahead
    found = [replace(each, at=at) for each in findings()]
    upload(stacks.memory.bucket, Pack.of(report_of(found, NEW, at=at), SUPPLIED))

    assert main(["canary", "-s", "local", "--unsigned", "a test"]) == code
    if code:
        assert stacks.world.written is None
        assert f"was made at {at:%Y-%m-%d %H:%M} UTC, which is still to come" in said(capsys)


def test_a_no_go_that_somebody_else_found_meanwhile_begins_no_rollout(
    stacks: Stacks, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def keep_pack(report: Report) -> KeptPack:
        at = report.at + timedelta(seconds=5)
        failed = [replace(each, at=at) for each in findings(audit=(Seen.FAIL, "503"))]
        upload(stacks.memory.bucket, Pack.of(report_of(failed, NEW, at=at), SUPPLIED))
        return stacks.keep_pack(report)

    monkeypatch.setattr(keeping, "keep_pack", keep_pack)
    stacks.hours = 25

    assert main(["canary", "-s", "local", "--unsigned", "a test"]) == NoGoError.exit_code
    assert stacks.world.written is None
    assert "another run since is a NO-GO" in said(capsys)


@pytest.mark.parametrize("queue", ["mock", "production"])
def test_a_candidate_is_proven_with_somebody_who_delivers(stacks: Stacks, queue: Adapter) -> None:
    stacks.deployed["local"] = replace(STABLE, adapters={**STABLE.adapters, "queue": queue})
    KeptFlags.said.clear()

    main(["canary", "-s", "local"])
    assert KeptFlags().read(TARGETS.flags.candidate).alerts_consume is (queue == "mock")


def test_a_no_go_leaves_no_rollout(stacks: Stacks) -> None:
    stacks.failure = NoGoError("NO-GO")

    assert main(["canary", "-s", "local"]) == 3
    assert stacks.world.written is None


def test_a_rollout_that_runs_is_left_alone_before_anything_is_brought_up(
    stacks: Stacks, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["canary", "-s", "local", "--unsigned", "a test"])
    stacks.up.clear()

    assert main(["canary", "-s", "local"]) == 13
    assert stacks.up == []
    assert "is canary: finish it or roll it back first" in said(capsys)


def meanwhile(monkeypatch: pytest.MonkeyPatch, *words: str) -> list[int]:
    """Has somebody else type this while the candidate is proven, which takes minutes; how that has ended."""
    ended: list[int] = []

    def proven(_target: SmokeTarget, _now: Callable[[], datetime]) -> Pack:
        if not ended:
            ended.append(0)
            ended[0] = main([*words, "-s", "local"])
        return PACK

    monkeypatch.setattr(rollout, "proven", proven)
    return ended


@pytest.mark.parametrize("words", [["canary"], ["rollback", "--why", "orders are late"]], ids=["canary", "rollback"])
def test_a_second_canary_writes_over_nothing_that_somebody_has_written_while_it_was_proving(
    stacks: Stacks, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    main(["canary", "-s", "local"])
    stacks.sign(*Role)
    ended, written = meanwhile(monkeypatch, *words), list[Record]()
    stacks.world.meanwhile = lambda effect: written.append(effect.record) if isinstance(effect, WriteRecord) else None

    assert main(["canary", "-s", "local", "--unsigned", "in a hurry"]) == 13
    assert ended == [0]
    assert "in a hurry" not in {record.last.why for record in written}
    if "canary" in words:
        assert (stacks.record.state, len(stacks.record.signed), stacks.world.weight) == (State.CANARY, 3, 10)
    else:
        assert (stacks.record.state, stacks.record.last.why) == (State.ROLLED_BACK, "orders are late")
    assert f"somebody went on meanwhile, revision {stacks.record.revision} is {stacks.record.state}" in said(capsys)


def test_a_candidate_that_changed_since_it_was_prepared_is_another_rollout(
    stacks: Stacks, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main(["canary", "-s", "local"])
    stacks.deployed["local-canary"] = replace(NEW, digest="ee" * 32)
    monkeypatch.setattr(rollout, "proven", lambda _target, since: PACK)

    assert main(["canary", "-s", "local", "--unsigned", "a test"]) == 13
    assert "was prepared for 9c9c9c9c9c9c, and local-canary is eeeeeeeeeeee by now" in said(capsys)
    assert stacks.world.weight == 0


def test_what_stable_runs_already_is_no_candidate(stacks: Stacks) -> None:
    stacks.deployed["local"] = TARGET

    assert main(["canary", "-s", "local", "--unsigned", "a test"]) == 13
    assert stacks.world.written is None


def test_a_gate_whose_metric_nobody_has_stops_it_before_the_start(stacks: Stacks) -> None:
    stacks.unknown = CutoverError("gate 'errors' needs nothing_total, which Prometheus does not have")

    assert main(["canary", "-s", "local", "--unsigned", "a test"]) == 1
    assert (stacks.world.written, stacks.world.weight) == (None, 0)


def test_a_pack_of_yesterday_begins_nothing_while_the_candidate_does_not_answer(
    stacks: Stacks, capsys: pytest.CaptureFixture[str]
) -> None:
    stacks.world.answering = {"stable"}

    assert main(["canary", "-s", "local", "--unsigned", "a test"]) == 13
    assert "local-canary does not answer, whatever its pack says" in said(capsys)
    assert (stacks.world.written, stacks.world.weight) == (None, 0)


def test_what_is_no_other_release_by_its_file_is_not_even_brought_up(
    stacks: Stacks, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_candidate: str, _stable: SmokeTarget) -> None:
        raise RefusedError("local-canary has the release of local")

    monkeypatch.setattr(proposal, "require_other_file", refuse)

    assert main(["canary", "-s", "local", "--unsigned", "a test"]) == 13
    assert stacks.up == []
    assert "local-canary has the release of local" in said(capsys)


@pytest.mark.parametrize(
    ("says", "code", "weight"),
    [
        (judgement(Outcome.PASSED), 0, 10),
        (judgement(Outcome.SHARED), 11, 10),
        (judgement(Outcome.FAILED, on="rollback"), 12, 0),
        (judgement(Outcome.INCONCLUSIVE, remaining=1800), 11, 10),
    ],
)
def test_waiting_ends_as_the_gates_say(stacks: Stacks, says: Judgement, code: int, weight: int) -> None:
    stacks.says = says

    assert main(["canary", "-s", "local", "--unsigned", "a test", "--wait", "1s"]) == code
    assert stacks.world.weight == weight
    assert [tick.record and tick.record.weight for tick in stacks.reported][-1] == weight, "each tick is told of"


def test_only_the_tick_that_takes_it_back_ends_so(stacks: Stacks) -> None:
    main(["canary", "-s", "local", "--unsigned", "a test"])
    stacks.says = judgement(Outcome.FAILED, on="rollback")

    assert main(["tick", "-s", "local"]) == 12
    assert stacks.world.weight == 0
    assert main(["tick", "-s", "local"]) == 0


def test_a_tick_that_leaves_something_says_so_until_it_is_done(stacks: Stacks) -> None:
    main(["canary", "-s", "local", "--unsigned", "a test"])
    stacks.world.away = (WriteFlags,)
    assert main(["tick", "-s", "local"]) == 14

    stacks.world.away = ()
    assert main(["tick", "-s", "local"]) == 0


@pytest.mark.parametrize("text", ["30", "m", "1d", "-5m", "1.5h"])
def test_what_is_no_duration_is_wrong_usage(stacks: Stacks, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["staged", "-s", "local", "--wait", text]) == 2
    assert stacks.world.weight == 0


@pytest.mark.parametrize(("remaining", "pause"), [(0.0, 10.0), (3.0, 4.0), (600.0, 10.0)])
def test_who_waits_looks_again_when_the_hold_ends_and_every_ten_seconds_else(remaining: float, pause: float) -> None:
    ticked = Ticked(None, judgement(Outcome.INCONCLUSIVE, remaining=remaining))

    assert waiting.pause(ticked) == pause
