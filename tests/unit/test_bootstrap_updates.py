"""What `down` sees of updates: one that goes on, and the providers that a killed one has left."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from offline.bootstrap import updates
from offline.bootstrap.runner import StepError

pytestmark = pytest.mark.timeout(60)


@contextmanager
def running(*command: str | Path) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def lock(root: Path, pid: int) -> None:
    folder = root / ".local" / "state" / ".pulumi" / "locks" / "organization" / "web-next" / "local"
    folder.mkdir(parents=True)
    held = {"pid": pid, "username": "ada", "hostname": socket.gethostname(), "timestamp": "2026-06-01T12:00:00.1234Z"}
    (folder / "one.json").write_text(json.dumps(held))


def test_an_update_that_goes_on_is_named_with_what_ends_it(tmp_path: Path) -> None:
    pulumi = tmp_path / "pulumi"
    shutil.copy(shutil.which("sleep") or "", pulumi)
    with running(pulumi, "60") as update:
        until(lambda: Path(f"/proc/{update.pid}/comm").read_text() == "pulumi\n")
        lock(tmp_path, update.pid)

        with pytest.raises(
            StepError, match=rf"stack local is being changed by process {update.pid} of ada on .*INT \d+"
        ):
            updates.require_none(tmp_path)


def test_a_lock_whose_holder_is_gone_or_that_is_torn_holds_nobody_up(tmp_path: Path) -> None:
    with running("true") as gone:
        gone.wait()
    lock(tmp_path, gone.pid)
    updates.require_none(tmp_path)

    for file in tmp_path.rglob("one.json"):
        file.write_text('{"pid": ')
    updates.require_none(tmp_path)


def test_a_provider_whose_pulumi_is_gone_is_ended_and_no_other_process(tmp_path: Path) -> None:
    mine, other = tmp_path / "c1", tmp_path / "c12"
    for root in (mine, other):
        (root / ".venv" / "bin").mkdir(parents=True)
        (root / ".venv" / "bin" / "python").symlink_to(sys.executable)
    waits = ("-c", "input()")
    pulumi = tmp_path / "pulumi"
    shutil.copy(shutil.which("sh") or "", pulumi)
    started = f"{mine}/.venv/bin/python -c 'import time; time.sleep(60)' pulumi.dynamic & wait"
    with (
        running(mine / ".venv/bin/python", *waits, "pulumi.dynamic") as left,
        running(other / ".venv/bin/python", *waits, "pulumi.dynamic") as anothers,
        running(mine / ".venv/bin/python", *waits, "pytest") as persons,
        running(pulumi, "-c", started) as engine,
    ):
        until(lambda: _children(engine.pid) != [] and "sleep" in _line(_children(engine.pid)[0]))

        assert updates.end_left(mine) == 1

        left.wait(10)
        assert (anothers.poll(), persons.poll(), engine.poll()) == (None, None, None)
        for child in _children(engine.pid):
            subprocess.run(["kill", str(child)], check=True)


def until(seen: object) -> None:
    deadline = time.monotonic() + 20
    while not seen():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode()
