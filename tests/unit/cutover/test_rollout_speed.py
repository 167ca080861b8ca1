"""What a rollback does before the traffic is back: no import that takes long, and nothing that it does not need."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from cutover.rollout.record import State
from cutover.rollout.store import LOCAL, Copy
from tests.support.rollouts import RECORD

ROLLBACK = """
import sys
from cutover.commands import command
from cutover.commands.app import main
from cutover.traffic import docker
from cutover.traffic.engine import Done

def run(container, *command):
    if command[2] == docker._TAKE_BACK:
        print("imported", *sorted(sys.modules))
        raise SystemExit(0)
    return Done(0, "r7 4 open\\ntaken\\n0")

docker.run = run
command.PROJECT = sys.argv[1]
main(["rollback", "-s", "local", "--anyway"])
"""
SLOW = {"boto3", "botocore", "docker", "grpc", "httpx", "jinja2", "playwright", "pulumi", "requests", "rich", "yaml"}


def test_a_rollback_imports_nothing_slow_before_the_traffic_is_back(tmp_path: Path) -> None:
    Copy("local", tmp_path / LOCAL).keep(replace(RECORD, state=State.STAGED))
    done = subprocess.run(
        [sys.executable, "-c", ROLLBACK, str(tmp_path)], capture_output=True, text=True, check=True, timeout=30
    )
    first, *imported = done.stdout.split()

    assert first == "imported", done.stdout + done.stderr
    assert "cutover.rollout.world" in imported
    assert SLOW & {module.partition(".")[0] for module in imported} == set()
