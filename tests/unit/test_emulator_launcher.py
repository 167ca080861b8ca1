from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from offline.emulator import launcher
from offline.emulator.addresses import AddressError, Addresses
from offline.emulator.launcher import Emulator, EmulatorError
from offline.emulator.patching import PatchError, patch
from offline.emulator.process import Process, start_of
from offline.emulator.transit import FILES
from offline.images.build import Images
from offline.machine import Machine
from tests.support import fence

SUBNET = "10.213.7.0/24"


@pytest.fixture
def emulator(tmp_path: Path) -> Emulator:
    machine = Machine.allocate(tmp_path, taken=(), port_is_free=lambda port: True)
    machine.save(tmp_path)
    return Emulator(machine, tmp_path)


def test_a_database_keeps_its_address_over_restarts(tmp_path: Path) -> None:
    first = Addresses(tmp_path / "addresses.json", SUBNET)
    assert [first.of("a"), first.of("b")] == ["10.213.7.64", "10.213.7.65"]
    again = Addresses(tmp_path / "addresses.json", SUBNET)
    assert [again.of("b"), again.of("a"), again.of("c")] == ["10.213.7.65", "10.213.7.64", "10.213.7.66"]


def test_an_address_given_back_is_used_again(tmp_path: Path) -> None:
    addresses = Addresses(tmp_path / "addresses.json", SUBNET)
    for name in "abc":
        addresses.of(name)
    addresses.release("b")
    addresses.release("never there")
    assert addresses.of("d") == "10.213.7.65"
    addresses.keep({"d"})
    assert json.loads((tmp_path / "addresses.json").read_text()) == {"d": "10.213.7.65"}


def test_two_threads_never_get_one_address(tmp_path: Path) -> None:
    addresses = Addresses(tmp_path / "addresses.json", SUBNET)
    threads = [threading.Thread(target=addresses.of, args=(f"db-{n}",)) for n in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({addresses.of(f"db-{n}") for n in range(40)}) == 40


def test_when_all_addresses_are_taken_it_says_so(tmp_path: Path) -> None:
    addresses = Addresses(tmp_path / "addresses.json", SUBNET)
    given = [addresses.of(f"db-{n}") for n in range(64)]
    assert (given[0], given[-1]) == ("10.213.7.64", "10.213.7.127")
    with pytest.raises(AddressError, match="all 64 addresses"):
        addresses.of("one more")


def test_addresses_of_another_subnet_are_given_up(tmp_path: Path) -> None:
    (tmp_path / "addresses.json").write_text('{"a": "10.213.8.64"}')
    assert Addresses(tmp_path / "addresses.json", SUBNET).of("a") == "10.213.7.64"


def test_a_damaged_record_of_addresses_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "addresses.json").write_text("{")
    with pytest.raises(AddressError, match=r"addresses.json is damaged .*: remove it and start again"):
        Addresses(tmp_path / "addresses.json", SUBNET)


def test_a_patch_of_what_is_not_there_names_it() -> None:
    class Service:
        def present(self) -> int:
            return 1

    patch(Service, "present", lambda present: lambda this: present(this) + 1)
    assert Service().present() == 2
    with pytest.raises(PatchError, match=r"^Service has no gone: offline/emulator fits the versions"):
        patch(Service, "gone", lambda gone: gone)
    with pytest.raises(PatchError, match="has no CreateDBInstance"):
        patch({}, "CreateDBInstance", lambda action: action)
    with pytest.raises(PatchError, match="has no _create"):
        patch(SimpleNamespace(), "_create", lambda action: action)


def test_the_emulator_gets_this_clones_place_and_nothing_of_the_users(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_ENDPOINT_URL", "HTTP_PROXY", "MINISTACK_RDS_PUBLIC_ENDPOINT"):
        monkeypatch.setenv(name, "theirs")
    settings = emulator.settings()
    machine = emulator.machine
    assert "theirs" not in settings.values()
    assert settings["HOME"].startswith(str(emulator.folder))
    assert settings["BIND_HOST"] == settings["MINISTACK_HOST"] == machine.gateway
    assert settings["GATEWAY_PORT"] == str(machine.emulator_port)
    assert settings["MINISTACK_ACCOUNT_ID"] == machine.account
    assert settings["DOCKER_NETWORK"] == machine.network
    assert (settings["PERSIST_STATE"], settings["RDS_PERSIST"]) == ("1", "1")
    assert settings["MINISTACK_IMAGE_PREFIX"].startswith("web-next-cutover/")
    assert not [name for name in settings if name.startswith("AWS_")]


def test_another_shells_path_makes_no_other_emulator_and_a_new_certificate_does(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = emulator.version
    monkeypatch.setenv("PATH", "/elsewhere")
    assert emulator.version == before
    emulator.tls.mkdir()
    (emulator.tls / "databases.pem").write_text("new")
    assert emulator.version != before, "containers keep a certificate that no authority vouches for"


def test_a_missing_certificate_is_one_clear_line(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "is_complete", lambda folder: True)
    monkeypatch.setattr(launcher, "_docker", lambda *words: subprocess.CompletedProcess(words, 0, "", ""))
    emulator.tls.mkdir()
    (emulator.tls / "ca.pem").touch()
    with pytest.raises(EmulatorError, match=r"\.local/tls has no databases\.pem; `make up` writes it$"):
        emulator.start()


def test_where_the_engine_runs_on_another_machine_no_port_is_said_to_be_taken(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launcher, "is_complete", lambda folder: True)
    monkeypatch.setattr(launcher, "_docker", lambda *words: subprocess.CompletedProcess(words, 0, "", ""))
    monkeypatch.setattr(Images, "present", lambda images, names: dict.fromkeys(names, "sha256:0"))
    emulator.tls.mkdir()
    for name in FILES:
        (emulator.tls / name).touch()
    desktop = replace(emulator, machine=replace(emulator.machine, gateway="192.0.2.1"))
    with pytest.raises(EmulatorError, match=r"^this machine has no address 192\.0\.2\.1, .* runs on this machine$"):
        desktop.start()


@pytest.fixture
def sleeper(tmp_path: Path):  # type: ignore[no-untyped-def]
    started = Process.spawn(("sleep", "60"), fence.ENVIRONMENT | {"PATH": os.environ["PATH"]}, tmp_path / "log")
    yield started
    if started.alive():
        os.kill(started.pid, signal.SIGKILL)
    os.waitpid(started.pid, 0)


def test_a_process_is_known_by_its_id_and_its_start(sleeper: Process, tmp_path: Path) -> None:
    sleeper.write(tmp_path / "pid")
    recorded = Process.read(tmp_path / "pid")
    assert recorded == sleeper
    assert recorded.alive()


def test_a_recycled_process_id_is_never_signalled(sleeper: Process) -> None:
    earlier = Process(sleeper.pid, "another boot/1")
    assert not earlier.alive()
    earlier.end(0.1)
    assert sleeper.alive(), "a process that only has the same id was ended"


def test_a_process_that_ignores_the_request_is_killed(tmp_path: Path) -> None:
    script = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(60)"
    stubborn = Process.spawn((sys.executable, "-c", script), fence.ENVIRONMENT, tmp_path / "log")
    while not (tmp_path / "log").read_text():
        pass
    assert stubborn.end(0.2) is False
    assert not stubborn.alive()
    os.waitpid(stubborn.pid, 0)


def test_an_ended_process_that_nobody_has_collected_is_not_alive() -> None:
    with subprocess.Popen(["true"]) as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert start_of(child.pid) is None


@pytest.mark.parametrize("content", [None, "", "17", "null", '{"pid": "x", "started": "y"}', "[]"])
def test_an_unreadable_process_record_counts_as_none(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "pid").write_text(content)
    assert Process.read(tmp_path / "pid") is None


class Pretender:
    """An emulator's answers without the emulator."""

    def __init__(self) -> None:
        self.databases: list[dict[str, object]] = []
        pretender = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(pretender.databases if "databases" in self.path else {}).encode()
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever).start()


@pytest.fixture
def running(emulator: Emulator, sleeper: Process):  # type: ignore[no-untyped-def]
    pretender = Pretender()
    values = vars(emulator.machine) | {"gateway": "127.0.0.1", "emulator_port": pretender.server.server_port}
    emulator.folder.mkdir(parents=True)
    emulator.key.write_text("the clone's")
    emulator = Emulator(Machine(**values), emulator.root)
    Process(sleeper.pid, sleeper.started, emulator.version).write(emulator.folder / "pid")
    yield emulator, pretender
    pretender.server.shutdown()
    pretender.server.server_close()


def row(account: str, state: str) -> dict[str, object]:
    return {"account": account, "name": "audit", "address": "10.0.0.1", "port": 5432, "state": state}


def test_status_counts_the_databases_that_answer(running: tuple[Emulator, Pretender]) -> None:
    emulator, pretender = running
    pretender.databases = [row(emulator.machine.account, "answers"), row(emulator.machine.account, "creating")]
    assert emulator.status() == f"{emulator.machine.emulator}, 2 databases answer"


def test_status_names_a_database_that_does_not_answer(
    running: tuple[Emulator, Pretender], monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator, pretender = running
    monkeypatch.setattr(launcher, "LOOK_SECONDS", 0.0)
    pretender.databases = [row(emulator.machine.account, "silent")]
    with pytest.raises(EmulatorError, match=r"^no answer from audit \(10.0.0.1:5432\)"):
        emulator.status()


def test_what_tests_under_another_account_break_does_not_concern_the_clone(
    running: tuple[Emulator, Pretender],
) -> None:
    emulator, pretender = running
    pretender.databases = [row("999999999999", "silent")]
    assert emulator.status().endswith("0 databases answer")


def test_an_emulator_started_from_older_files_is_to_be_restarted(
    running: tuple[Emulator, Pretender], monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator, _ = running
    monkeypatch.setattr(launcher, "emulator_folder", lambda: emulator.root / "emulator-newer")
    with pytest.raises(
        EmulatorError, match=r"^it was started before its code, images or certificate changed; restart it"
    ):
        emulator.status()


def test_status_of_an_emulator_that_is_not_running_says_how_to_start_it(emulator: Emulator) -> None:
    with pytest.raises(EmulatorError, match=r"^not running; start it with `python -m offline.emulator start`$"):
        emulator.status()


def test_stopping_what_never_ran_is_no_error_and_makes_nothing(emulator: Emulator) -> None:
    assert emulator.stop() == "not running"
    assert not emulator.folder.exists()


def test_a_missing_environment_is_one_clear_line(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "emulator_folder", lambda: emulator.root / "emulator-none")
    with pytest.raises(EmulatorError, match=r"packages are not installed in .*emulator-none; `make up` installs them$"):
        emulator.start()
