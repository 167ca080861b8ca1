"""What a rollout begins with, as its two stacks say, and what a base's file says after it."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cutover.errors import CutoverError, RefusedError, StackMissingError
from cutover.rollout import proposal, stable_file
from cutover.rollout.phases import PHASES, FlagValues
from cutover.rollout.proposal import (
    NOT_COPIED,
    Proposal,
    candidate_of,
    require_alike,
    require_other_file,
    targets_of,
)
from cutover.rollout.record import Last, State
from cutover.rollout.stable_file import adopt
from cutover.stacks import project
from cutover.stacks.outputs import Outputs
from infra.settings.sections import FargateSettings
from outputs.schema import AppliedSchema
from tests.support.edge_double import TARGET
from tests.support.rollout_world import AT
from tests.support.rollouts import RECORD, TARGETS

CANDIDATE = replace(TARGET, track="candidate", stack="local-canary", version="1.5.2", digest="c" * 64)
BASE = {
    "smoke_target": TARGET.output(),
    "traffic": TARGETS.traffic.output(),
    "flags_parameters": TARGETS.flags.output(),
    "vault": {"SLACK_WEBHOOK_URL": TARGETS.webhook_secret},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for module in (project, proposal, stable_file):
        monkeypatch.setattr(module, "PROJECT", tmp_path)
    (tmp_path / "migrations").mkdir()
    return tmp_path


def stack(folder: Path, name: str, **settings: str) -> None:
    lines = [f"  web-next:{key}: {value}" for key, value in settings.items()]
    (folder / f"Pulumi.{name}.yaml").write_text("\n".join(["config:", *lines, ""]))


def proposed(**other: Any) -> Proposal:
    made = Proposal(
        stable=TARGET,
        candidate=CANDIDATE,
        applied=TARGET.schema,
        targets=TARGETS,
        phases=PHASES,
        stable_flags=FlagValues(),
    )
    return replace(made, **other)


def test_the_candidate_is_the_one_stack_that_stands_on_the_base(folder: Path) -> None:
    stack(folder, "prod", track="stable")
    with pytest.raises(StackMissingError, match="no stack stands on prod"):
        candidate_of("prod")

    stack(folder, "canary", track="candidate", base="prod")
    stack(folder, "local-canary", track="candidate", base="local")
    assert candidate_of("prod") == "canary"

    stack(folder, "other", track="candidate", base="prod")
    with pytest.raises(StackMissingError, match="canary and other stands on prod"):
        candidate_of("prod")


def test_what_finish_does_not_copy_must_be_alike_before_a_start(folder: Path) -> None:
    stack(folder, "prod", workerCommand="[node, worker.js]")
    stack(folder, "canary", workerCommand="[node, worker.js]")
    require_alike("prod", "canary")

    stack(folder, "canary", workerCommand="[node, other.js]")
    with pytest.raises(RefusedError, match=r"web-next:workerCommand is \['node', 'other.js'\] in Pulumi.canary.yaml"):
        require_alike("prod", "canary")


@pytest.mark.parametrize(
    ("key", "value"), [("architecture", "ARM64"), ("cpu", 1024), ("memory", 512), ("workerTasks", 3)]
)
def test_a_candidate_of_another_size_than_its_base_begins_no_rollout(folder: Path, key: str, value: object) -> None:
    """A fraction of stable would be measured against it, and a larger one would be slower after finish than before."""
    stack(folder, "prod", fargate='{cpu: "512", memory: 1024, tasks: 2}')
    for alike in ("{cpu: 512, workerTasks: 1, tasks: 4}", "{}"):
        stack(folder, "canary", fargate=alike)
        require_alike("prod", "canary")

    stack(folder, "canary", fargate=f"{{{key}: {value}}}")
    with pytest.raises(RefusedError, match=rf"^web-next:fargate\.{key} is {value} in Pulumi\.canary.* into both$"):
        require_alike("prod", "canary")


@pytest.mark.parametrize(("larger", "alike"), [('{"cpu": 2048}', '{"cpu": 512}'), ('{"cpu": 2048}', "{}")])
def test_a_section_that_is_json_text_is_compared_too(folder: Path, larger: str, alike: str) -> None:
    """`pulumi config set web-next:fargate '{…}'` without --path writes it, and the program takes it."""
    stack(folder, "prod", fargate='{cpu: "512"}', workerCommand="[node, worker.js]")
    stack(folder, "canary", fargate=f"'{alike}'", workerCommand="""'["node", "worker.js"]'""")
    require_alike("prod", "canary")

    stack(folder, "canary", fargate=f"'{larger}'", workerCommand="[node, worker.js]")
    with pytest.raises(RefusedError, match=r"^web-next:fargate\.cpu is 2048 in Pulumi\.canary"):
        require_alike("prod", "canary")


def test_a_file_that_is_silent_on_a_size_has_the_settings_own() -> None:
    said = {key.partition(".")[2]: str(silent) for key, silent in NOT_COPIED.items() if "." in key}
    own = {name: str(value) for name, value in FargateSettings().model_dump(by_alias=True).items()}

    assert said.items() <= own.items()
    # How far a candidate is scaled its slot says, and what is left is the balancer's.
    others = {"tasks", "mostTasks", "hostedZoneId", "certificateArn", "wafRequests", "wafManaged"}
    assert own.keys() - said.keys() == others


def test_the_targets_are_the_bases_outputs() -> None:
    assert targets_of(Outputs("local", BASE)) == replace(TARGETS, edge=TARGET.edge, places=TARGET.places)


@pytest.mark.parametrize("missing", sorted(BASE))
def test_a_base_that_was_not_brought_up_to_its_end_splits_no_traffic(missing: str) -> None:
    values = {name: value for name, value in BASE.items() if name != missing}
    with pytest.raises(StackMissingError, match="cutover up -s local"):
        targets_of(Outputs("local", values))


def test_a_rollout_begins_prepared_with_both_releases(folder: Path) -> None:
    record = proposed().record("5d" * 32, Last(by="ada", verb="canary"), AT)

    assert (record.state, record.weight, record.revision) == (State.PREPARED, 0, 1)
    assert record.id == "20261129T050000Z-cccccccc"
    assert (record.releases.stable.version, record.releases.candidate.version) == (TARGET.version, "1.5.2")
    assert (record.stack, record.releases.candidate.stack) == (TARGET.stack, "local-canary")
    assert record.releases.one_way is None


def test_the_release_that_stable_runs_already_is_no_candidate(folder: Path) -> None:
    proposed().require_new()
    with pytest.raises(RefusedError, match=f"local-canary has the release of {TARGET.stack}"):
        proposed(candidate=replace(CANDIDATE, digest=TARGET.digest)).require_new()


SAME = {"image": TARGET.image, "buildSha": TARGET.build_sha, "version": TARGET.version}


def test_the_same_release_is_seen_in_the_candidates_file_before_it_is_brought_up(folder: Path) -> None:
    real = replace(TARGET, adapters=dict.fromkeys(TARGET.adapters, "production"))
    for number in range(TARGET.schema.version):
        (folder / "migrations" / f"{number + 1:03}_step.sql").write_text("SELECT 1;\n")
    stack(folder, "local-canary", **SAME)
    with pytest.raises(
        RefusedError, match=r"local-canary has the release of .*: set another image, version or adapters"
    ):
        require_other_file("local-canary", real)

    for key in SAME:
        stack(folder, "local-canary", **{**SAME, key: "another"})
        require_other_file("local-canary", real)
    stack(folder, "local-canary", **SAME, adapters="{audit: mock}")
    require_other_file("local-canary", real)
    stack(folder, "local-canary", **SAME)
    (folder / "migrations" / f"{TARGET.schema.version + 1:03}_step.sql").write_text("SELECT 1;\n")
    require_other_file("local-canary", real)


def test_a_migration_that_takes_something_from_stable_leaves_no_way_back(folder: Path) -> None:
    for number, text in enumerate(["CREATE TABLE IF NOT EXISTS a (b INT);", "-- cutover: contract\nDROP TABLE a;"], 1):
        (folder / "migrations" / f"{number:03}_step.sql").write_text(text)
    stable = replace(TARGET, schema=AppliedSchema(version=1, digest="1"))

    def one_way(applied: int) -> str | None:
        made = proposed(stable=stable, applied=AppliedSchema(version=applied, digest="2"))
        return made.record("5d", Last(by="ada", verb="canary"), AT).releases.one_way

    assert one_way(applied=1) is None
    assert one_way(applied=2) == "002_step.sql"


def pulumi_that_writes(monkeypatch: pytest.MonkeyPatch, path: Path, text: str, code: int = 0) -> list[list[str]]:
    asked: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        if not code:
            path.write_text(text)
        return subprocess.CompletedProcess(command, code, "", "warning: x\nerror: no passphrase")

    monkeypatch.setattr(subprocess, "run", run)
    return asked


BEFORE = """\
config:
  web-next:track: stable # the base
  web-next:version: 1.5.0

  # How the edge limits.
  web-next:edge:
    burst: 10
"""
AFTER = BEFORE.replace("1.5.0\n\n", "1.5.1\n")


def test_the_bases_file_takes_over_the_release_and_keeps_its_empty_lines(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "Pulumi.local.yaml"
    path.write_text(BEFORE)
    asked = pulumi_that_writes(monkeypatch, path, AFTER)

    shown = adopt("local", RECORD.releases.candidate)

    assert path.read_text() == BEFORE.replace("1.5.0", "1.5.1")
    assert "-  web-next:version: 1.5.0" in shown
    assert "+  web-next:version: 1.5.1" in shown
    assert [line for line in shown.splitlines() if line.startswith(("  -", "  +"))][2:] == [
        "  -  web-next:version: 1.5.0",
        "  +  web-next:version: 1.5.1",
    ]
    (command,) = asked
    for given in ("web-next:version=1.5.1", "web-next:adapters.audit=production", "--stack=local"):
        assert given in command


def test_a_file_that_cannot_be_written_is_as_it_was(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "Pulumi.local.yaml"
    path.write_text(BEFORE)
    pulumi_that_writes(monkeypatch, path, AFTER, code=255)

    with pytest.raises(CutoverError, match=r"Pulumi.local.yaml is as it was: error: no passphrase"):
        adopt("local", RECORD.releases.candidate)
    assert path.read_text() == BEFORE
