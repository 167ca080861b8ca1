"""The offline shape: what is refused, what Pulumi is told, and that the project stays as it is."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from cutover.commands import command
from cutover.commands.app import main
from cutover.commands.review import OFFLINE
from cutover.errors import CutoverError
from cutover.review import engine, shape
from cutover.stacks import project as place_of_stacks

PULUMI = """\
#!/bin/sh
printf '%s|%s|%s|%s\\n' "$*" "$PWD" "$PULUMI_BACKEND_URL" "${PULUMI_CONFIG_PASSPHRASE_FILE-unset}" >> "$CALLS"
for word; do case $word in --cwd=*) cd "${word#--cwd=}" ;; esac; done
case "$*" in "stack import"*) cp prod.json "$CALLS.imported" ;; esac
[ ! -e Pulumi.prod.yaml ] || echo "encryptionsalt: made here" >> Pulumi.prod.yaml
exit "${PULUMI_EXIT-0}"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small project, and a `pulumi` that only writes down how it was called."""
    root = tmp_path / "project"
    for name in shape.PROGRAM:
        path = root / name
        if path.suffix:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
        else:
            (path / "__pycache__").mkdir(parents=True)
            (path / "__pycache__" / "old.pyc").write_text("")
            (path / "content").write_text(name)
    (root / "Pulumi.prod.yaml").write_text("config: {}\n")
    (root / "Pulumi.local.yaml").write_text("config:\n  web-next:runtime: docker\n")
    (root / ".local" / "pulumi").mkdir(parents=True)
    (root / ".local" / "passphrase").write_text("kept")
    binaries = tmp_path / "bin"
    binaries.mkdir()
    (binaries / "pulumi").write_text(PULUMI)
    (binaries / "pulumi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{binaries}:/usr/bin:/bin")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", "/somewhere")
    monkeypatch.setenv("PULUMI_HOME", str(root / ".local" / "pulumi"))
    monkeypatch.setenv("PULUMI_BACKEND_URL", "file:///states")
    for module in (command, shape, engine, place_of_stacks):
        monkeypatch.setattr(module, "PROJECT", root)
    monkeypatch.chdir(root)
    return root


def calls(project: Path) -> list[list[str]]:
    record = project.parent / "calls"
    return [line.split("|") for line in record.read_text().splitlines()] if record.exists() else []


def content(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_an_unknown_stack_is_refused_with_the_ones_there_are(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", "-s", "staging"]) == 5
    assert capsys.readouterr().err == "cutover: there is no Pulumi.staging.yaml: the stacks here are local, prod\n"
    assert calls(project) == []


def test_an_aws_stack_is_previewed_on_a_scratch_copy_with_a_state_of_its_own(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(project)

    assert main(["preview", "-s", "prod"]) == 0
    assert capsys.readouterr().out.startswith("OFFLINE SHAPE of prod")
    (made, folder, backend, passphrase), (previewed, *_) = calls(project)
    assert made == "stack init prod --no-select"
    assert previewed.startswith(f"preview --stack=prod --non-interactive --cwd={folder}")
    assert folder != str(project)
    assert backend == f"file://{folder}/.state"
    assert passphrase == "unset"
    assert not Path(folder).exists(), "the copy is gone afterwards"
    assert content(project) == before, "the project is left untouched"


def test_a_shell_without_a_backend_has_no_state_to_compare_with(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PULUMI_BACKEND_URL")
    assert not engine.has_state("prod")
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://states")
    monkeypatch.setenv("PULUMI_HOME", str(project / "elsewhere"))
    assert engine.has_state("prod")


def test_pulumis_failure_is_the_previews(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_EXIT", "7")

    assert main(["preview", "-s", "local"]) == 7
    assert main(["preview", "-s", "prod"]) == 1
    assert len(calls(project)) == 2, "no preview without a stack"


def test_a_local_stack_is_previewed_where_it_is(project: Path) -> None:
    assert main(["preview", "-s", "local"]) == 0
    assert calls(project)[0][0].startswith(f"preview --stack=local --non-interactive --cwd={project}")


def test_the_copy_has_the_program_and_neither_caches_nor_secrets(project: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    shape.scratch_copy(copy, project)

    files = {name if "." in name else f"{name}/content" for name in shape.PROGRAM}
    assert set(content(copy)) == files
    assert (copy / ".venv").readlink() == project / ".venv"


def test_what_is_copied_exists_in_this_project() -> None:
    for name in shape.PROGRAM:
        assert (Path(__file__).parents[3] / name).exists(), name


def test_a_candidate_is_previewed_on_the_kept_state_of_its_base(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (project / "Pulumi.canary.yaml").write_text("config:\n  web-next:base: prod\n")
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "prod.json").write_text(json.dumps(shape.KEPT))
    monkeypatch.setattr(shape, "BASES", tmp_path / "base")
    told = {"account": "444455556666", "domain": "console.web-next.test"}
    (project / "Pulumi.prod.yaml").write_text(
        "config:\n" + "".join(f'  web-next:{key}: "{value}"\n' for key, value in told.items())
    )

    assert main(["preview", "-s", "canary"]) == 0
    assert json.loads((tmp_path / "calls.imported").read_text()) == {**shape.KEPT, **told}
    assert [call[0].partition(" --non-interactive")[0] for call in calls(project)] == [
        "stack init canary --no-select",
        "stack init prod --no-select",
        "stack import --stack prod --file prod.json",
        "preview --stack=canary",
    ]


def test_a_candidate_on_a_base_that_is_not_kept_is_refused_with_those_that_are(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "Pulumi.canary.yaml").write_text("config:\n  web-next:base: nosuch\n")
    assert main(["preview", "-s", "canary"]) == 5
    assert "web-next:base is nosuch: offline there are the outputs of prod alone" in capsys.readouterr().err


def test_a_local_stack_that_was_never_brought_up_says_how(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project.parent / "bin" / "pulumi").write_text("#!/bin/sh\necho \"error: no stack named 'local'\" >&2\nexit 255\n")

    assert main(["preview", "-s", "local"]) == 5
    expected = "cutover: stack local does not exist here: bring it up first, cutover up -s local\n"
    assert capsys.readouterr().err == expected


def test_a_revision_is_the_program_as_its_commit_has_it(project: Path) -> None:
    for words in (
        ["init", "-q"],
        ["add", "-A"],
        ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "one"],
    ):
        subprocess.run(["git", "-C", str(project), *words], check=True)
    (project / "infra" / "content").write_text("changed since")

    with shape.revision("HEAD") as folder:
        assert (folder / "infra" / "content").read_text() == "infra"
    assert not folder.exists()
    with (
        pytest.raises(CutoverError, match=r"^nowhere is no commit of this clone .*: fetch it"),
        shape.revision("nowhere"),
    ):
        pass


def test_the_title_says_that_it_is_no_diff() -> None:
    assert "It is not a diff" in OFFLINE
