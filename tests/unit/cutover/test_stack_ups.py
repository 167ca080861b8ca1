"""An update of a stack: what it takes, what is looked after before it begins, and what is not begun."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pulumi import automation as auto

from cutover.errors import (
    CutoverError,
    MigrationError,
    NotPreparedError,
    StackLockedError,
    StackMissingError,
    UnreachableError,
)
from cutover.stacks import bring_up as bringing_up
from cutover.stacks import outputs, project, update
from cutover.stacks.bring_up import bring_up
from offline import stackfile
from tests.support.database_output import OUTPUT, SCHEMA
from tests.support.edge_double import TARGET
from tests.support.pulumi_says import failed, lock


@pytest.mark.parametrize("name", ["PULUMI_HOME", "PULUMI_BACKEND_URL"])
def test_outside_the_prepared_environment_nothing_is_opened(
    backend: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv(name)

    with pytest.raises(NotPreparedError, match=rf"{name} is not set: .* source \.local/env"):
        outputs.outputs("local")


@pytest.mark.parametrize("home", [None, ""])
def test_a_stack_on_aws_needs_its_backend_and_takes_pulumis_own_home(
    backend: Path, monkeypatch: pytest.MonkeyPatch, home: str | None
) -> None:
    """As on a runner of GitHub's, which has no PULUMI_HOME, and an empty variable for one that nobody has set."""
    monkeypatch.delenv("PULUMI_HOME")
    if home is not None:
        monkeypatch.setenv("PULUMI_HOME", home)
    project.require_prepared("prod")
    monkeypatch.setenv("PULUMI_BACKEND_URL", "")

    with pytest.raises(NotPreparedError, match="PULUMI_BACKEND_URL is not set, and stack prod is on AWS: name the "):
        outputs.outputs("prod")


def test_a_pulumi_that_is_not_there_is_said_in_a_line(
    backend: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(NotPreparedError, match="pulumi is not on PATH"):
        outputs.outputs("local")


def test_a_pulumi_that_is_too_old_is_said_in_a_line(
    backend: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "pulumi"
    old.write_text("#!/bin/sh\necho v3.0.9\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK", raising=False)

    with pytest.raises(NotPreparedError, match=r"your current CLI version is 3\.0\.9.* make up"):
        bring_up("local", refresh=False)


class Opened:
    """An opened stack that records what is asked of it."""

    def __init__(
        self,
        *,
        pending: bool = False,
        resources: Sequence[dict[str, Any]] = (),
    ) -> None:
        self.asked: list[str] = []
        self.refuses: tuple[str, ...] = ()
        self.packs: list[str] = []
        self._pending = [{"type": "creating"}] if pending else []
        self._resources = list(resources)

    def cancel(self) -> None:
        self.asked.append("cancel")

    def refresh(self, **options: Any) -> None:
        assert options["clear_pending_creates"]
        self.asked.append("refresh")

    def export_stack(self) -> SimpleNamespace:
        return SimpleNamespace(deployment={"pending_operations": self._pending, "resources": self._resources})

    def preview(self, **options: Any) -> None:
        self.asked.append("preview")
        self.packs = options["policy_packs"]
        for problem in self.refuses:
            said = SimpleNamespace(severity="error", message=problem)
            options["on_event"](SimpleNamespace(policy_event=None, diagnostic_event=said))
        if self.refuses:
            raise failed("")

    def up(self, **options: Any) -> None:
        self.asked.append("up")
        self.packs = options["policy_packs"]


def opening(monkeypatch: pytest.MonkeyPatch, opened: Opened) -> Opened:
    monkeypatch.setattr(auto, "LocalWorkspace", lambda **_: None)
    monkeypatch.setattr(update, "_Stack", lambda *_: opened)
    return opened


def test_up_on_a_clean_stack_only_updates(backend: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = opening(monkeypatch, Opened())
    bring_up("local", refresh=False)

    assert opened.asked == ["up"]


def test_an_update_that_is_done_asks_pulumi_for_no_more(
    backend: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cli, asked = tmp_path / "bin" / "pulumi", tmp_path / "asked"
    cli.parent.mkdir()
    cli.write_text(
        f"""#!/bin/sh
echo $* >>{asked}
case $* in version) echo v3.259.0 ;; *export*) echo '{{"version": 3, "deployment": {{}}}}' ;; esac
"""
    )
    cli.chmod(0o755)
    monkeypatch.setenv("PATH", f"{cli.parent}:{os.environ['PATH']}")
    bring_up("local", refresh=False)

    assert " up " in asked.read_text().splitlines()[-1]


def test_up_clears_what_a_killed_run_left_behind(backend: Path, dead: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lock(backend, dead)
    opened = opening(monkeypatch, Opened(pending=True))
    bring_up("local", refresh=False)

    assert opened.asked == ["cancel", "refresh", "up"]


def test_up_does_not_touch_a_stack_that_is_being_changed(
    backend: Path, live_pulumi: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock(backend, live_pulumi)
    opened = opening(monkeypatch, Opened())

    with pytest.raises(StackLockedError):
        bring_up("local", refresh=False)
    assert opened.asked == []


KEPT = {
    "type": "aws:s3/bucket:Bucket",
    "urn": "urn:pulumi:local::web-next::aws:s3/bucket:Bucket::evidence",
    "protect": True,
}


def test_where_data_is_protected_a_preview_goes_first(backend: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = opening(monkeypatch, Opened(resources=[KEPT]))
    bring_up("local", refresh=False)

    assert opened.asked == ["preview", "up"]


def test_a_stack_on_aws_is_judged_by_the_policy_in_a_preview_first(
    backend: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened = opening(monkeypatch, Opened())
    monkeypatch.setattr("cutover.stacks.update.config", lambda _: {"web-next:runtime": "fargate"})
    bring_up("local", refresh=False)

    assert opened.asked == ["preview", "up"]
    assert opened.packs == [str(tmp_path / "project" / "policy")]


@pytest.mark.parametrize(
    "said",
    [
        'unable to replace resource "urn:pulumi:local::web-next::aws:s3/bucket:Bucket::evidence"\n'
        "as it is currently marked for protection. To unprotect the resource, remove the `protect` flag",
        'resource "urn:pulumi:local::web-next::aws:s3/bucket:Bucket::evidence" cannot be deleted\n'
        "because it is protected. To unprotect the resource, either remove the `protect` flag",
    ],
    ids=["replaced", "deleted"],
)
def test_what_a_preview_refuses_is_not_begun_and_the_way_out_is_named(
    backend: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], said: str
) -> None:
    opened = opening(monkeypatch, Opened(resources=[KEPT]))
    opened.refuses = (said,)

    with pytest.raises(CutoverError, match=r"stack local: evidence is protected, .*web-next:mayDestroy"):
        bring_up("local", refresh=False)
    assert opened.asked == ["preview"]
    assert "To unprotect" in capsys.readouterr().out


def root(**access: Any) -> dict[str, Any]:
    """The stack's own resource, its last update's way to the database in its outputs."""
    return {"type": "pulumi:pulumi:Stack", "outputs": {"audit_db_access": OUTPUT | access}}


EDITED = {"type": SCHEMA, "inputs": {"checksums": {"001_audit_log.sql": "of what was applied"}}}


@pytest.mark.parametrize(
    ("resource", "expected", "text"),
    [
        (EDITED, MigrationError, r"001_audit_log\.sql"),
        (root(endpoint="127.0.0.1:1"), UnreachableError, r"database at 127\.0\.0\.1:1 does not answer"),
    ],
)
def test_an_up_that_would_stop_in_its_middle_does_not_begin(
    backend: Path,
    dead: int,
    monkeypatch: pytest.MonkeyPatch,
    resource: dict[str, Any],
    expected: type[CutoverError],
    text: str,
) -> None:
    (project.PROJECT / "migrations").mkdir()
    (project.PROJECT / "migrations" / "001_audit_log.sql").write_text("SELECT 1;\n")
    lock(backend, dead)
    opened = opening(monkeypatch, Opened(pending=True, resources=[resource]))

    with pytest.raises(expected, match=text):
        bring_up("local", refresh=True)
    assert opened.asked == []


@pytest.mark.parametrize("text", ["config: {a: b\n", "- a list\n", "config: a text\n", "\tconfig: {}\n"])
def test_a_stack_file_that_is_no_yaml_of_a_stack_is_one_line_that_names_it(backend: Path, text: str) -> None:
    (project.PROJECT / "Pulumi.local.yaml").write_text(text)

    with pytest.raises(CutoverError, match=r"^Pulumi\.local\.yaml is no YAML of a stack: .*; mend it$"):
        project.config("local")


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_a_stack_file_that_a_killed_machine_has_left_empty_is_one_line_with_the_way_out(
    backend: Path, text: str
) -> None:
    (project.PROJECT / "Pulumi.local.yaml").write_text(text)

    with pytest.raises(CutoverError, match=r"^Pulumi\.local\.yaml is empty: restore it, git checkout .* by make up, "):
        outputs.outputs("local")


@pytest.mark.parametrize("stack", ["prod", "canary"])
def test_a_machine_that_the_balancer_does_not_let_in_updates_neither_a_base_nor_its_candidate(
    backend: Path, monkeypatch: pytest.MonkeyPatch, stack: str
) -> None:
    target = replace(TARGET, edge=replace(TARGET.edge, address="lb.test")).output()
    root = {"type": "pulumi:pulumi:Stack", "urn": "u", "outputs": {"smoke_target": target} if stack == "prod" else {}}
    opened = opening(monkeypatch, Opened(resources=[root]))
    (project.PROJECT / "Pulumi.canary.yaml").write_text("config:\n  web-next:base: prod\n")
    monkeypatch.setattr(bringing_up, "outputs", lambda base: outputs.Outputs(base, {"smoke_target": target}))

    def connect(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr("socket.create_connection", connect)
    with pytest.raises(UnreachableError, match=r"lb\.test does not let this machine in, .* pulumi up -s prod"):
        bring_up(stack)
    assert opened.asked == []


def test_a_stack_without_a_file_is_refused_with_those_that_have_one(backend: Path) -> None:
    with pytest.raises(StackMissingError, match=r"there is no Pulumi\.prd\.yaml: the stacks here are .*\bprod\b"):
        bring_up("prd", refresh=False)
    assert not backend.exists()


@pytest.mark.parametrize("stack", ["local", "local-canary"])
def test_where_a_machines_own_stack_has_no_file_the_way_out_is_what_writes_it(backend: Path, stack: str) -> None:
    for name in project.MADE:
        (project.PROJECT / f"Pulumi.{name}.yaml").unlink(missing_ok=True)

    with pytest.raises(StackMissingError, match=rf"there is no Pulumi\.{stack}\.yaml: run make up, which writes it; "):
        bring_up(stack, refresh=False)


def test_the_stacks_that_are_said_to_be_made_are_those_that_are() -> None:
    assert set(project.MADE) == set(stackfile.STACKS)


def test_a_stack_on_aws_is_refused_where_the_providers_are_stand_ins(
    backend: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_HOME", str(project.PROJECT / ".local" / "pulumi"))
    before = (project.PROJECT / "Pulumi.prod.yaml").read_text()

    with pytest.raises(NotPreparedError, match="stack prod is on AWS"):
        bring_up("prod", refresh=False)

    assert (project.PROJECT / "Pulumi.prod.yaml").read_text() == before
