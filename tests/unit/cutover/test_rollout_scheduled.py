"""A tick of the schedule: it finds the rollout in the records bucket, acts as any tick, and ends with one line."""

from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from cutover.commands.app import main
from cutover.errors import NotPreparedError
from cutover.gates.judgement import Judgement
from cutover.gates.result import GateResult, Outcome
from cutover.rollout.record import State
from infra.naming import Names
from offline.machine import ROOT
from tests.support.rollout_world import AT
from tests.support.scheduled_ticks import ACCOUNT, REGION, OnAws

ERRORS = GateResult(
    name="errors", outcome=Outcome.FAILED, on="rollback", limit=0.02, bad=3, of=20, why="3 of 20 failed"
)
FAILED = Judgement(at=AT, outcome=Outcome.FAILED, why=ERRORS.why, gates=[ERRORS], elapsed=60, remaining=0)
WAITS = Judgement(at=AT, outcome=Outcome.INCONCLUSIVE, why="too few yet", gates=[], elapsed=60, remaining=900)


@pytest.fixture
def prod(monkeypatch: pytest.MonkeyPatch) -> OnAws:
    return OnAws(monkeypatch, Names(stack="prod", account=ACCOUNT, region=REGION), says=WAITS)


def line(prod: OnAws) -> dict[str, Any]:
    said = prod.tick()
    assert "\n" not in said, "a filter of CloudWatch's reads line by line"
    read: dict[str, Any] = json.loads(said)
    return read


def test_without_a_rollout_a_tick_is_well_and_says_so(prod: OnAws) -> None:
    assert line(prod) == {"ticked": True, "stack": "prod"}
    assert prod.asked() == {"GetObject"}


def test_while_the_gates_wait_it_says_what_they_have_seen_and_what_routes(prod: OnAws) -> None:
    prod.begun(State.CANARY)
    said = line(prod)

    assert said["ticked"] is True
    assert (said["state"], said["routes"]["weight"], said["judgement"]["why"]) == ("canary", 10, "too few yet")
    assert "ModifyListener" not in prod.asked()
    assert prod.said == []


def test_a_gate_that_fails_takes_the_candidate_back_and_people_are_told(prod: OnAws) -> None:
    prod.says = FAILED
    prod.begun(State.CANARY)
    said = line(prod)

    assert (said["state"], said["routes"]["weight"]) == ("rolled_back", 0)
    assert prod.weight == 0
    assert prod.record
    assert (prod.record.state, prod.record.last.by, prod.record.last.gate) == (
        State.ROLLED_BACK,
        "the schedule",
        "errors",
    )
    assert len(prod.said) == 1


@pytest.mark.parametrize(("says", "state"), [("FAILED", "rolled_back"), ("AWAY", "canary")])
def test_what_the_channel_does_not_take_a_later_tick_tells_and_once(prod: OnAws, says: str, state: str) -> None:
    prod.says = {"FAILED": FAILED, "AWAY": replace(WAITS, outcome=Outcome.NO_DATA)}[says]
    prod.begun(State.CANARY)
    prod.silent = True
    assert [line(prod)["left"] for _ in range(3)] == [["notice"]] * 3
    written = [call.parameters["Key"] for call in prod.calls if call.operation == "PutObject"]
    assert written.count("journal.json") == 1, "each version of an object is kept for months"
    prod.silent = False

    assert [line(prod)["left"] for _ in range(3)] == [[]] * 3
    (said,) = prod.said
    assert said.startswith(f"*web-next prod: {state.replace('_', ' ')}*")


def test_what_was_taken_back_and_not_written_down_is_written_down(prod: OnAws) -> None:
    prod.begun(State.STAGED)
    prod.weight, prod.tags = 0, {"web-next:rollout": "r7 4 open", "web-next:taken-back": "r7"}

    assert line(prod)["state"] == "rolled_back"
    assert prod.record
    assert prod.record.state is State.ROLLED_BACK


def test_it_keeps_nothing_on_its_machine_and_asks_no_pulumi(
    prod: OnAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    for name in ("PULUMI_HOME", "PULUMI_BACKEND_URL"):
        monkeypatch.delenv(name, raising=False)
    prod.begun(State.CANARY)
    line(prod)

    assert list(tmp_path.iterdir()) == []


def test_without_a_region_nothing_is_asked(prod: OnAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")

    with pytest.raises(NotPreparedError, match="AWS_REGION is not set: with --records it must name the region"):
        prod.tick()
    assert prod.calls == []


def test_the_command_prints_the_line_and_ends_well_whatever_the_rollout_has_come_to(
    prod: OnAws, capsys: pytest.CaptureFixture[str]
) -> None:
    prod.says = FAILED
    prod.begun(State.CANARY)

    assert main(["tick", "-s", "prod", "--records", prod.bucket]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "rolled_back"


TICK_ALONE = """
import sys
sys.modules.update(dict.fromkeys({missing!r}))
import pytest
import cutover.rollout.observing
from infra.naming import Names
from cutover.commands.app import main
from cutover.gates.judgement import Judgement
from cutover.rollout.record import State
from tests.support.scheduled_ticks import OnAws
with pytest.MonkeyPatch.context() as patch:
    prod = OnAws(patch, Names(stack="prod", account="123456789012", region="eu-central-1"))
    prod.begun(State.PREPARED)
    raise SystemExit(main(["tick", "-s", "prod", "--records", prod.bucket]))
"""


def packages(file: str) -> set[str]:
    """The packages of a requirement file."""
    return set(re.findall(r"^([a-z0-9-]+)==", (ROOT / file).read_text(), re.MULTILINE))


def test_a_tick_imports_nothing_that_cutovers_image_lacks() -> None:
    lacking = packages("requirements.txt") - packages("cutover/requirements.txt")
    found = importlib.metadata.packages_distributions()
    packaged = {name: {canonicalize_name(one) for one in owners} for name, owners in found.items()}
    missing = ["policy", *sorted(name for name, owners in packaged.items() if owners <= lacking)]

    assert {"docker", "jinja2", "playwright", "psycopg", "pulumi", "pulumi_aws", "yaml"} <= {*missing}
    done = subprocess.run(
        [sys.executable, "-c", TICK_ALONE.format(missing=missing)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ticked"] is True


def test_cutovers_image_has_the_models_of_the_services_that_are_asked_and_the_folders_that_are_imported(
    prod: OnAws,
) -> None:
    recipe = (ROOT / "cutover" / "Dockerfile").read_text()
    prod.says = FAILED
    prod.begun(State.CANARY)
    prod.tick()

    kept = set(re.findall(r"! -name ([\w-]+)", recipe))
    assert {call.service for call in prod.calls} <= kept
    assert {"sts", "cloudwatch"} <= kept, "who one is, and what the gates look at"
    assert re.findall(r"^COPY (\w+) ", recipe, re.MULTILINE) == ["outputs", "cutover"]
