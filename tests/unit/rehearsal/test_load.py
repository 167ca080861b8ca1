"""The load is there while the rehearsal counts on it: its container is a double's process."""

from __future__ import annotations

import os
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from rehearsal.load import Load, load
from rehearsal.operator import RehearsalError
from rehearsal.stage import Stage
from tests.support.machines import IMAGES, MACHINE

pytestmark = pytest.mark.timeout(60)

ANSWER = '{"sent": 1.0, "received": 1.1, "client": "198.18.0.1", "path": "/", "trace": "t", "status": 200}'


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """Docker is a script, which runs what the test has put into `crowd`, and stops it as Docker does."""
    (tmp_path / "bin").mkdir()
    double = tmp_path / "bin" / "docker"
    double.write_text(
        f"""#!/bin/sh
cd {tmp_path}
case "$1" in
  run) echo "$*" >called; exec python3 crowd ;;
  stop) kill "$(cat pid)" ;;
esac
"""
    )
    double.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:{os.environ['PATH']}")
    before = os.umask(0o077)
    (tmp_path / ".local" / "tls").mkdir(parents=True)
    (tmp_path / ".local" / "tls" / "ca.pem").write_text("authority")
    yield Stage(machine=MACHINE, images=IMAGES, holds={}, root=tmp_path)
    os.umask(before)


def crowd(stage: Stage, ends: str) -> None:
    (stage.root / "crowd").write_text(
        f"""import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
open("pid", "w").write(str(os.getpid()))
print('{ANSWER}', flush=True)
{ends}
"""
    )


def answered(clients: Load) -> None:
    while not clients.requests:
        time.sleep(0.01)


def held_for_want_of_requests(stage: Stage) -> None:
    keep = stage.root / "requests.jsonl"
    with load(stage, rate=1, keep=keep) as clients:
        answered(clients)
        while "no image" not in keep.with_suffix(".err").read_text():
            time.sleep(0.01)
        raise RehearsalError("the gates have not passed for want of requests")


def test_a_crowd_that_sends_until_it_is_stopped_is_a_load(stage: Stage) -> None:
    crowd(stage, "time.sleep(60)")
    with load(stage, rate=1, keep=stage.root / "requests.jsonl") as clients:
        answered(clients)

    assert [each.trace for each in clients.requests] == ["t"]


@pytest.mark.parametrize(
    "ends",
    [
        "sys.exit('no image')",
        "sys.stderr.write('no image\\n'); signal.signal(signal.SIGTERM, lambda *_: sys.exit(137)); time.sleep(60)",
    ],
    ids=["by itself", "killed, for it would not stop"],
)
def test_a_crowd_that_ended_otherwise_is_said_in_the_place_of_what_was_seen_without_it(stage: Stage, ends: str) -> None:
    crowd(stage, ends)
    errors = re.escape(str(stage.root / "requests.err"))
    with pytest.raises(RehearsalError, match=f"^the crowd ended with .*: no image; see {errors}$"):
        held_for_want_of_requests(stage)


def test_what_the_crowds_own_user_reads_is_readable_whatever_the_umask(stage: Stage) -> None:
    crowd(stage, "time.sleep(60)")
    with load(stage, rate=1, keep=stage.root / "requests.jsonl") as clients:
        answered(clients)
        called = (stage.root / "called").read_text()
        mounted = dict(re.findall(r"--volume (\S+):(/\S+):ro", called))
        assert set(mounted.values()) == {"/crowd.py", "/ca.pem"}
        for outside in mounted:
            assert stat.S_IMODE(Path(outside).stat().st_mode) == 0o644
    assert (stage.root / ".local" / "tls" / "ca.pem").read_text() == "authority"
