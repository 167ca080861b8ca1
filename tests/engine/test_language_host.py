"""The Python language host beneath the real CLI: virtual environments, policy packs, prompt ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from offline.bootstrap.golang import toolchain_folder
from tests.support import fence

pytestmark = [pytest.mark.engine, pytest.mark.timeout(120)]

GONE_SECONDS = 15.0


@dataclass
class Project:
    """A project whose Pulumi.yaml names a virtual environment, and no python on PATH that could stand in."""

    folder: Path
    environment: dict[str, str]

    def settle(self, virtualenv: str | None, program: str) -> None:
        options = "" if virtualenv is None else f"\n  options: {{virtualenv: {virtualenv}}}"
        (self.folder / "Pulumi.yaml").write_text(f"name: host\nruntime:\n  name: python{options}\n")
        (self.folder / "__main__.py").write_text(textwrap.dedent(program))

    def pack(self, name: str, check: str) -> Path:
        """A policy pack with a virtual environment of its own, named relative to the pack."""
        pack = self.folder.parent / name
        pack.mkdir()
        (pack / "env").symlink_to(sys.prefix)
        (pack / "PulumiPolicy.yaml").write_text("runtime: {name: python, options: {virtualenv: env}}\n")
        (pack / "__main__.py").write_text(
            textwrap.dedent(f"""
            import sys
            from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy
            def check(args, report):
                {check}
            policy = ResourceValidationPolicy(name="rule", description="the rule", validate=check)
            PolicyPack("{name}", policies=[policy], enforcement_level=EnforcementLevel.MANDATORY)
            """)
        )
        return pack

    def run(self, *arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        return done.returncode, done.stdout + done.stderr

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            ["pulumi", *arguments, "--non-interactive"],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def processes(self) -> list[str]:
        """Command lines of the host and the programs of this project that are alive."""
        mark = f"TEST_PROJECT={self.folder}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
        return found


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    pulumi = shutil.which("pulumi")
    assert pulumi, "pulumi is not on PATH: run `make up` and enter the prepared environment"
    broken = tmp_path / "bin"
    broken.mkdir()
    for name in ("python3", "python"):
        (broken / name).write_text("#!/bin/sh\nexit 7\n")
        (broken / name).chmod(0o755)
    folder = tmp_path / "project"
    (tmp_path / "state").mkdir()
    folder.mkdir()
    (folder / "env").symlink_to(sys.prefix)
    environment = fence.ENVIRONMENT | {
        "PATH": f"{Path(pulumi).parent}:{broken}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_BACKEND_URL": f"file://{tmp_path}/state",
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "TEST_PROJECT": str(folder),
    }
    made = Project(folder, environment)
    made.settle("env", "")
    code, text = made.run("stack", "init", "test")
    assert code == 0, text
    yield made
    assert until(lambda: not made.processes()), f"left behind: {made.processes()}"


def until(condition: Callable[[], bool], seconds: float = GONE_SECONDS) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_the_program_runs_in_the_virtual_environment_of_the_project_file(project: Project) -> None:
    project.settle("env", "import sys; print('prefix', sys.prefix)")
    code, text = project.run("preview")
    assert code == 0, text
    assert f"prefix {project.folder}/env" in text


def test_without_a_virtual_environment_the_python_of_the_path_runs(project: Project) -> None:
    project.settle(None, "")
    code, _ = project.run("preview")
    assert code != 0, "the PATH's python is one that fails"


def test_a_missing_virtual_environment_is_one_clear_line(project: Project) -> None:
    project.settle("nowhere", "")
    code, text = project.run("preview")
    assert code != 0
    errors = [line for line in text.splitlines() if "nowhere" in line]
    assert len(errors) == 1, text
    assert f"{project.folder}/nowhere" in errors[0]
    assert "Traceback" not in text


def test_config_reaches_the_program_and_secrets_stay_secret(project: Project) -> None:
    project.settle(
        "env",
        """
        import pulumi
        config = pulumi.Config()
        pulumi.export("plain", config.require("plain"))
        pulumi.export("masked", config.require_secret("hidden"))
        """,
    )
    secret = "correct" + "-horse"
    project.run("config", "set", "plain", "seen")
    project.run("config", "set", "--secret", "hidden", secret)
    code, text = project.run("up", "--yes")
    assert code == 0, text
    assert "seen" in text
    assert "[secret]" in text
    assert secret not in text


def test_preview_then_up_and_then_nothing_to_do(project: Project) -> None:
    project.settle("env", "import pulumi; pulumi.export('answer', 42)")
    assert project.run("up", "--yes")[0] == 0
    code, text = project.run("preview", "--expect-no-changes")
    assert code == 0, text


def test_about_names_the_interpreter_and_the_plugins_the_sdks_ask_for(project: Project) -> None:
    _, text = project.run("about")
    assert f"{project.folder}/env/bin/python" in text
    assert "aws" in text
    assert "random" in text


def test_a_policy_pack_that_is_broken_by_the_program_fails_the_preview(project: Project) -> None:
    pack = project.pack("strict", "report('no stacks: ' + sys.prefix)")
    code, text = project.run("preview", "--policy-pack", str(pack))
    assert code != 0
    assert "no stacks" in text
    assert f"{pack}/env" in text, "the pack runs in its own virtual environment"


def test_a_policy_pack_that_is_kept_lets_the_preview_pass(project: Project) -> None:
    code, text = project.run("preview", "--policy-pack", str(project.pack("kind", "pass")))
    assert code == 0, text
    assert "kind" in text, "the pack was loaded"


def test_a_policy_pack_without_its_virtual_environment_names_it(project: Project) -> None:
    pack = project.pack("bare", "pass")
    (pack / "env").unlink()
    code, text = project.run("preview", "--policy-pack", str(pack))
    assert code != 0
    assert f"{pack}/env" in text


def test_a_failing_program_shows_its_own_lines_and_leaves_nothing_running(project: Project) -> None:
    project.settle("env", "raise ValueError('boom')")
    code, text = project.run("preview")
    assert code != 0
    assert "ValueError: boom" in text
    assert "runpy" not in text, "only the program's own frames are shown"
    assert not project.processes()


def test_an_exit_code_of_the_program_is_reported(project: Project) -> None:
    project.settle("env", "raise SystemExit(3)")
    code, text = project.run("preview")
    assert code != 0
    assert "exit code: 3" in text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_when_the_cli_is_ended_its_host_and_program_end_too(project: Project, number: signal.Signals) -> None:
    started = project.folder / "started"
    project.settle("env", f"import pathlib, time; pathlib.Path({str(started)!r}).touch(); time.sleep(600)")
    cli = project.start("preview")
    assert until(started.exists), "the program never began"
    assert len(project.processes()) == 3, "CLI, host and program"
    cli.send_signal(number)
    assert cli.wait(timeout=GONE_SECONDS) != 0
    assert until(lambda: not project.processes()), project.processes()


@pytest.fixture
def host() -> Iterator[subprocess.Popen[str]]:
    """The language host built here, started as a shell starts a background job: with SIGINT ignored."""
    executable = toolchain_folder() / "bin" / "pulumi-language-python"
    if not executable.exists():
        pytest.skip("an official language host is in use")
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = subprocess.Popen(
            [executable, "127.0.0.1:1"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=fence.ENVIRONMENT | {"PATH": os.environ["PATH"]},
        )
    finally:
        signal.signal(signal.SIGINT, previous)
    with process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) > 0
        assert process.poll() is None
        yield process
        process.kill()


def test_the_host_ends_at_sigint_even_if_it_was_started_with_it_ignored(host: subprocess.Popen[str]) -> None:
    host.send_signal(signal.SIGINT)
    assert host.wait(timeout=GONE_SECONDS) == 0


def test_the_host_ends_when_the_engine_is_gone(host: subprocess.Popen[str]) -> None:
    assert host.stdin is not None
    host.stdin.close()
    assert host.wait(timeout=GONE_SECONDS) == 0
