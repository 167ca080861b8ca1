"""What a machine that went off leaves empty or cut: made again where that can be, else one line with the way out."""

from __future__ import annotations

import gzip
import io
import ipaddress
import json
import os
import platform
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest

from cutover.commands.app import main
from cutover.errors import MigrationError
from offline.bootstrap import local
from offline.bootstrap.console import Console
from offline.bootstrap.local import Backend
from offline.bootstrap.runner import Job, StepError
from offline.bootstrap.tls import FILES, Tls
from offline.emulator.durable import BLOB, EMPTY, Durable, TornError
from offline.images import build
from offline.images.build import Images
from offline.machine import Machine

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job("step", tmp_path / "step.log", Console(io.StringIO()))


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone whose backend is made in a folder of its own, and needs no Pulumi for that."""
    for name, path in (
        ("ROOT", ""),
        ("STATE", ".local/state"),
        ("PASSPHRASE", ".local/passphrase"),
        ("ENVIRONMENT", ".local/env"),
        ("CUTOVER", ".local/bin/cutover"),
    ):
        monkeypatch.setattr(local, name, tmp_path / path)
    monkeypatch.setattr(local, "environment_text", lambda: "# environment\n")
    return tmp_path


def recorded(clone: Path) -> Path:
    state = clone / ".local" / "state" / ".pulumi" / "stacks" / "web-next" / "local.json"
    state.parent.mkdir(parents=True)
    state.write_text("{}")
    return state


@pytest.mark.parametrize("left", ["", "\n"])
def test_an_empty_passphrase_is_made_anew_while_nothing_is_under_it(clone: Path, job: Job, left: str) -> None:
    Backend().act(job)
    (clone / ".local/passphrase").write_text(left)

    assert not Backend().check().done
    Backend().act(job)

    assert len((clone / ".local/passphrase").read_text()) > 30
    assert Backend().check().done


@pytest.mark.parametrize(("left", "seen"), [("", "is empty"), (None, "is not there")])
def test_a_passphrase_that_secrets_are_under_is_never_made_anew(
    clone: Path, job: Job, left: str | None, seen: str
) -> None:
    Backend().act(job)
    passphrase = clone / ".local/passphrase"
    passphrase.unlink()
    if left is not None:
        passphrase.write_text(left)
        passphrase.chmod(0o600)
    recorded(clone)

    assert not Backend().check().done
    with pytest.raises(StepError) as refused:
        Backend().act(job)

    assert str(refused.value) == (
        f"{passphrase} {seen}, and the secrets of local are under it: restore it. Else run `make clean`, which removes "
        "the stack's data, and `make up`"
    )
    assert passphrase.exists() is (left is not None)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kept", [0, 60])
def test_a_certificate_or_key_that_is_empty_or_cut_is_made_anew_with_all_others(
    tmp_path: Path, job: Job, name: str, kept: int
) -> None:
    others = [one for one in ipaddress.IPv4Network("10.213.0.0/16").subnets(8) if str(one) != "10.213.7.0/24"]
    Machine.allocate(tmp_path, taken=others, port_is_free=lambda port: True).save(tmp_path)
    step = Tls(tmp_path)
    step.act(job)
    file = tmp_path / ".local" / "tls" / name
    file.write_text(file.read_text()[:kept])

    state = step.check()
    assert not state.done
    assert name in state.what

    step.act(job)
    assert step.check().done


def services(states: Path, *names: str) -> tuple[SimpleNamespace, SimpleNamespace]:
    """MiniStack's application and persistence, as far as Durable asks them before it reads what was kept."""
    return SimpleNamespace(_state_map={name: name for name in names}), SimpleNamespace(STATE_DIR=str(states))


def durable(folder: Path, state: str, *blobs: tuple[str, bytes]) -> Durable:
    (folder / "state").mkdir()
    (folder / "blobs").mkdir()
    (folder / "state" / "s3.json").write_text(state)
    for digest, body in blobs:
        (folder / "blobs" / digest).write_bytes(body)
    return Durable(*services(folder / "state", "s3"), folder / "blobs")


@pytest.mark.parametrize("left", ["", '{"payload": {"buck', "\0\0\0\0"])
def test_an_emulators_state_that_is_torn_is_named_and_what_it_kept_stays(tmp_path: Path, left: str) -> None:
    kept = durable(tmp_path, left, ("a" * 64, b"evidence"))

    with pytest.raises(TornError) as refused:
        kept._remove_unused()

    assert str(refused.value).startswith(f"{tmp_path}/state/s3.json is torn (")
    assert str(refused.value).endswith("Else remove it, which forgets what the emulator has of s3, and run `make up`")
    assert (tmp_path / "blobs" / ("a" * 64)).read_bytes() == b"evidence"


@pytest.mark.parametrize(("blobs", "seen"), [([], "is not there"), ([("a" * 64, b"")], "is empty")])
def test_a_body_that_is_torn_is_named(tmp_path: Path, blobs: Sequence[tuple[str, bytes]], seen: str) -> None:
    kept = durable(tmp_path, json.dumps({"body": {BLOB: "a" * 64}}), *blobs)

    with pytest.raises(TornError, match=rf"blobs/a+ {seen}, and s3\.json names it: restore it\. Else run `make clean`"):
        kept._remove_unused()


def test_bodies_that_nothing_names_go_and_one_that_is_empty_by_nature_stays(tmp_path: Path) -> None:
    kept = durable(tmp_path, json.dumps({"body": {BLOB: EMPTY}}), (EMPTY, b""), ("b" * 64, b"old"))

    kept._remove_unused()

    assert [one.name for one in (tmp_path / "blobs").iterdir()] == [EMPTY]


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Images:
    """A source tree that has what the base and web-next's wheels are made of, on a machine of this kind."""
    for name in ("offline/images/base", "webnext"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "webnext" / "requirements.txt").write_text("left-pad==1.0\n")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return Images(tmp_path, tmp_path / "cache")


def building(monkeypatch: pytest.MonkeyPatch, make: Callable[[Sequence[str]], object]) -> list[Sequence[str]]:
    ran: list[Sequence[str]] = []

    def run(*command: str, **_: object) -> None:
        ran.append(command)
        make(command)

    monkeypatch.setattr(build, "_run", run)
    return ran


@pytest.mark.parametrize("kept", [0, 900])
def test_a_torn_archive_of_the_base_is_made_again_and_a_whole_one_is_not(
    images: Images, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    whole = gzip.compress(os.urandom(1000))
    ran = building(monkeypatch, lambda command: Path(command[-1]).write_bytes(whole))
    made = images.cache / f"base-{images.pin('base')}-{platform.machine()}.tar.gz"
    made.parent.mkdir()
    made.write_bytes(whole[:kept])

    assert images._base() == made
    assert images._base() == made
    assert len(ran) == 1
    assert made.read_bytes() == whole


def test_a_torn_wheel_is_downloaded_again_with_the_others(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(command: Sequence[str]) -> None:
        draft = Path(command[command.index("--dest") + 1])
        draft.mkdir(parents=True)
        for name in ("left_pad", "right_pad"):
            with zipfile.ZipFile(draft / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
                wheel.writestr("pad.py", "pad")

    ran = building(monkeypatch, download)
    made = images._wheels()
    assert images._wheels() == made
    assert len(ran) == 1

    torn = made / "left_pad-1.0-py3-none-any.whl"
    torn.write_bytes(torn.read_bytes()[:40])
    assert images._wheels() == made
    assert len(ran) == 2
    assert all(zipfile.is_zipfile(wheel) for wheel in made.iterdir())


@pytest.mark.parametrize("verb", ["plan", "status", "verify"])
def test_a_file_of_an_url_that_is_empty_is_not_taken_for_the_defaults_of_whoever_types(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "url").write_text("\n")

    assert main(["migrate", verb, "--url-file", str(tmp_path / "url")]) == MigrationError.exit_code
    assert f"{tmp_path}/url is empty: name a file that holds the URL" in capsys.readouterr().err


def test_a_file_of_an_url_that_is_no_text_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "url").write_bytes(b"\xff\xfe")

    assert main(["migrate", "plan", "--url-file", str(tmp_path / "url")]) == MigrationError.exit_code
    assert f"{tmp_path}/url is no text (invalid start byte)" in capsys.readouterr().err
