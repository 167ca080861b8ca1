"""The way back from a machine that has never seen the rollout, while Pulumi's state is away: by the records bucket."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from cutover.commands.app import main
from cutover.errors import NoRolloutError, NotPreparedError, RefusedError, StackMissingError
from cutover.rollout import opening
from cutover.rollout.pinned import Pinned
from cutover.rollout.record import State
from cutover.stacks import outputs
from infra.naming import Names
from tests.support.scheduled_ticks import ACCOUNT, REGION, OnAws


@pytest.fixture
def prod(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> OnAws:
    """A stack whose Pulumi does not answer, typed at by a machine that has no copy."""

    def away(*_: object, **__: object) -> None:
        raise StackMissingError("Pulumi is asked")

    monkeypatch.setattr(outputs, "outputs", away)
    monkeypatch.setattr(opening, "opened", partial(opening.opened, folder=tmp_path))
    return OnAws(monkeypatch, Names(stack="prod", account=ACCOUNT, region=REGION))


def test_the_candidate_is_taken_back_and_it_is_written_down(prod: OnAws) -> None:
    prod.begun(State.STAGED)

    assert main(["rollback", "-s", "prod", "--records", prod.bucket, "--why", "orders are late", "--by", "Ada"]) == 0
    assert prod.weight == 0
    assert prod.record
    assert (prod.record.state, prod.record.last.said) == (State.ROLLED_BACK, "orders are late")


def test_without_the_bucket_pulumi_is_asked(prod: OnAws) -> None:
    prod.begun(State.STAGED)

    assert main(["rollback", "-s", "prod"]) == StackMissingError.exit_code
    assert prod.weight == 50


def test_status_shows_what_the_bucket_has(prod: OnAws, capsys: pytest.CaptureFixture[str]) -> None:
    prod.begun(State.STAGED)

    main(["status", "-s", "prod", "--records", prod.bucket])

    assert capsys.readouterr().out.startswith("  STAGED AT 50 %")
    assert prod.weight == 50


@pytest.mark.parametrize(
    ("queue", "says"),
    [
        (b'{"pending": 3, "_mock": false}', "the candidate's worker still delivers what it has accepted, 3 left"),
        (b'{"pending": 3, "_mock": true}', "nobody can count what the candidate still delivers: the queues of"),
    ],
    ids=["counted", "Redis away"],
)
def test_status_says_what_a_candidate_that_was_rolled_back_still_delivers(
    prod: OnAws, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, queue: bytes, says: str
) -> None:
    prod.begun(State.ROLLED_BACK, draining=True)
    monkeypatch.setattr(Pinned, "_get", lambda _self, _path: (200, queue))

    main(["status", "-s", "prod", "--records", prod.bucket])
    assert f"  delivers  {says}" in capsys.readouterr().out
    main(["status", "-s", "prod", "--records", prod.bucket, "--json"])
    assert json.loads(capsys.readouterr().out)["draining"].startswith(says)


@pytest.mark.parametrize("verb", ["rollback", "status"])
def test_a_bucket_of_another_stack_or_without_a_rollout_is_refused(
    prod: OnAws, verb: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = [verb, "-s", "staging", "--records", prod.bucket]
    assert main(typed) == NoRolloutError.exit_code
    prod.begun(State.STAGED)
    assert main(typed) == RefusedError.exit_code
    monkeypatch.delenv(opening.REGION)
    assert main(typed) == NotPreparedError.exit_code

    assert prod.weight == 50
    none, other, nowhere = capsys.readouterr().err.splitlines()
    assert f"there is no rollout in {prod.bucket}" in none
    assert f"{prod.bucket} has the rollout of prod, not of staging" in other
    assert "AWS_REGION is not set" in nowhere
