"""What a person meets at 3 a.m.: each gets one clear line, a non-zero exit, and state that is intact.

The tests tell one story and run in order, on one system.
"""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from tests.support.system import System, candidate_of, wait_for

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


def test_outputs_of_a_stack_that_was_never_brought_up_are_one_line(system: System) -> None:
    done = system.run("python", "-m", "cutover", "outputs", "-s", system.stack, code=5)
    assert done.last_line.endswith(f"bring it up first, cutover up -s {system.stack}")


def test_an_unknown_setting_is_refused_with_the_closest_key_and_nothing_is_created(system: System) -> None:
    system.set("retentionDay", "30")
    system.set("edge", {"burst": -1})
    done = system.up(code=1)
    system.unset("retentionDay")
    system.unset("edge")
    assert "web-next:retentionDay: unknown key; did you mean 'retentionDays'?" in done.last_line
    assert "web-next:edge.burst = -1" in done.last_line
    assert "Traceback" not in done.text
    assert system.resources() == []


def test_without_its_base_a_candidate_is_refused_in_one_line(system: System) -> None:
    candidate = candidate_of(system)
    done = candidate.up(code=None)

    assert done.code != 0
    assert f"base {system.stack}" in done.last_line
    assert "Traceback" not in done.text


def test_a_wrong_passphrase_is_one_line_and_leaves_the_state_as_it_was(system: System) -> None:
    before = system.state_text()
    (system.folder / "passphrase").write_text("another")
    done = system.up(code=6)
    (system.folder / "passphrase").write_text(system.passphrase)
    assert "passphrase" in done.last_line
    assert "Traceback" not in done.text
    assert system.state_text() == before


def test_a_cli_killed_in_the_middle_of_up_leaves_a_lock(system: System) -> None:
    lines: list[str] = []
    with system.start(*system.up_command) as running:
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
    assert list(system.locks), "the killed run left no lock, so it was not killed in the middle"


def test_the_next_up_removes_the_lock_and_names_a_port_that_is_taken_in_one_line(system: System) -> None:
    port = system.setting("machine")["edgePort"]
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", port))
        squatter.listen()
        done = system.up(code=1)
    assert "lock of a run that was killed is removed" in done.text
    assert f"127.0.0.1:{port}" in done.last_line
    assert "already" in done.last_line
    assert "Traceback" not in done.text


def test_the_up_after_that_is_a_go_and_its_own_lock_is_respected(system: System) -> None:
    with system.start(*system.up_command, "--refresh") as running:
        wait_for(lambda: bool(system.locks))
        done = system.up(code=None)
        text, _ = running.communicate(timeout=200)
    assert done.code == 4
    assert f"stack {system.stack} is being changed by process" in done.last_line
    assert "GO  web-next" in text
    assert "pending_operations" not in system.pulumi("stack", "export").text.replace('"pending_operations": null', "")
