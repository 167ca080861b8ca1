"""That an update waits for its containers, by what waits for them, on containers that get healthy or do not."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from infra.runtime.docker import healthy
from infra.runtime.docker.healthy import UnhealthyError, _HealthyProvider
from tests.support.built import images
from tests.support.containers import container

pytestmark = pytest.mark.engine

PROVIDER = _HealthyProvider()
READY = ["test", "-e", "/tmp/ready"]


def waited(script: str, command: Sequence[str], **environment: str) -> float:
    """The seconds until the container that runs the script, as the program declares one, is said to be healthy, with
    what Docker's command line finds in the environment meanwhile."""
    kind = ("--tmpfs", "/tmp", "--network", "none", "--restart", "unless-stopped", "--entrypoint", "bash")
    with (
        container(images()["web-next"], *kind, command=("-c", script)) as running,
        pytest.MonkeyPatch.context() as patch,
    ):
        for name, value in environment.items():
            patch.setenv(name, value)
        began = time.monotonic()
        PROVIDER.create({"container": running, "name": "app", "command": [*command]})
        return time.monotonic() - began


def test_it_waits_until_the_command_succeeds() -> None:
    assert waited("sleep 2; touch /tmp/ready; sleep 60", READY) > 1


def test_a_container_that_ends_again_and_again_is_said_at_once_with_its_last_words() -> None:
    began = time.monotonic()
    said = (
        r"^container app ended \d+ times before it was healthy, .*; its last words: .*no vault.*; mend that and run up"
    )
    with pytest.raises(UnhealthyError, match=said):
        waited("echo one; echo no vault >&2; exit 3", READY)
    assert time.monotonic() - began < healthy.HEALTHY_SECONDS / 2


def test_one_that_ends_and_then_gets_healthy_is_healthy() -> None:
    assert waited("[ -e /var/tmp/was ] || { touch /var/tmp/was; exit 3; }; touch /tmp/ready; sleep 60", READY)


def test_a_warning_of_the_command_line_is_no_answer(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{torn")
    assert waited("sleep 1; touch /tmp/ready; sleep 60", READY, DOCKER_CONFIG=str(tmp_path))


def test_an_engine_that_is_away_is_named_and_no_container_is_said_to_be_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    monkeypatch.setattr(healthy, "HEALTHY_SECONDS", 1)
    with pytest.raises(UnhealthyError, match=r"is not healthy after 1 s: .*Cannot connect to the Docker daemon"):
        PROVIDER.create({"container": "app", "name": "app", "command": READY})


def test_one_that_does_not_get_healthy_in_time_is_said_with_what_its_command_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(healthy, "HEALTHY_SECONDS", 1)
    looked = "`cat` ends with 1 and says cat: /tmp/ready: No such file or directory"
    said = f"container app is not healthy after 1 s: {looked}; its last words: nothing; mend that and run up again"
    with pytest.raises(UnhealthyError, match=f"^{said}$"):
        waited("sleep 60", ["cat", "/tmp/ready"])


def test_a_command_that_hangs_does_not_hang_the_update(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(healthy, "HEALTHY_SECONDS", 1)
    monkeypatch.setattr(healthy, "ANSWER_SECONDS", 1)
    with pytest.raises(UnhealthyError, match="is not healthy after 1 s: `sleep` takes over 1 s; "):
        waited("sleep 60", ["sleep", "60"])


def test_a_container_that_is_gone_is_not_waited_for() -> None:
    with pytest.raises(UnhealthyError, match=r"^container app was removed before it was healthy"):
        PROVIDER.create({"container": "nobody", "name": "app", "command": READY})


def test_one_in_its_place_is_waited_for_again_and_the_same_is_not() -> None:
    was = {"container": "a", "name": "app", "command": READY}
    assert PROVIDER.diff("healthy", was, {**was, "container": "b"}).changes
    assert not PROVIDER.diff("healthy", was, {**was, "command": ["true"]}).changes
