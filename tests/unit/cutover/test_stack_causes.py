"""What Pulumi says, and the one line and the kind of error that come of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
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
from cutover.stacks import outputs
from cutover.stacks.bring_up import bring_up
from cutover.stacks.causes import cause
from tests.support.pulumi_says import failed


def test_what_breaks_a_mandatory_rule_is_an_error_of_its_own() -> None:
    said = "policy s3-tls-only: evidence: no policy; a bucket refuses: deny it"
    error = cause("prod", "", [said])

    assert isinstance(error, PolicyBrokenError)
    assert str(error) == "stack prod breaks s3-tls-only: evidence: no policy; a bucket refuses: deny it"


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


def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str, err: str = "", code: int = 0) -> Path:
    """Puts a pulumi on PATH that says this; returns where its arguments are written."""
    cli, asked = tmp_path / "bin" / "pulumi", tmp_path / "asked"
    cli.parent.mkdir()
    (tmp_path / "out").write_text(out)
    (tmp_path / "err").write_text(err)
    version = "[ $1 = version ] && echo v3.259.0 && exit"
    said = f"cat {tmp_path}/out\ncat {tmp_path}/err >&2"
    cli.write_text(f"#!/bin/sh\n{version}\necho $* >>{asked}\n{said}\nexit {code}\n")
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
    ("error: get stack secrets manager: incorrect passphrase", NotPreparedError, "stack local cannot be decrypted"),
    (
        'error: corrupt store: missing version in ".pulumi/meta.yaml"',
        CutoverError,
        r"the backend of the states is torn \(missing version in .*\): write the line 'version: 1' into \.pulumi/meta",
    ),
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

    monkeypatch.setattr(auto, "LocalWorkspace", fail)

    with pytest.raises(CutoverError, match=text) as refused:
        outputs.outputs("local") if way == "outputs" else bring_up("local", refresh=False)
    assert type(refused.value) is expected
    assert "\n" not in str(refused.value)


WRONG = "error: get stack secrets manager: incorrect passphrase"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "is not there: put back the one that the stack was made with"),
        (" \n", "is empty: put back the one that the stack was made with"),
        ("another", "has another passphrase: put back the one that the stack was made with"),
    ],
)
def test_a_passphrase_that_is_absent_is_not_said_to_be_wrong(
    backend: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, said: str
) -> None:
    says(tmp_path, monkeypatch, "", WRONG, 255)
    file = tmp_path / "passphrase"
    if text is not None:
        file.write_text(text)
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE", raising=False)
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", str(file))

    with pytest.raises(NotPreparedError) as refused:
        outputs.outputs("local")

    assert str(refused.value) == f"stack local cannot be decrypted: {file} {said}"


TORN = "error: failed to load checkpoint: place 1: unexpected end of JSON input"


@pytest.mark.parametrize(
    ("backend", "way"),
    [
        (
            "file:///a%20b/c%23next?metadata=skip",
            "cp '/a b/c#next/.pulumi/stacks/web-next/local.json'.bak '/a b/c#next/.pulumi/stacks/web-next/local.json'",
        ),
        (
            "s3://state-of-us/ours?region=eu-central-1",
            "an earlier version of .pulumi/stacks/web-next/local.json in s3://state-of-us/ours",
        ),
    ],
)
def test_a_state_that_a_killed_machine_has_cut_is_named_with_the_one_before(
    monkeypatch: pytest.MonkeyPatch, backend: str, way: str
) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", backend)

    assert str(cause("local", TORN)) == (
        f"the state of stack local is torn (unexpected end of JSON input): put the one before in its place, {way}, "
        "then cutover up -s local --refresh looks at what really runs"
    )


@pytest.mark.parametrize("kind", [MigrationError, UnreachableError])
def test_a_schema_that_an_update_could_not_migrate_is_a_failed_migration(kind: type[CutoverError]) -> None:
    said = f"cutover.errors.{kind.__name__}: the audit database does not answer: no more connections"
    error = cause("local", str(failed("error: update failed")), ["hook smoke failed", said])

    assert type(error) is MigrationError, "an error of what is out of reach says that nothing was changed"
    assert str(error) == "the audit database does not answer: no more connections"


def test_the_first_problem_of_an_update_is_its_cause() -> None:
    error = cause("local", str(failed("error: update failed")), ["hook smoke failed", "second"])

    assert str(error) == "stack local: hook smoke failed"


@pytest.mark.parametrize("named", ["running", "smoke"])
def test_an_update_that_was_no_go_says_what_stopped_it(named: str) -> None:
    hook = f'before hook "{named}" failed: NO-GO\n  Queue stats: no alert arrived'
    error = cause("local", str(failed("error: update failed")), [hook])

    assert type(error) is NoGoError
    assert str(error).startswith("stack local: NO-GO, nothing was recorded: Queue stats: no alert arrived; ")
