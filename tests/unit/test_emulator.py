"""The emulator's launcher and its record of addresses, without an emulator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from offline.emulator.addresses import FIRST, LAST, AddressError, Addresses
from offline.emulator.launcher import Emulator
from offline.emulator.patching import PatchError, patch
from offline.emulator.process import Process, start_of
from offline.images.build import Images
from offline.machine import Machine

SUBNET = "10.213.77.0/24"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine.allocate(tmp_path, taken=[], port_is_free=lambda port: True)


@pytest.fixture
def book(tmp_path: Path) -> Addresses:
    return Addresses(tmp_path / "addresses.json", SUBNET)


def test_the_first_database_gets_the_first_address_kept_for_databases(book: Addresses) -> None:
    assert [book.of("one"), book.of("two"), book.of("one")] == [
        "10.213.77.64",
        "10.213.77.65",
        "10.213.77.64",
    ]


def test_an_address_outlives_the_process(book: Addresses, tmp_path: Path) -> None:
    book.of("one")
    address = book.of("two")
    assert Addresses(tmp_path / "addresses.json", SUBNET).of("two") == address


def test_a_given_back_address_is_used_again(book: Addresses) -> None:
    first = book.of("one")
    book.of("two")
    book.release("one")
    assert book.of("three") == first


def test_only_named_databases_keep_their_addresses(book: Addresses) -> None:
    book.of("one")
    second = book.of("two")
    book.keep({"two"})
    assert book.of("two") == second
    assert book.of("three") == "10.213.77.64"


def test_a_full_range_is_refused_with_the_way_out(book: Addresses) -> None:
    for number in range(FIRST, LAST + 1):
        book.of(f"database-{number}")
    with pytest.raises(AddressError, match="all 64 addresses .* delete some"):
        book.of("one-more")


def test_addresses_of_another_subnet_are_forgotten(tmp_path: Path) -> None:
    file = tmp_path / "addresses.json"
    file.write_text(json.dumps({"old": "10.213.5.64", "new": "10.213.77.70"}))
    book = Addresses(file, SUBNET)
    assert (book.of("old"), book.of("new")) == ("10.213.77.64", "10.213.77.70")


def test_a_damaged_record_is_named_with_the_way_out(tmp_path: Path) -> None:
    file = tmp_path / "addresses.json"
    file.write_text("{")
    with pytest.raises(AddressError, match=r"addresses\.json is damaged .* remove it"):
        Addresses(file, SUBNET)


def test_the_emulator_listens_on_the_networks_gateway_alone(machine: Machine, tmp_path: Path) -> None:
    settings = Emulator(machine, tmp_path).settings()
    assert settings["BIND_HOST"] == settings["MINISTACK_HOST"] == machine.gateway
    assert settings["GATEWAY_PORT"] == str(machine.emulator_port)
    assert settings["SFTP_ENABLED"] == settings["IOT_MTLS_ENABLED"] == "0", "these listen on 0.0.0.0"


def test_the_emulator_persists_into_the_clone_and_uses_its_own_images(machine: Machine, tmp_path: Path) -> None:
    settings = Emulator(machine, tmp_path).settings()
    assert (settings["PERSIST_STATE"], settings["RDS_PERSIST"]) == ("1", "1")
    own = str(tmp_path / ".local" / "emulator")
    assert all(settings[name].startswith(own) for name in ("STATE_DIR", "S3_DATA_DIR", "HOME", "TMPDIR"))
    assert settings["MINISTACK_IMAGE_PREFIX"] == Images().emulator_prefix
    assert settings["MINISTACK_ACCOUNT_ID"] == machine.account


def test_nothing_of_the_users_cloud_reaches_the_emulator(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "prod")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://elsewhere")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    settings = Emulator(machine, tmp_path).settings()
    assert not [name for name in settings if name.startswith("AWS_") or name.endswith("PROXY")]
    assert settings["HOME"] != os.environ["HOME"]


def test_the_recorded_process_is_found_again(tmp_path: Path) -> None:
    own = Process(os.getpid(), start_of(os.getpid()) or "")
    own.write(tmp_path / "pid")
    found = Process.read(tmp_path / "pid")
    assert found == own
    assert found.alive()


def test_a_recycled_process_id_is_neither_taken_for_the_emulator_nor_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        now = Process(other.pid, start_of(other.pid) or "")
        recorded = replace(now, started="another-boot/1")
        assert now.alive()
        assert not recorded.alive()
        assert recorded.end(1)
        assert other.poll() is None, "a stranger with the same id was killed"
        other.communicate(b"\n")


def test_a_process_that_ended_is_not_alive() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    process = Process(child.pid, start_of(child.pid) or "")
    child.wait()
    assert not process.alive()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}', '{"pid": "x", "started": ""}'])
def test_an_unreadable_record_is_no_process(tmp_path: Path, text: str) -> None:
    (tmp_path / "pid").write_text(text)
    assert Process.read(tmp_path / "pid") is None


def test_a_name_that_the_pinned_version_lacks_stops_the_start() -> None:
    owner = SimpleNamespace(there=lambda: 1)
    patch(owner, "there", lambda original: lambda: original() + 1)
    assert owner.there() == 2
    with pytest.raises(PatchError, match=r"no gone.*requirements\.txt"):
        patch(owner, "gone", lambda original: original)
