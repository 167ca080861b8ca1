"""What tests break is taken away with all that runs out of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support import clones


def test_a_process_of_a_clones_folder_is_found_and_no_other(tmp_path: Path) -> None:
    root, beside = tmp_path / "c1", tmp_path / "c12"
    waits = [sys.executable, "-c", "input()"]
    with (
        subprocess.Popen([*waits, f"{root}/.venv"], stdin=subprocess.PIPE) as its,
        subprocess.Popen([*waits, f"{beside}/.venv"], stdin=subprocess.PIPE) as other,
    ):
        try:
            assert list(clones.processes(root)) == [its.pid]
        finally:
            its.kill()
            other.kill()
