"""What a person meets at 3 a.m.: each gets one clear line, a non-zero exit, and state that is intact."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest
import yaml

from tests.support.system import System, wait_for

pytestmark = pytest.mark.e2e


def pulumi_processes(group: int) -> list[int]:
    """The CLI processes started under a process group."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            is_cli = entry.name.isdigit() and (entry / "comm").read_text().strip() == "pulumi"
            if is_cli and os.getpgid(int(entry.name)) == group:
                found.append(int(entry.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def test_a_cli_killed_in_the_middle_of_up_is_recovered_by_the_next_up(fresh: System) -> None:
    lines: list[str] = []
    with fresh.start(*fresh.up_command) as running:
        assert running.stdout
        for line in running.stdout:
            lines.append(line)
            if "aws:kms:Key" in line:
                break
        killed = pulumi_processes(running.pid)
        for process in killed:
            os.kill(process, signal.SIGKILL)
        running.communicate(timeout=60)
    assert killed, f"no CLI was running after: {''.join(lines)}"
    assert running.returncode != 0
    assert list(fresh.locks), "the killed run left no lock, so it was not killed in the middle"

    done = fresh.up("--refresh")

    assert "lock of a run that was killed is removed" in done.text
    assert "GO  web-next" in done.last_line
    assert "pending_operations" not in fresh.pulumi("stack", "export").text.replace('"pending_operations": null', "")


def test_an_unknown_setting_is_refused_with_the_closest_key_and_nothing_is_created(fresh: System) -> None:
    fresh.set("retentionDay", "30")
    fresh.set("edge", {"burst": -1})
    done = fresh.up(code=1)
    assert "web-next:retentionDay: unknown key; did you mean 'retentionDays'?" in done.last_line
    assert "web-next:edge.burst = -1" in done.last_line
    assert "Traceback" not in done.text
    assert fresh.resources() == []


def test_a_taken_port_is_one_line_that_names_it(fresh: System) -> None:
    port = yaml.safe_load(fresh.stack_file.read_text())["config"]["web-next:machine"]["edgePort"]
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", port))
        squatter.listen()
        done = fresh.up(code=1)
    assert f"127.0.0.1:{port}" in done.last_line
    assert "already" in done.last_line
    assert "Traceback" not in done.text
    assert "GO  web-next" in fresh.up("--refresh").last_line


def test_a_wrong_passphrase_is_one_line_and_leaves_the_state_as_it_was(fresh: System) -> None:
    fresh.pulumi("stack", "init")
    before = fresh.state_text()
    (fresh.folder / "passphrase").write_text("another")
    done = fresh.up(code=6)
    assert "passphrase" in done.last_line
    assert "Traceback" not in done.text
    assert fresh.state_text() == before
    (fresh.folder / "passphrase").write_text(fresh.passphrase)


def test_a_lock_of_a_running_update_is_respected(fresh: System) -> None:
    with fresh.start(*fresh.up_command) as running:
        wait_for(lambda: bool(fresh.locks))
        done = fresh.up(code=None)
        text, _ = running.communicate(timeout=200)
    assert done.code == 4
    assert f"stack {fresh.stack} is being changed by process" in done.last_line
    assert "GO  web-next" in text


def test_outputs_of_a_stack_that_was_never_brought_up_are_one_line(fresh: System) -> None:
    done = fresh.run("python", "-m", "cutover", "outputs", "-s", fresh.stack, code=5)
    assert "make up" in done.last_line
