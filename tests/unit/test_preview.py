"""The offline shape: what is refused, what Pulumi is told, and that the project stays as it is."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from offline import preview
from offline.machine import ROOT

PULUMI = """\
#!/bin/sh
printf '%s|%s|%s|%s\\n' "$*" "$PWD" "$PULUMI_BACKEND_URL" "${PULUMI_CONFIG_PASSPHRASE_FILE-unset}" >> "$CALLS"
echo "encryptionsalt: made here" >> "$PWD/Pulumi.prod.yaml"
exit "${PULUMI_EXIT-0}"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small project, and a `pulumi` that only writes down how it was called."""
    root = tmp_path / "project"
    for name in preview.PROGRAM:
        path = root / name
        if path.suffix:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
        else:
            (path / "__pycache__").mkdir(parents=True)
            (path / "__pycache__" / "old.pyc").write_text("")
            (path / "content").write_text(name)
    (root / "Pulumi.prod.yaml").write_text("config: {}\n")
    (root / "Pulumi.local.yaml").write_text("config: {}\n")
    (root / ".local").mkdir()
    (root / ".local" / "passphrase").write_text("kept")
    binaries = tmp_path / "bin"
    binaries.mkdir()
    (binaries / "pulumi").write_text(PULUMI)
    (binaries / "pulumi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{binaries}:/usr/bin:/bin")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", "/somewhere")
    monkeypatch.setattr(preview, "ROOT", root)
    return root


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["preview", *arguments])
    return preview.main()


def calls(project: Path) -> list[list[str]]:
    record = project.parent / "calls"
    return [line.split("|") for line in record.read_text().splitlines()] if record.exists() else []


def content(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_an_unknown_stack_is_refused_with_the_ones_there_are(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "staging") == 2
    assert capsys.readouterr().err == ("preview: there is no Pulumi.staging.yaml; STACK is one of: local, prod\n")
    assert calls(project) == []


@pytest.mark.parametrize("arguments", [(), ("",), ("prod", "canary")])
def test_anything_but_one_stack_is_refused_in_a_line(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert run(monkeypatch, *arguments) == 2
    assert capsys.readouterr().err == "preview: name one stack: make preview STACK=prod\n"
    assert calls(project) == []


def test_an_aws_stack_is_previewed_on_a_scratch_copy_with_a_state_of_its_own(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "prod") == 0
    assert capsys.readouterr().out.startswith("OFFLINE SHAPE of prod")
    (made, folder, backend, passphrase), (previewed, *_) = calls(project)
    assert made == "stack init prod --no-select"
    assert previewed.startswith("preview --stack prod --non-interactive")
    assert folder != str(project)
    assert backend == f"file://{folder}/.state"
    assert passphrase == "unset"
    assert not Path(folder).exists(), "the copy is gone afterwards"


def test_the_project_is_left_untouched(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = content(project)
    run(monkeypatch, "prod")

    assert content(project) == before


def test_pulumis_failure_is_the_previews(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_EXIT", "7")

    assert run(monkeypatch, "prod") == 7
    assert len(calls(project)) == 1, "no preview without a stack"


def test_a_local_stack_is_previewed_where_it_is(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, "local") == 0
    assert calls(project)[0][:2] == ["preview --stack local", str(project)]


def test_the_copy_has_the_program_and_neither_caches_nor_secrets(project: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    preview.scratch_copy(copy)

    assert set(content(copy)) == {
        "Pulumi.yaml",
        "__main__.py",
        "cutover/content",
        "infra/content",
        "migrations/content",
        "outputs/content",
        "templates/content",
    }
    assert (copy / ".venv").readlink() == project / ".venv"


def test_what_is_copied_exists_in_this_project() -> None:
    for name in preview.PROGRAM:
        assert (ROOT / name).exists(), name


def test_a_candidate_is_previewed_on_the_kept_state_of_its_base(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (project / "Pulumi.canary.yaml").write_text("config:\n  web-next:base: prod\n")
    monkeypatch.setattr(preview, "BASES", tmp_path / "base")

    assert run(monkeypatch, "canary") == 0
    assert [call[0].partition(" --non-interactive")[0] for call in calls(project)] == [
        "stack init canary --no-select",
        "stack init prod --no-select",
        f"stack import --stack prod --file {tmp_path / 'base' / 'prod.json'}",
        "preview --stack canary",
    ]


def test_a_local_stack_that_was_never_brought_up_says_how(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (project.parent / "bin" / "pulumi").write_text("#!/bin/sh\necho \"error: no stack named 'local'\" >&2\nexit 255\n")

    assert run(monkeypatch, "local") != 0
    expected = "preview: stack local does not exist here: bring it up first, cutover up -s local\n"
    assert capsys.readouterr().err == expected
