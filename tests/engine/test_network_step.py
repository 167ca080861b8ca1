"""The step that gives a clone its network, on a real Docker engine: what an earlier clone left is no trap."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from ipaddress import IPv4Network
from pathlib import Path
from subprocess import CalledProcessError

import httpx
import pytest

from offline.bootstrap import objects
from offline.bootstrap.console import Console
from offline.bootstrap.network import Network
from offline.bootstrap.runner import Job, StepError
from offline.machine import Machine
from tests.support.built import images
from tests.support.containers import container, docker, free_port, wait_until
from tests.support.reaching import attempts, listening

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


def of(root: Path) -> tuple[list[str], str]:
    """Names the networks and volumes of a clone."""
    label = f"label={Machine.load(root).label}"
    return (
        docker("network", "ls", "--filter", label, "--format", "{{.Name}}").split(),
        docker("volume", "ls", "--filter", label, "--format", "{{.Name}}").strip(),
    )


def networks(machine: Machine) -> list[str]:
    return [machine.metrics_network, machine.outside_network, machine.network]


def test_what_a_removed_clone_left_at_this_path_goes_and_is_told(clone: Path) -> None:
    machine = Machine.load(clone)
    assert of(clone) == (networks(machine), f"{machine.network}-data")
    shutil.rmtree(clone / ".local")
    assert not Network(clone).check().done
    said = act(clone)
    assert said.endswith("removed what an earlier clone at this path left: 0 containers, 1 volumes, 3 networks")
    assert Network(clone).check().done
    assert of(clone) == (networks(machine), "")


def test_where_a_stack_is_recorded_its_data_are_not_touched(clone: Path) -> None:
    machine = Machine.load(clone)
    stack = clone / ".local" / "state" / ".pulumi" / "stacks" / "web-next" / "local.json"
    stack.parent.mkdir(parents=True)
    stack.write_text("{}")
    (clone / ".local" / "machine.json").unlink()
    with pytest.raises(StepError, match=r"local\.json records a stack: restore it\. Else run `make clean`"):
        act(clone)
    machine.save(clone)
    assert of(clone) == (networks(machine), f"{machine.network}-data")


@pytest.mark.parametrize("which", ["network", "metrics_network", "outside_network"])
def test_a_network_removed_by_hand_is_made_again_and_the_data_stay(clone: Path, which: str) -> None:
    machine = Machine.load(clone)
    docker("network", "rm", getattr(machine, which))
    assert Network(clone).check().what == f"{getattr(machine, which)} is not there"
    beside = f"metrics {machine.metrics_subnet}, outside {machine.outside_subnet}"
    assert act(clone) == f"{machine.network} {machine.subnet}, {beside}"
    assert of(clone) == (networks(machine), f"{machine.network}-data")


def opened(machine: Machine) -> None:
    """Makes the clone's network as it was before: its containers leave it."""
    docker("network", "rm", machine.network)
    place = ("--subnet", machine.subnet, "--gateway", machine.gateway)
    docker("network", "create", *place, "--label", machine.label, machine.network)


def test_a_network_that_lets_out_is_made_anew_when_nothing_runs_on_it_and_refused_by_name_before(clone: Path) -> None:
    machine = Machine.load(clone)
    opened(machine)
    with container(images()["web-next"], "--network", machine.network, "--entrypoint", "sleep", command=("60",)) as one:
        with pytest.raises(StepError, match="lets its 1 containers out, as it was made before; run `make down` and"):
            act(clone)
        docker("stop", "--time", "0", one)
        assert Network(clone).check().what == f"{machine.network} is not there"
        act(clone)
    assert Network(clone).check().done
    assert of(clone) == (networks(machine), f"{machine.network}-data"), "its data stay"


@pytest.mark.parametrize("leaves", ["not", "as it did before", "by the outside network"])
def test_from_the_clones_network_nothing_of_this_machine_is_reached_but_its_gateway(clone: Path, leaves: str) -> None:
    machine = Machine.load(clone)
    if leaves == "as it did before":
        opened(machine)
    here = ("--network", machine.network, "--cap-drop", "ALL", "--entrypoint", "sleep")
    with container(images()["web-next"], *here, command=("60",)) as app, listening() as listeners:
        if leaves == "by the outside network":
            docker("network", "connect", machine.outside_network, app)
        reached, next_hop = attempts(app, listeners)

    default = docker("network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Subnet}}")
    beside = {str(IPv4Network(subnet)[1]) for subnet in (default, machine.metrics_subnet, machine.outside_subnet)}
    assert beside < {*listeners} - {machine.gateway}
    closed = leaves == "not"
    assert reached == {machine.gateway} if closed else reached >= {*listeners}, "the emulator is on the gateway"
    assert next_hop is not closed, "there is no way to anywhere else, either"


SERVE = """
from http.server import HTTPServer, SimpleHTTPRequestHandler
HTTPServer(("{address}", 9090), SimpleHTTPRequestHandler).serve_forever()
"""
ASK = "import socket; socket.create_connection(('{address}', 9090), 2)"


def test_what_listens_on_the_metrics_network_is_reached_by_a_loopback_port_and_by_nobody_on_the_other(
    clone: Path,
) -> None:
    machine, port = Machine.load(clone), free_port()
    address = machine.metrics_address(15)
    both = ("--network", machine.metrics_network, "--ip", address, "--publish", f"127.0.0.1:{port}:9090")
    python = images()["web-next"]
    serve = ("python3", "-c", SERVE.format(address=address))
    with (
        container(python, "--network", machine.network, "--entrypoint", "sleep", command=("60",)) as app,
        container(python, *both, "--entrypoint", "sh", command=("-c", 'sleep 1; exec "$@"', "-", *serve)) as measures,
    ):
        docker("network", "connect", machine.network, measures)
        docker("restart", "--time", "0", measures)  # with both networks from its start, as the stack has it
        wait_until(
            lambda: httpx.get(f"http://127.0.0.1:{port}/", trust_env=False).status_code == 200, "the published port"
        )
        own = docker(
            "inspect", measures, "--format", f'{{{{(index .NetworkSettings.Networks "{machine.network}").IPAddress}}}}'
        )

        for other in (address, own):
            with pytest.raises(CalledProcessError):
                docker("exec", app, "python3", "-c", ASK.format(address=other))
