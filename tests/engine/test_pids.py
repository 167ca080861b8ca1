"""The limit of processes of a stack's containers, set by what sets it, on a container of the same kind."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from infra.runtime.docker.pids import PidsError, _PidsProvider
from tests.support.built import images
from tests.support.containers import container, docker

pytestmark = pytest.mark.engine

PROVIDER = _PidsProvider()
MOST, ASKED = 32, 200
BOMB = f"""
import os, time
made = 0
try:
    while made < {ASKED}:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        made += 1
except BlockingIOError:
    pass
print(made, flush=True)
"""
"""Forks until it is stopped, or {ASKED} times."""


@pytest.fixture
def running() -> Iterator[str]:
    """A container as the program declares one, but for the limit: the provider has no argument for it."""
    kind = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges:true", "--memory", "256m")
    with container(images()["web-next"], *kind, "--network", "none", "--entrypoint", "sleep", command=("300",)) as name:
        yield name


def forked(name: str) -> int:
    return int(docker("exec", name, "python3", "-c", BOMB))


def test_a_fork_bomb_ends_at_the_limit_after_a_restart_too(running: str) -> None:
    PROVIDER.create({"container": running, "most": MOST})
    assert forked(running) < MOST
    docker("restart", "--time", "0", running)
    assert forked(running) < MOST


def test_without_the_limit_it_forks_as_often_as_it_likes(running: str) -> None:
    assert forked(running) == ASKED


def test_a_limit_that_somebody_changed_is_drift_and_is_put_back(running: str) -> None:
    wanted = {"container": running, "most": MOST}
    PROVIDER.create(wanted)
    assert PROVIDER.read("pids", wanted).outs == wanted
    docker("update", "--pids-limit", "-1", running)
    found = PROVIDER.read("pids", wanted).outs
    assert found == {**wanted, "most": 0}
    assert PROVIDER.diff("pids", found or {}, wanted).changes
    PROVIDER.update("pids", found or {}, wanted)
    assert PROVIDER.read("pids", wanted).outs == wanted


def test_of_a_container_that_is_gone_there_is_no_limit_and_none_is_set() -> None:
    assert PROVIDER.read("pids", {"container": "nobody", "most": MOST}).id is None
    with pytest.raises(PidsError, match=r"^`docker update --pids-limit 32 nobody` failed: .*No such container.*$"):
        PROVIDER.create({"container": "nobody", "most": MOST})
