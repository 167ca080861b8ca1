"""A prepared project without a stack, stacks in memory, and processes that hold a project's locks."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cutover.stacks import outputs, project, update
from tests.support import fake_stack, rollout_stacks


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


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> fake_stack.Fake:
    """The stack replaced, the project's folder a temporary one, and a suite that finds everything in order."""
    return fake_stack.fake(monkeypatch, tmp_path)


@pytest.fixture
def stacks(monkeypatch: pytest.MonkeyPatch) -> rollout_stacks.Stacks:
    """Two stacks in memory, a pack of the candidate in their bucket."""
    return rollout_stacks.stacks(monkeypatch)
