"""Locks, preparation and causes: what stands between a person and a traceback."""

from __future__ import annotations

import io
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

import boto3
import pytest
from botocore.stub import Stubber
from pulumi import automation as auto

from cutover.errors import (
    CutoverError,
    MigrationError,
    NoGoError,
    NotPreparedError,
    PolicyBrokenError,
    RefusedError,
    StackLockedError,
    StackMissingError,
    UnreachableError,
)
from cutover.stacks import locks, outputs, project, update
from cutover.stacks.bring_up import bring_up
from cutover.stacks.causes import cause
from tests.support.database_output import OUTPUT, SCHEMA


@pytest.fixture
def backend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The prepared environment of a project with the stacks local and prod, with an empty state backend."""
    folder = tmp_path / "project"
    folder.mkdir()
    for name in ("Pulumi.yaml", "Pulumi.prod.yaml"):
        shutil.copy(project.PROJECT / name, folder)
    (folder / "Pulumi.local.yaml").write_text("config:\n  web-next:runtime: docker\n")
    for module in (project, outputs, update):
        monkeypatch.setattr(module, "PROJECT", folder)
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


def failed(text: str) -> auto.errors.CommandError:
    return auto.errors.CommandError(auto._cmd.CommandResult(stdout="", stderr=text, code=255))


class Bucket:
    """S3, which has as objects the files of a folder, below a prefix."""

    def __init__(self, folder: Path, prefix: str) -> None:
        self._folder, self._prefix = folder, prefix
        self.exceptions = SimpleNamespace(NoSuchKey=KeyError)

    def list_objects_v2(self, *, Bucket: str, Prefix: str) -> dict[str, Any]:  # noqa: N803
        assert Bucket == "state-of-us"
        paths = (f"{self._prefix}{path.relative_to(self._folder)}" for path in self._folder.rglob("*.json"))
        found = [{"Key": key} for key in paths if key.startswith(Prefix)]
        return {"Contents": found} if found else {}

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        return {"Body": io.BytesIO((self._folder / Key.removeprefix(self._prefix)).read_bytes())}


@pytest.fixture(params=["files", "a bucket", "a bucket's folder"])
def locking(request: pytest.FixtureRequest, backend: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the state's backend, in each kind that has locks."""
    if request.param != "files":
        folder = "/ours" if request.param == "a bucket's folder" else ""
        monkeypatch.setenv("PULUMI_BACKEND_URL", f"s3://state-of-us{folder}?region=eu-central-1")

        def client(service: str, region_name: str) -> Bucket:
            assert (service, region_name) == ("s3", "eu-central-1")
            return Bucket(backend, folder[1:] and f"{folder[1:]}/")

        monkeypatch.setattr("boto3.client", client)
    return backend


def test_an_unlocked_stack_has_no_stale_lock(locking: Path) -> None:
    assert not locks.is_stale("local")


def test_the_lock_of_a_dead_process_is_stale(locking: Path, dead: int) -> None:
    lock(locking, dead)

    assert locks.is_stale("local")


def test_a_process_number_that_went_to_another_program_is_stale(locking: Path) -> None:
    lock(locking, os.getpid())

    assert locks.is_stale("local")


def test_the_lock_of_a_live_pulumi_is_respected_and_named(locking: Path, live_pulumi: int) -> None:
    lock(locking, live_pulumi)

    with pytest.raises(StackLockedError) as refused:
        locks.is_stale("local")
    assert str(refused.value) == (
        f"stack local is being changed by process {live_pulumi} of ada on {socket.gethostname()} since "
        "2025-06-01T12:00:00: let it end, or stop it and run pulumi cancel -s local"
    )


def test_the_lock_of_another_machine_is_respected_even_if_no_such_process_is_here(locking: Path, dead: int) -> None:
    lock(locking, dead, hostname="elsewhere")

    with pytest.raises(StackLockedError, match="on elsewhere since"):
        locks.is_stale("local")


def test_one_live_lock_among_stale_ones_is_respected(locking: Path, dead: int, live_pulumi: int) -> None:
    lock(locking, dead, name="a")
    lock(locking, live_pulumi, name="b")

    with pytest.raises(StackLockedError):
        locks.is_stale("local")


def test_another_stacks_lock_does_not_count(locking: Path, live_pulumi: int) -> None:
    lock(locking, live_pulumi, stack="prod")

    assert not locks.is_stale("local")


def test_a_lock_that_is_released_while_it_is_read_does_not_count(
    locking: Path, dead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock(locking, dead)

    def gone(*_: Any, **__: Any) -> None:
        raise FileNotFoundError if "file:" in os.environ["PULUMI_BACKEND_URL"] else KeyError

    monkeypatch.setattr(Path, "read_text", gone)
    monkeypatch.setattr(Bucket, "get_object", gone)

    assert not locks.is_stale("local")


def test_a_bucket_that_cannot_be_read_is_one_line(backend: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = boto3.client("s3", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://state-of-us")
    monkeypatch.setattr(boto3, "client", lambda *_, **__: client)
    asked = {"Bucket": "state-of-us", "Prefix": ".pulumi/locks/organization/web-next/local/"}

    with Stubber(client) as stub:
        stub.add_client_error("list_objects_v2", "AccessDenied", expected_params=asked)
        with pytest.raises(CutoverError, match=r"the locks in s3://state-of-us cannot be read \("):
            locks.is_stale("local")


def test_locks_of_other_backends_are_left_to_pulumi(backend: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "https://api.pulumi.com")

    assert not locks.is_stale("local")


@pytest.mark.parametrize("name", ["PULUMI_HOME", "PULUMI_BACKEND_URL"])
def test_outside_the_prepared_environment_nothing_is_opened(
    backend: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv(name)

    with pytest.raises(NotPreparedError, match=rf"{name} is not set: .* source \.local/env"):
        outputs.outputs("local")


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

    def up(self, **options: Any) -> SimpleNamespace:
        self.asked.append("up")
        self.packs = options["policy_packs"]
        return SimpleNamespace(summary=SimpleNamespace(resource_changes={"same": 3}))


def opening(monkeypatch: pytest.MonkeyPatch, opened: Opened) -> Opened:
    monkeypatch.setattr(auto, "create_or_select_stack", lambda **_: opened)
    return opened


def test_up_on_a_clean_stack_only_updates(backend: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = opening(monkeypatch, Opened())
    bring_up("local", refresh=False)

    assert opened.asked == ["up"]


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


def test_what_breaks_a_mandatory_rule_is_an_error_of_its_own() -> None:
    said = "policy s3-tls-only: evidence: no policy; a bucket refuses: deny it"
    error = cause("prod", "", [said])

    assert isinstance(error, PolicyBrokenError)
    assert str(error) == "stack prod breaks s3-tls-only: evidence: no policy; a bucket refuses: deny it"


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


def test_a_plugin_that_was_told_to_stop_is_not_why_an_update_failed() -> None:
    problems = ["Detected that pulumi-resource-docker exited prematurely.", "Secret 'a' exists already"]

    assert str(cause("local", str(failed("")), problems)) == "stack local: Secret 'a' exists already"
    assert "exited prematurely" in str(cause("local", str(failed("")), problems[:1]))


@pytest.mark.parametrize(
    "problem",
    [
        "pulumi-python:dynamic/web-next:UpdateGuard resource 'a-container': property release value {<nil>} has a "
        "problem: the candidate has 50 % of the traffic: take it back first",
        "cutover.errors.RefusedError: the candidate has 50 % of the traffic: take it back first",
    ],
    ids=["update", "removal"],
)
def test_what_a_guard_refuses_is_refused_by_the_state_of_the_rollout(problem: str) -> None:
    error = cause("local-canary", str(failed("error: update failed")), ["hook smoke failed", problem])

    assert isinstance(error, RefusedError)
    assert str(error) == "stack local-canary: the candidate has 50 % of the traffic: take it back first"


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


def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str, err: str = "", code: int = 0) -> Path:
    """Puts a pulumi on PATH that says this; returns where its arguments are written."""
    cli, asked = tmp_path / "bin" / "pulumi", tmp_path / "asked"
    cli.parent.mkdir()
    (tmp_path / "out").write_text(out)
    (tmp_path / "err").write_text(err)
    cli.write_text(f"#!/bin/sh\necho $* >>{asked}\ncat {tmp_path}/out\ncat {tmp_path}/err >&2\nexit {code}\n")
    cli.chmod(0o755)
    monkeypatch.setenv("PATH", f"{cli.parent}:{os.environ['PATH']}")
    return asked


def test_outputs_take_one_process_and_ask_for_secrets_only_when_told(
    backend: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = says(tmp_path, monkeypatch, '{"a": 1}')

    assert outputs.outputs("local").values == {"a": 1}
    assert outputs.outputs("local", show_secrets=True).values == {"a": 1}
    plain = f"stack output --json --non-interactive --cwd={tmp_path}/project --stack=local"
    assert asked.read_text().splitlines() == [plain, f"{plain} --show-secrets"]


def test_a_stack_without_outputs_was_never_brought_up(
    backend: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    says(tmp_path, monkeypatch, "{}")

    with pytest.raises(StackMissingError, match="bring it up first"):
        outputs.outputs("local")


FAILURES = [
    ("error: no stack named 'local' found", StackMissingError, "stack local does not exist here"),
    ("error: the stack is currently locked by 1 lock(s).", StackLockedError, "locked by another update"),
    ("error: [409] Conflict: Another update is currently in progress.", StackLockedError, "locked by another update"),
    ("error: get stack secrets manager: incorrect passphrase", NotPreparedError, "PULUMI_CONFIG_PASSPHRASE_FILE"),
    ("warning: old\nerror: disk full\n", CutoverError, "stack local: error: disk full"),
    ("no cause", CutoverError, "stack local: the update failed, see above"),
]


@pytest.mark.parametrize(("said", "expected", "text"), FAILURES)
@pytest.mark.parametrize("way", ["outputs", "update"])
def test_pulumis_failures_become_one_line(
    backend: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    said: str,
    expected: type[CutoverError],
    text: str,
) -> None:
    says(tmp_path, monkeypatch, "", said, 255)

    def fail(**_: str) -> None:
        raise failed(said)

    monkeypatch.setattr(auto, "create_or_select_stack", fail)

    with pytest.raises(CutoverError, match=text) as refused:
        outputs.outputs("local") if way == "outputs" else bring_up("local", refresh=False)
    assert type(refused.value) is expected
    assert "\n" not in str(refused.value)


def test_the_first_problem_of_an_update_is_its_cause() -> None:
    error = cause("local", str(failed("error: update failed")), ["hook smoke failed", "second"])

    assert str(error) == "stack local: hook smoke failed"


@pytest.mark.parametrize("named", ["running", "smoke"])
def test_an_update_that_was_no_go_says_what_stopped_it(named: str) -> None:
    hook = f'before hook "{named}" failed: NO-GO\n  Queue stats: no alert arrived'
    error = cause("local", str(failed("error: update failed")), [hook])

    assert type(error) is NoGoError
    assert str(error).startswith("stack local: NO-GO, nothing was recorded: Queue stats: no alert arrived; ")


@pytest.mark.parametrize("text", ["config: {a: b\n", "- a list\n", "config: a text\n", "\tconfig: {}\n"])
def test_a_stack_file_that_is_no_yaml_of_a_stack_is_one_line_that_names_it(backend: Path, text: str) -> None:
    (project.PROJECT / "Pulumi.local.yaml").write_text(text)

    with pytest.raises(CutoverError, match=r"^Pulumi\.local\.yaml is no YAML of a stack: .*; mend it$"):
        project.config("local")


def test_a_stack_without_a_file_is_refused_with_those_that_have_one(backend: Path) -> None:
    with pytest.raises(StackMissingError, match=r"there is no Pulumi\.prd\.yaml: the stacks here are .*\bprod\b"):
        bring_up("prd", refresh=False)
    assert not backend.exists()


def test_a_stack_on_aws_is_refused_where_the_providers_are_stand_ins(
    backend: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PULUMI_HOME", str(project.PROJECT / ".local" / "pulumi"))
    before = (project.PROJECT / "Pulumi.prod.yaml").read_text()

    with pytest.raises(NotPreparedError, match="stack prod is on AWS"):
        bring_up("prod", refresh=False)

    assert (project.PROJECT / "Pulumi.prod.yaml").read_text() == before
