"""The step that gives a clone its network, on a real Docker engine: what an earlier clone left is no trap."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from offline.bootstrap import objects
from offline.bootstrap.console import Console
from offline.bootstrap.network import Network
from offline.bootstrap.runner import Job, StepError
from offline.machine import Machine
from tests.support.containers import docker

pytestmark = [pytest.mark.engine, pytest.mark.timeout(120)]


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    """A scratch clone whose network is made, with a volume of its own."""
    root = tmp_path / "clone"
    root.mkdir()
    act(root)
    machine = Machine.load(root)
    docker("volume", "create", "--label", machine.label, f"{machine.network}-data")
    yield root
    objects.remove(root)


def act(root: Path) -> str:
    return Network(root).act(Job("network", root.parent / "network.log", Console(io.StringIO())))


def of(root: Path) -> tuple[str, str]:
    """Names the networks and volumes of a clone."""
    label = f"label={Machine.load(root).label}"
    return (
        docker("network", "ls", "--filter", label, "--format", "{{.Name}}").strip(),
        docker("volume", "ls", "--filter", label, "--format", "{{.Name}}").strip(),
    )


def test_what_a_removed_clone_left_at_this_path_goes_and_is_told(clone: Path) -> None:
    machine = Machine.load(clone)
    assert of(clone) == (machine.network, f"{machine.network}-data")
    shutil.rmtree(clone / ".local")
    assert not Network(clone).check().done
    said = act(clone)
    assert said.endswith("removed what an earlier clone at this path left: 0 containers, 1 volumes, 1 networks")
    assert Network(clone).check().done
    assert of(clone) == (machine.network, "")


def test_where_a_stack_is_recorded_its_data_are_not_touched(clone: Path) -> None:
    machine = Machine.load(clone)
    stack = clone / ".local" / "state" / ".pulumi" / "stacks" / "web-next" / "local.json"
    stack.parent.mkdir(parents=True)
    stack.write_text("{}")
    (clone / ".local" / "machine.json").unlink()
    with pytest.raises(StepError, match=r"local\.json records a stack: restore it\. Else run `make clean`"):
        act(clone)
    machine.save(clone)
    assert of(clone) == (machine.network, f"{machine.network}-data")


def test_a_network_removed_by_hand_is_made_again_and_the_data_stay(clone: Path) -> None:
    machine = Machine.load(clone)
    docker("network", "rm", machine.network)
    assert not Network(clone).check().done
    assert act(clone) == f"{machine.network} {machine.subnet}"
    assert of(clone) == (machine.network, f"{machine.network}-data")
