"""A clone's place on the machine."""

from __future__ import annotations

import ipaddress
import json
import socket
from pathlib import Path

import pytest

from offline import machine as machines
from offline.machine import Machine, MachineError, clone_id, machine_file


def allocate(root: Path, taken: tuple[str, ...] = (), busy: tuple[int, ...] = ()) -> Machine:
    networks = [ipaddress.IPv4Network(subnet) for subnet in taken]
    return Machine.allocate(root, taken=networks, port_is_free=lambda port: port not in busy)


def test_the_same_clone_gets_the_same_machine(tmp_path: Path) -> None:
    assert allocate(tmp_path) == allocate(tmp_path)


def test_two_clones_share_nothing(tmp_path: Path) -> None:
    one = allocate(tmp_path / "one")
    two = allocate(tmp_path / "two", taken=(one.subnet,))
    fields = ("clone", "account", "network", "subnet", "gateway", "emulator", "emulator_port", "edge_port")
    for field in (*fields, "metrics_network", "metrics_subnet", "outside_network", "outside_subnet"):
        assert getattr(one, field) != getattr(two, field), field
    assert abs(one.rds_base_port - two.rds_base_port) >= 16, "each numbers 16 databases upwards"
    assert abs(one.elasticache_base_port - two.elasticache_base_port) >= 16


def test_a_taken_subnet_moves_the_clone_to_the_next_slot(tmp_path: Path) -> None:
    first = allocate(tmp_path)
    moved = allocate(tmp_path, taken=(first.subnet,))
    slot = int(first.subnet.split(".")[2])
    assert moved.subnet == f"10.213.{(slot + 1) % 256}.0/24"
    assert moved.clone == first.clone
    assert moved.account == first.account


def test_a_taken_subnet_of_its_other_networks_moves_the_clone_too(tmp_path: Path) -> None:
    first = allocate(tmp_path)
    assert first.metrics_subnet == first.subnet.replace("10.213.", "10.214.")
    assert first.outside_subnet == first.subnet.replace("10.213.", "10.215.")
    for beside in (first.metrics_subnet, first.outside_subnet):
        assert allocate(tmp_path, taken=(beside,)).subnet != first.subnet


def test_docker_publishes_a_port_on_the_networks_first_that_let_out(tmp_path: Path) -> None:
    machine = allocate(tmp_path)
    assert max(machine.network, machine.metrics_network, machine.outside_network) == machine.network


def test_part_of_a_subnet_counts_as_taken(tmp_path: Path) -> None:
    first = allocate(tmp_path)
    assert allocate(tmp_path, taken=(f"{first.address(64)}/26",)).subnet != first.subnet


@pytest.mark.parametrize("port", ["emulator_port", "edge_port", "rds_base_port", "elasticache_base_port"])
def test_a_busy_port_moves_the_clone_to_the_next_slot(tmp_path: Path, port: str) -> None:
    first = allocate(tmp_path)
    assert allocate(tmp_path, busy=(getattr(first, port),)).subnet != first.subnet


def test_a_port_that_something_listens_on_is_not_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert not machines._port_is_free(server.getsockname()[1])


def test_no_slot_left_is_said_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="make clean"):
        allocate(tmp_path, taken=("10.213.0.0/16",))


def test_ports_stay_below_those_the_kernel_hands_out(tmp_path: Path) -> None:
    for name in map(str, range(300)):
        machine = allocate(tmp_path / name)
        assert machine.elasticache_base_port + 16 < 32768
        assert machine.rds_base_port + 16 <= 25000, "the databases' blocks must not meet the caches'"


def test_an_account_is_twelve_digits_and_never_zero(tmp_path: Path) -> None:
    for name in map(str, range(100)):
        account = allocate(tmp_path / name).account
        assert len(account) == 12
        assert account.isdigit()
        assert int(account) >= 10**11


def test_a_saved_machine_is_kept(tmp_path: Path) -> None:
    machine = allocate(tmp_path)
    machine.save(tmp_path)
    assert Machine.load(tmp_path) == machine
    assert machine.emulator == f"http://{machine.gateway}:{machine.emulator_port}"


def test_loading_before_allocation_names_make_up(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="make up"):
        Machine.load(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"clone": "x"'])
def test_a_damaged_file_is_one_clear_error(tmp_path: Path, text: str) -> None:
    machine_file(tmp_path).parent.mkdir()
    machine_file(tmp_path).write_text(text)
    with pytest.raises(MachineError, match="damaged"):
        Machine.load(tmp_path)


def test_a_copied_clone_is_refused(tmp_path: Path) -> None:
    original, copy = tmp_path / "original", tmp_path / "copy"
    for root in (original, copy):
        root.mkdir()
        allocate(original).save(root)
    with pytest.raises(MachineError, match=f"this folder is clone {clone_id(copy)}"):
        Machine.load(copy)


def test_the_file_holds_the_contract_between_the_parts(tmp_path: Path) -> None:
    allocate(tmp_path).save(tmp_path)
    assert set(json.loads(machine_file(tmp_path).read_text())) == {
        "clone", "account", "network", "subnet", "gateway",
        "emulator_port", "edge_port", "rds_base_port", "elasticache_base_port",
    }  # fmt: skip
