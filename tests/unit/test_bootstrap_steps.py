"""What the steps see on a machine, and what they say when they cannot go on."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from offline.bootstrap import docker, golang, local, objects, packages, plugins, pulumi, steps, teardown
from offline.bootstrap.console import Console
from offline.bootstrap.runner import Job, StepError
from tests.support import fence

pytestmark = pytest.mark.timeout(60)

Fake = Callable[..., Path]


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job("step", tmp_path / "step.log", Console(io.StringIO()))


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """An empty PATH and cache; calling it puts a command that prints a text on the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("PULUMI", raising=False)
    monkeypatch.setattr(packages, "SEARCH", str(folder))
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)

    def command(name: str, prints: str = "", code: int = 0) -> Path:
        file = folder / name
        file.write_text(f"#!/bin/sh\necho '{prints}'\nexit {code}\n")
        file.chmod(0o755)
        return file

    return command


def test_every_need_is_the_name_of_a_step() -> None:
    for chosen in (steps.all_steps(), steps.tool_steps()):
        names = [step.name for step in chosen]
        assert len(names) == len(set(names))
        assert {need for step in chosen for need in step.needs} <= set(names)


def test_a_suitable_pulumi_of_the_person_is_used(path: Fake) -> None:
    path("pulumi-language-python")
    own = path("pulumi", "v3.260.1")
    state = pulumi.Pulumi().check()
    assert state.done
    assert "3.260.1" in state.what
    assert pulumi.bin_folder() == own.parent


@pytest.mark.parametrize("version", ["v3.258.9", "v2.999.0", "v4.0.0", "no such thing"])
def test_an_unsuitable_pulumi_is_named_and_not_used(path: Fake, version: str) -> None:
    path("pulumi-language-python")
    path("pulumi", version)
    state = pulumi.Pulumi().check()
    assert not state.done
    assert "not 3.259.0 or newer" in state.what
    with pytest.raises(StepError):
        pulumi.bin_folder()


def test_a_pulumi_without_its_language_host_is_not_used(path: Fake) -> None:
    path("pulumi", "v3.260.0")
    state = pulumi.Pulumi().check()
    assert not state.done
    assert "no pulumi-language-python beside it" in state.what


def test_too_old_a_pulumi_beside_a_built_one_is_still_said(path: Fake) -> None:
    path("pulumi", "v3.100.0")
    folder = golang.toolchain_folder()
    folder.mkdir(parents=True)
    (folder / ".complete").touch()
    state = pulumi.Pulumi().check()
    assert state.done
    assert "built from Go modules" in state.what
    assert "3.100.0" in state.what


def test_asking_for_the_pulumi_of_the_path_fails_without_a_suitable_one(
    path: Fake, monkeypatch: pytest.MonkeyPatch, job: Job
) -> None:
    monkeypatch.setenv("PULUMI", "path")
    path("pulumi", "v3.100.0")
    with pytest.raises(StepError, match=r"is 3\.100\.0.*upgrade it"):
        pulumi.Pulumi().act(job)


def test_an_unknown_choice_of_pulumi_is_refused(path: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI", "brew")
    with pytest.raises(StepError, match="PULUMI=brew is none of auto, path, modules"):
        pulumi.Pulumi().check()


def test_a_half_built_toolchain_is_not_used(path: Fake) -> None:
    (golang.toolchain_folder() / "bin").mkdir(parents=True)
    assert not pulumi.Pulumi().check().done


@pytest.mark.parametrize(
    ("prints", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go version go1.27 linux/arm64", (1, 27, 0)),
        ("not go", ()),
    ],
)
def test_the_version_of_go_is_read(path: Fake, prints: str, version: tuple[int, ...]) -> None:
    assert golang._go_version(str(path("go", prints))) == version


def test_missing_packages_are_named_with_the_command_for_root(
    path: Fake, monkeypatch: pytest.MonkeyPatch, job: Job
) -> None:
    for name in ("git", "make", "openssl", "apt-get"):
        path(name)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    state = packages.Packages().check()
    assert not state.done
    assert "debootstrap" in state.what
    assert "git" not in state.what.split()
    with pytest.raises(StepError, match="sudo apt-get install --no-install-recommends debootstrap"):
        packages.Packages().act(job)


def test_without_the_keys_of_debian_a_debootstrap_does_not_suffice(
    path: Fake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in packages.COMMANDS:
        path(name)
    path("docker", "28.0.1")
    monkeypatch.setattr(packages, "KEYRING", tmp_path / "no.gpg")
    assert packages.missing_packages() == ["debian-archive-keyring"]


def test_an_engine_that_answers_needs_no_docker_package(path: Fake) -> None:
    for name in packages.COMMANDS:
        path(name)
    path("docker", "28.0.1")
    assert packages.missing_packages() == []
    path("docker", "Cannot connect to the Docker daemon", code=1)
    assert "docker.io" in packages.missing_packages()


def test_a_docker_package_without_the_command_is_followed_by_the_commands_own(
    path: Fake, monkeypatch: pytest.MonkeyPatch, job: Job
) -> None:
    for name in packages.COMMANDS:
        path(name)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    path("apt-get")
    ran: list[tuple[str, ...]] = []

    def run(*command: str, env: object) -> None:
        ran.append(command[5:])
        if "docker.io" in command:
            path("dockerd")
            path("iptables")

    monkeypatch.setattr(job, "run", run)
    assert packages.Packages().act(job) == "installed docker.io iptables docker-cli"
    assert ran[1:] == [("--no-install-recommends", "docker.io", "iptables"), ("--no-install-recommends", "docker-cli")]


def test_no_docker_and_no_root_is_one_clear_line(path: Fake, monkeypatch: pytest.MonkeyPatch, job: Job) -> None:
    path("docker", code=1)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert not docker.Engine().check().done
    with pytest.raises(StepError, match=r"Docker does not answer .*run `make up` as root") as error:
        docker.Engine().act(job)
    assert "\n" not in str(error.value)


@pytest.fixture
def contexts(path: Fake) -> None:
    """A docker that answers; its context `remote` is another machine's engine, `mine` this machine's own."""
    path("docker").write_text(
        """#!/bin/sh
case "$*" in
  version*) echo 28.0.1 ;;
  "context show") echo "$CONTEXT" ;;
  *" remote") echo ssh://remote ;;
  *" mine") echo unix:///var/run/docker.sock ;;
  *) exit 1 ;;
esac
"""
    )


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"DOCKER_HOST": "tcp://remote:2375"}, "DOCKER_HOST is tcp://remote:2375, .*: unset DOCKER_HOST"),
        ({"CONTEXT": "remote"}, "docker's context is remote, .*: run docker context use default"),
        ({"CONTEXT": "gone"}, "docker's context is gone, .*: run docker context use default"),
        (
            {"CONTEXT": "remote", "DOCKER_CONTEXT": "remote"},
            "DOCKER_CONTEXT is remote, .*: unset DOCKER_CONTEXT",
        ),
    ],
)
def test_another_engine_than_this_machines_own_is_refused_at_once_though_it_answers(
    contexts: None,
    monkeypatch: pytest.MonkeyPatch,
    job: Job,
    tmp_path: Path,
    variables: dict[str, str],
    line: str,
) -> None:
    monkeypatch.setattr(teardown, "ROOT", tmp_path)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    state = docker.Engine().check()
    assert not state.done
    assert re.fullmatch(line, state.what)
    with pytest.raises(StepError, match=f"^{line}$"):
        docker.Engine().act(job)
    with pytest.raises(StepError, match=f"^{line}$"):
        teardown.down(Console(io.StringIO()))


@pytest.mark.parametrize(
    "variables",
    [{}, {"CONTEXT": "default"}, {"CONTEXT": "mine"}, {"DOCKER_HOST": "unix:///run/docker.sock"}],
)
def test_this_machines_own_engine_is_taken_by_whatever_name(
    contexts: None, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert docker.Engine().check().done


def test_a_dead_engine_gives_its_last_words(path: Fake, monkeypatch: pytest.MonkeyPatch, job: Job) -> None:
    path("docker", code=1)
    path("dockerd", "failed to start daemon: no space", code=1)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(docker, "SYSTEMD", Path("/nowhere"))
    monkeypatch.setattr(docker, "SERVICE", Path("/nowhere"))
    with pytest.raises(StepError, match="dockerd exited with 1: failed to start daemon: no space"):
        docker.Engine().act(job)


def test_an_unknown_choice_of_providers_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROVIDERS", "real")
    with pytest.raises(StepError, match="PROVIDERS=real is neither standins nor official"):
        plugins.Plugins().check()


def test_official_providers_take_the_place_of_stand_ins_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, job: Job
) -> None:
    monkeypatch.setenv("PROVIDERS", "official")
    monkeypatch.setattr(plugins, "PULUMI_HOME", tmp_path)
    standin, real = (tmp_path / "plugins" / f"resource-aws-v{version}" for version in ("7.51.1", "7.52.0"))
    for folder, text in ((standin, plugins._script("aws")), (real, "ELF" * 4000)):
        folder.mkdir(parents=True)
        (folder / "pulumi-resource-aws").write_text(text)
    assert not plugins.Plugins().check().done
    plugins.Plugins().act(job)
    assert plugins.Plugins().check().done
    assert real.exists()
    assert not standin.exists()


def test_down_says_how_to_stop_the_engine_that_it_leaves_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teardown, "ROOT", tmp_path)
    monkeypatch.setattr(docker, "engine_version", lambda: "27.0.0")
    monkeypatch.setattr(docker, "started_engine", lambda: 4711)
    monkeypatch.setattr(objects, "running", list)
    monkeypatch.setattr(objects, "stop", lambda _: None)
    out = io.StringIO()
    teardown.down(Console(out))

    told = "the engine that `make up` started is left running, for all clones; `kill 4711`, as root, stops it"
    assert out.getvalue().splitlines()[-1].endswith(told)


def test_forgetting_removes_the_clones_own_files_and_not_what_they_link_to(tmp_path: Path) -> None:
    root, cache = tmp_path / "clone", tmp_path / "cache"
    (root / ".local" / "state").mkdir(parents=True)
    cache.mkdir()
    (cache / "pip").touch()
    (root / ".venv").symlink_to(cache)
    for name in ("local.yaml", "local-canary.yaml", "rehearsal.yaml", "rehearsal-canary.yaml", "prod.yaml", "yaml"):
        (root / f"Pulumi.{name}").touch()
    teardown.forget(root)
    assert sorted(path.name for path in root.iterdir()) == ["Pulumi.prod.yaml", "Pulumi.yaml"]
    assert (cache / "pip").exists()


def test_the_launcher_finds_a_python_or_says_which_package_gives_one(tmp_path: Path) -> None:
    commands = tmp_path / "bin"
    commands.mkdir()
    for name in ("sh", "dirname", "id"):
        (commands / name).symlink_to(shutil.which(name) or f"/bin/{name}")
    launcher = Path(__file__).parents[2] / "offline" / "bootstrap.sh"
    done = subprocess.run(
        ["sh", launcher, "doctor"],
        env=fence.ENVIRONMENT | {"PATH": str(commands)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "python3 python3-venv" in done.stderr
    assert "3.11 or newer" in done.stderr


def test_the_state_backend_writes_no_sidecar_that_a_killed_cli_could_leave_empty(path: Fake) -> None:
    assert local.environment()["PULUMI_BACKEND_URL"] == f"file://{local.STATE}?metadata=skip"
