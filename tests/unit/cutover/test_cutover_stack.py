"""Locks, preparation and causes: what stands between a person and a traceback."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
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
from cutover.stacks import stack as stacks
from cutover.stacks.preflight import SCHEMA
from cutover.stacks.stack import Stack
from tests.support.database_output import OUTPUT


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The prepared environment of a project with the stacks local and prod, with an empty state backend."""
    project = tmp_path / "project"
    project.mkdir()
    for name in ("Pulumi.yaml", "Pulumi.prod.yaml"):
        shutil.copy(stacks.PROJECT / name, project)
    (project / "Pulumi.local.yaml").write_text("config:\n  web-next:runtime: docker\n")
    monkeypatch.setattr(stacks, "PROJECT", project)
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{tmp_path}/state")
    return tmp_path / "state"


@pytest.fixture
def live_pulumi(tmp_path: Path) -> Iterator[int]:
    """The id of a process that is called pulumi."""
    binary = tmp_path / "pulumi"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", binary)
    with subprocess.Popen([binary, "60"]) as process:
        while Path(f"/proc/{process.pid}/comm").read_text() != "pulumi\n":
            time.sleep(0.001)
        yield process.pid
        process.kill()


@pytest.fixture
def dead() -> int:
    """The id of a process that has ended."""
    with subprocess.Popen(["true"]) as process:
        pass
    return process.pid


def lock(backend: Path, pid: int, hostname: str | None = None, stack: str = "local", name: str = "one") -> None:
    """Writes a lock as Pulumi's file backend does."""
    folder = backend / ".pulumi" / "locks" / "organization" / "web-next" / stack
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "pid": pid,
        "username": "ada",
        "hostname": hostname or socket.gethostname(),
        "timestamp": "2025-06-01T12:00:00.123456789Z",
    }
    (folder / f"{name}.json").write_text(json.dumps(content))


def failed(text: str, error: type[auto.errors.CommandError] = auto.errors.CommandError) -> auto.errors.CommandError:
    return error(auto._cmd.CommandResult(stdout="", stderr=text, code=255))


def test_an_unlocked_stack_has_no_stale_lock(backend: Path) -> None:
    assert not Stack("local")._lock_is_stale()


def test_the_lock_of_a_dead_process_is_stale(backend: Path, dead: int) -> None:
    lock(backend, dead)

    assert Stack("local")._lock_is_stale()


def test_a_process_number_that_went_to_another_program_is_stale(backend: Path) -> None:
    lock(backend, os.getpid())

    assert Stack("local")._lock_is_stale()


def test_the_lock_of_a_live_pulumi_is_respected_and_named(backend: Path, live_pulumi: int) -> None:
    lock(backend, live_pulumi)

    with pytest.raises(StackLockedError) as refused:
        Stack("local")._lock_is_stale()
    assert str(refused.value) == (
        f"stack local is being changed by process {live_pulumi} of ada on {socket.gethostname()} since "
        "2025-06-01T12:00:00: let it end, or stop it and run pulumi cancel -s local"
    )


def test_the_lock_of_another_machine_is_respected_even_if_no_such_process_is_here(backend: Path, dead: int) -> None:
    lock(backend, dead, hostname="elsewhere")

    with pytest.raises(StackLockedError, match="on elsewhere since"):
        Stack("local")._lock_is_stale()


def test_one_live_lock_among_stale_ones_is_respected(backend: Path, dead: int, live_pulumi: int) -> None:
    lock(backend, dead, name="a")
    lock(backend, live_pulumi, name="b")

    with pytest.raises(StackLockedError):
        Stack("local")._lock_is_stale()


def test_another_stacks_lock_does_not_count(backend: Path, live_pulumi: int) -> None:
    lock(backend, live_pulumi, stack="prod")

    assert not Stack("local")._lock_is_stale()


def test_locks_of_other_backends_are_left_to_pulumi(backend: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://state")

    assert not Stack("local")._lock_is_stale()


@pytest.mark.parametrize("name", ["PULUMI_HOME", "PULUMI_BACKEND_URL"])
def test_outside_the_prepared_environment_nothing_is_opened(
    backend: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv(name)

    with pytest.raises(NotPreparedError, match=rf"{name} is not set: .* source \.local/env"):
        Stack("local").outputs()


def test_a_pulumi_that_is_not_there_is_said_in_a_line(
    backend: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(NotPreparedError, match="pulumi is not on PATH"):
        Stack("local").outputs()


def test_a_pulumi_that_is_too_old_is_said_in_a_line(
    backend: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "pulumi"
    old.write_text("#!/bin/sh\necho v3.0.9\n")
    old.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("PULUMI_AUTOMATION_API_SKIP_VERSION_CHECK", raising=False)

    with pytest.raises(NotPreparedError, match=r"your current CLI version is 3\.0\.9.* make up"):
        Stack("local").outputs()


class Opened:
    """An opened stack that records what is asked of it."""

    def __init__(
        self,
        *,
        pending: bool = False,
        outputs: dict[str, auto.OutputValue] | None = None,
        resources: Sequence[dict[str, Any]] = (),
    ) -> None:
        self.asked: list[str] = []
        self.refuses: tuple[str, ...] = ()
        self._pending = [{"type": "creating"}] if pending else []
        self._outputs = outputs or {}
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
        for problem in self.refuses:
            options["on_event"](SimpleNamespace(diagnostic_event=SimpleNamespace(severity="error", message=problem)))
        if self.refuses:
            raise failed("")

    def up(self, **options: Any) -> SimpleNamespace:
        self.asked.append("up")
        return SimpleNamespace(summary=SimpleNamespace(resource_changes={"same": 3}))

    def outputs(self) -> dict[str, auto.OutputValue]:
        return self._outputs


def opening(monkeypatch: pytest.MonkeyPatch, opened: Opened) -> Opened:
    monkeypatch.setattr(auto, "select_stack", lambda **_: opened)
    monkeypatch.setattr(auto, "create_or_select_stack", lambda **_: opened)
    return opened


def test_up_on_a_clean_stack_only_updates(backend: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = opening(monkeypatch, Opened())
    Stack("local").up(refresh=False)

    assert opened.asked == ["up"]


def test_up_clears_what_a_killed_run_left_behind(backend: Path, dead: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lock(backend, dead)
    opened = opening(monkeypatch, Opened(pending=True))
    Stack("local").up(refresh=False)

    assert opened.asked == ["cancel", "refresh", "up"]


def test_up_does_not_touch_a_stack_that_is_being_changed(
    backend: Path, live_pulumi: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock(backend, live_pulumi)
    opened = opening(monkeypatch, Opened())

    with pytest.raises(StackLockedError):
        Stack("local").up(refresh=False)
    assert opened.asked == []


KEPT = {
    "type": "aws:s3/bucket:Bucket",
    "urn": "urn:pulumi:local::web-next::aws:s3/bucket:Bucket::evidence",
    "protect": True,
}


def test_where_data_is_protected_a_preview_goes_first(backend: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = opening(monkeypatch, Opened(resources=[KEPT]))
    Stack("local").up(refresh=False)

    assert opened.asked == ["preview", "up"]


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

    with pytest.raises(CutoverError, match=r"stack local: evidence holds data and is protected, .*web-next:mayDestroy"):
        Stack("local").up(refresh=False)
    assert opened.asked == ["preview"]
    assert "To unprotect" in capsys.readouterr().out


def test_a_plugin_that_was_told_to_stop_is_not_why_an_update_failed() -> None:
    problems = ["Detected that pulumi-resource-docker exited prematurely.", "Secret 'a' exists already"]

    assert str(stacks._cause("local", failed(""), problems)) == "stack local: Secret 'a' exists already"
    assert "exited prematurely" in str(stacks._cause("local", failed(""), problems[:1]))


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
    (stacks.PROJECT / "migrations").mkdir()
    (stacks.PROJECT / "migrations" / "001_audit_log.sql").write_text("SELECT 1;\n")
    lock(backend, dead)
    opened = opening(monkeypatch, Opened(pending=True, resources=[resource]))

    with pytest.raises(expected, match=text):
        Stack("local").up(refresh=True)
    assert opened.asked == []


def test_outputs_mask_secrets_unless_asked_for(backend: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = {"plain": auto.OutputValue("a", False), "hidden": auto.OutputValue("b", True)}
    opening(monkeypatch, Opened(outputs=outputs))

    assert Stack("local").outputs() == {"plain": "a", "hidden": "[secret]"}
    assert Stack("local").outputs(show_secrets=True) == {"plain": "a", "hidden": "b"}


def test_a_stack_without_outputs_was_never_brought_up(backend: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opening(monkeypatch, Opened())

    with pytest.raises(StackMissingError, match="bring it up first"):
        Stack("local").outputs()


@pytest.mark.parametrize(
    ("error", "expected", "text"),
    [
        (failed("", auto.errors.StackNotFoundError), StackMissingError, "stack local does not exist here"),
        (failed("", auto.errors.ConcurrentUpdateError), StackLockedError, "locked by another update"),
        (
            failed("error: get stack secrets manager: incorrect passphrase"),
            NotPreparedError,
            "PULUMI_CONFIG_PASSPHRASE_FILE",
        ),
        (failed("warning: old\nerror: disk full\n"), CutoverError, "stack local: error: disk full"),
        (failed("no cause"), CutoverError, "stack local: the update failed, see above"),
    ],
)
def test_pulumis_failures_become_one_line(
    backend: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: auto.errors.CommandError,
    expected: type[CutoverError],
    text: str,
) -> None:
    def fail(**_: str) -> None:
        raise error

    monkeypatch.setattr(auto, "select_stack", fail)

    with pytest.raises(CutoverError, match=text) as refused:
        Stack("local").outputs()
    assert type(refused.value) is expected
    assert "\n" not in str(refused.value)


def test_the_first_problem_of_an_update_is_its_cause() -> None:
    error = stacks._cause("local", failed("error: update failed"), ["hook smoke failed", "second"])

    assert str(error) == "stack local: hook smoke failed"


def test_a_stack_without_a_file_is_refused_with_those_that_have_one(backend: Path) -> None:
    with pytest.raises(StackMissingError, match=r"there is no Pulumi\.prd\.yaml: the stacks here are .*\bprod\b"):
        Stack("prd").up(refresh=False)
    assert not backend.exists()


def test_a_stack_on_aws_is_refused_where_the_providers_are_stand_ins(
    backend: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_HOME", str(stacks.PROJECT / ".local" / "pulumi"))
    before = (stacks.PROJECT / "Pulumi.prod.yaml").read_text()

    with pytest.raises(NotPreparedError, match="stack prod is on AWS"):
        Stack("prod").up(refresh=False)

    assert (stacks.PROJECT / "Pulumi.prod.yaml").read_text() == before
