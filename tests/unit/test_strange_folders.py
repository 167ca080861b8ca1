"""A clone in a folder whose name a URL, a shell or Docker would read otherwise: it works, or is refused at first."""

from __future__ import annotations

import csv
import os
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from cutover.stacks.project import listed
from offline.bootstrap import __main__ as command
from offline.bootstrap import local, plugins, python
from offline.machine import MachineError, require_usable
from tests.support import fence

TAKEN = [
    "c#next",
    "a b",
    "it's",
    'a "b"',
    "50%",
    "100%23",
    "is it?",
    "$HOME",
    "über-次",
    "a&b;c",
    "back\\slash",
    "-dash",
    "a,b",
]
REFUSED = ["c:next", "two\nlines", "a\ttab", os.fsdecode(b"latin\xfc")]


@pytest.fixture(params=TAKEN)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    made: Path = tmp_path / request.param
    made.mkdir()
    return made


def test_it_is_taken_and_the_state_lies_where_the_url_says(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "STATE", folder / "state")

    require_usable(folder)
    url = urlsplit(local.environment()["PULUMI_BACKEND_URL"])

    assert (url.scheme, url.netloc, url.query, url.fragment) == ("file", "", "metadata=skip", "")
    assert unquote(url.path) == str(folder / "state")


def test_a_flag_of_pulumi_that_takes_several_folders_takes_it_as_one(folder: Path) -> None:
    assert next(csv.reader([listed(folder)])) == [str(folder)]


def test_the_shell_reads_its_environment_and_runs_its_commands(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python_of = folder / "python"
    python_of.write_text('#!/bin/sh\necho "$PYTHONPATH|$*"\n')
    python_of.chmod(0o755)
    for module in (local, plugins):
        monkeypatch.setattr(module, "ROOT", folder)
    monkeypatch.setattr(python, "VENV_PYTHON", python_of)
    monkeypatch.setattr(local, "path_entries", lambda: [folder / "bin"])
    monkeypatch.setattr(local, "PASSPHRASE", folder / "passphrase")
    (folder / "bin").mkdir()
    (folder / "env").write_text(local.environment_text())
    for name, text in (("cutover", local._cutover_text()), ("standin", plugins._script("aws"))):
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)

    done = subprocess.run(
        ["/bin/sh", "-euc", '. ./env; cutover status; standin 7; echo "$PULUMI_CONFIG_PASSPHRASE_FILE"'],
        cwd=folder,
        env=fence.ENVIRONMENT | {"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.splitlines() == [
        f"{folder}|-m cutover status",
        f"{folder}|-m offline.standins aws 7",
        f"{folder}/passphrase",
    ]


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_by_name_in_one_line_with_the_way_out(tmp_path: Path, name: str) -> None:
    with pytest.raises(MachineError) as refused:
        require_usable(tmp_path / name)

    said = str(refused.value)
    assert said.startswith(f"{str(tmp_path / name)!a} has ")
    assert said.endswith("; move it to another folder, or give that another name")
    assert said.isprintable()
    said.encode()


@pytest.mark.parametrize("verb", ["up", "tools", "doctor"])
@pytest.mark.parametrize("where", ["clone", "cache"])
def test_nothing_is_begun_in_a_folder_that_cannot_be_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verb: str, where: str
) -> None:
    wrong = tmp_path / "c:next"
    monkeypatch.setattr(command, "ROOT", wrong if where == "clone" else tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path if where == "clone" else wrong))
    for name in ("up", "tools"):
        monkeypatch.setitem(command.STEPS, name, lambda: pytest.fail("a step began"))
    monkeypatch.setattr(command, "all_steps", lambda: pytest.fail("a step began"))

    assert command.main([verb]) == 1
    assert f"FAIL  {verb:<9} '{wrong}" in capsys.readouterr().out
