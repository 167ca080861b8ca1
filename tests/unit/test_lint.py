"""`make lint`: each linter is green on a sound input, and red on a broken one by the name of the rule."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.edge_configs import on_docker

ROOT = Path(__file__).parents[2]
SETTINGS = (".squawk.toml", ".hadolint.yaml", "templates/gixy.cfg", "tests/lint")
SOUND = {
    "sound.py": "VALUE = 1\n",
    "migrations/001_note.sql": "CREATE TABLE note (id bigint PRIMARY KEY, body text NOT NULL);\n",
    "offline/images/app/Dockerfile": 'ARG BASE\nFROM ${BASE}\nUSER 10001:10001\nCMD ["app"]\n',
    "scripts/go.sh": '#!/bin/sh\necho "$1"\n',
    "templates/edge.sh": '# shellcheck shell=bash\nread -r word\necho "$word"\n',
    ".github/workflows/tests.yml": """\
name: tests
on: pull_request
permissions: {}
concurrency:
  group: tests-${{ github.ref }}
  cancel-in-progress: true
jobs:
  check:
    name: make check
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    steps:
      - run: make check
""",
}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository with a file for each linter, and this one's own settings and tools."""
    for name in SETTINGS:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for name, text in SOUND.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local" / "env").write_text(f". {ROOT}/.local/env\nexport PYTHONPATH={tmp_path}:{ROOT}\n")
    for command in (["git", "init", "--quiet"], ["git", "add", "."]):
        subprocess.run(command, cwd=tmp_path, check=True)
    return tmp_path


def lint(clone: Path, linter: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([clone / "tests" / "lint", linter], capture_output=True, text=True, check=False, cwd=clone)


BROKEN = [
    ("ruff", "sound.py", "import os\n", "F401"),
    ("squawk", "migrations/001_note.sql", "ALTER TABLE note ADD COLUMN n int NOT NULL;\n", "adding-required-field"),
    ("hadolint", "offline/images/app/Dockerfile", "FROM debian:latest\nRUN cd /tmp && ls\n", "DL3007"),
    ("shellcheck", "scripts/go.sh", "#!/bin/sh\necho $1\n", "SC2086"),
    ("shellcheck", "templates/edge.sh", '# shellcheck shell=bash\nread word\necho "$word"\n', "SC2162"),
    (
        "actionlint",
        ".github/workflows/tests.yml",
        SOUND[".github/workflows/tests.yml"].replace("    runs-on: ubuntu-24.04\n", ""),
        '"runs-on" section is missing',
    ),
    (
        "zizmor",
        ".github/workflows/tests.yml",
        SOUND[".github/workflows/tests.yml"].replace("- run: make check", "- uses: actions/checkout@v4"),
        "unpinned-uses",
    ),
]


@pytest.mark.parametrize(("linter", "file", "text", "rule"), BROKEN, ids=[f"{row[0]} {row[3]}" for row in BROKEN])
def test_a_linter_is_green_on_what_is_sound_and_names_the_rule_that_is_broken(
    clone: Path, linter: str, file: str, text: str, rule: str
) -> None:
    sound = lint(clone, linter)
    assert sound.returncode == 0, sound.stdout + sound.stderr

    (clone / file).write_text(text)
    broken = lint(clone, linter)
    assert broken.returncode != 0
    assert rule in broken.stdout + broken.stderr


def test_gixy_reads_nginx_s_file_as_each_runtime_has_it(clone: Path) -> None:
    """The whole template is green; here a rendered file is broken behind the script's back."""
    from infra.nginx import render

    weak = render(on_docker()).replace("ssl_protocols TLSv1.2", "ssl_protocols TLSv1 TLSv1.2")
    support = clone / "tests" / "support"
    support.mkdir()
    (support / "edge_configs.py").write_text(
        f"import pathlib, sys\npathlib.Path(sys.argv[1], 'docker.conf').write_text({weak!r})\n"
    )
    broken = lint(clone, "gixy")
    assert broken.returncode != 0
    assert "weak_ssl_tls" in broken.stdout
    assert "missing_resolver" not in broken.stdout


def test_whoever_names_no_linter_gets_all_of_them() -> None:
    script = (ROOT / "tests" / "lint").read_text()
    (every,) = re.findall(r"\|\| set -- (.*)$", script, re.MULTILINE)
    assert every.split() == re.findall(r"^lint_(\w+)\(\)", script, re.MULTILINE)
    assert {row[0] for row in BROKEN} | {"gixy"} == set(every.split())
