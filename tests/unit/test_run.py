"""`make test` runs the unit tests beside the others: theirs is the whole's failure, and they end with it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import fence
from tests.support.containers import wait_until

ROOT = Path(__file__).parents[2]
CHECK = """#!/bin/sh
echo "check $*" >>called
[ "$*" = unit ] || exit 0
echo "said by unit tests"
[ ! -e slow ] || sleep 60 & echo "$!" >unit; wait
[ ! -e broken-unit ]
"""
PYTEST = """#!/bin/sh
echo "$*" >>called
case "$*" in *tests/browser*) while [ ! -e unit ]; do sleep 0.05; done; [ ! -e broken-others ] ;; esac
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone whose tools are doubles: Python notes how it is called, and the tests named by `broken-…` fail."""
    doubles = {
        "offline/bootstrap.sh": "#!/bin/sh\n",
        "tests/check": CHECK,
        "bin/python": PYTEST,
        ".venv/bin/python": '#!/bin/sh\n[ "$*" != "-m offline.emulator status" ]\n',
    }
    for name, text in doubles.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / ".local").mkdir()
    (tmp_path / ".local" / "env").write_text('PATH="$PWD/bin:$PATH"\n')
    shutil.copy(ROOT / "tests" / "run", tmp_path / "tests" / "run")
    return tmp_path


def run(clone: Path) -> subprocess.CompletedProcess[str]:
    environment = fence.ENVIRONMENT | {"PATH": os.environ["PATH"]}
    return subprocess.run(
        [clone / "tests" / "run"], capture_output=True, text=True, check=False, env=environment, timeout=30
    )


AGAIN = "--reruns 2 --reruns-delay 5 --max-suite-reruns 9 --rerun-show-tracebacks"


def test_each_test_is_asked_for_once_and_what_is_alone_comes_last(clone: Path) -> None:
    done = run(clone)

    assert done.returncode == 0, done.stderr
    check, *pytests = (clone / "called").read_text().splitlines()
    assert check == "check format lint types imports"
    assert sorted(pytests[:2]) == [
        f"-m pytest -n 3 -m not soak and not alone {AGAIN} --durations=10 tests/engine tests/browser tests/e2e",
        "check unit",
    ]
    assert pytests[2:] == [
        f"-m pytest -n 2 -m alone and not soak {AGAIN} tests/engine",
        f"-m pytest -m alone and not soak {AGAIN} tests/e2e",
    ]
    assert "said by unit tests" in done.stdout


def test_unit_tests_that_fail_are_shown_and_fail_the_whole(clone: Path) -> None:
    (clone / "broken-unit").touch()
    done = run(clone)

    assert done.returncode != 0
    assert "said by unit tests" in done.stdout
    assert "-m alone" not in (clone / "called").read_text()


def test_where_the_others_fail_the_unit_tests_are_ended(clone: Path) -> None:
    (clone / "slow").touch()
    (clone / "broken-others").touch()

    assert run(clone).returncode != 0

    process = Path("/proc") / (clone / "unit").read_text().strip()
    wait_until(lambda: not process.exists(), "the end of the unit tests", 5)
