"""Locks of a stack: whose they are, in files and in a bucket, and which stand in the way."""

from __future__ import annotations

import io
import os
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import boto3
import pytest
from botocore.stub import Stubber

from cutover import aws
from cutover.errors import CutoverError, StackLockedError
from cutover.stacks import locks
from tests.support.pulumi_says import lock


class Bucket:
    """S3, which has as objects the files of a folder, below a prefix."""

    def __init__(self, folder: Path, prefix: str) -> None:
        self._folder, self._prefix = folder, prefix
        self.exceptions = SimpleNamespace(NoSuchKey=KeyError)

    def list_objects_v2(self, *, Bucket: str, Prefix: str) -> dict[str, Any]:  # noqa: N803
        assert Bucket == "state-of-us"
        paths = (f"{self._prefix}{path.relative_to(self._folder)}" for path in self._folder.rglob("*.json"))
        found = [{"Key": key} for key in paths if key.startswith(Prefix)]
        return {"Contents": found} if found else {}

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803
        return {"Body": io.BytesIO((self._folder / Key.removeprefix(self._prefix)).read_bytes())}


@pytest.fixture(params=["files", "a bucket", "a bucket's folder"])
def locking(request: pytest.FixtureRequest, backend: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the state's backend, in each kind that has locks."""
    if request.param != "files":
        folder = "/ours" if request.param == "a bucket's folder" else ""
        monkeypatch.setenv("PULUMI_BACKEND_URL", f"s3://state-of-us{folder}?region=eu-central-1")

        def client(service: str, where: aws.Where) -> Bucket:
            assert (service, where.region) == ("s3", "eu-central-1")
            return Bucket(backend, folder[1:] and f"{folder[1:]}/")

        monkeypatch.setattr(aws, "client", client)
    return backend


def test_an_unlocked_stack_has_no_stale_lock(locking: Path) -> None:
    assert not locks.is_stale("local")


def test_the_lock_of_a_dead_process_is_stale(locking: Path, dead: int) -> None:
    lock(locking, dead)

    assert locks.is_stale("local")


def test_a_process_number_that_went_to_another_program_is_stale(locking: Path) -> None:
    lock(locking, os.getpid())

    assert locks.is_stale("local")


def test_the_lock_of_a_live_pulumi_is_respected_and_named(locking: Path, live_pulumi: int) -> None:
    lock(locking, live_pulumi)

    with pytest.raises(StackLockedError) as refused:
        locks.is_stale("local")
    assert str(refused.value) == (
        f"stack local is being changed by process {live_pulumi} of ada on {socket.gethostname()} since "
        "2025-06-01T12:00:00: let it end, or stop it and run pulumi cancel -s local"
    )


def test_the_lock_of_another_machine_is_respected_even_if_no_such_process_is_here(locking: Path, dead: int) -> None:
    lock(locking, dead, hostname="elsewhere")

    with pytest.raises(StackLockedError, match="on elsewhere since"):
        locks.is_stale("local")


def test_one_live_lock_among_stale_ones_is_respected(locking: Path, dead: int, live_pulumi: int) -> None:
    lock(locking, dead, name="a")
    lock(locking, live_pulumi, name="b")

    with pytest.raises(StackLockedError):
        locks.is_stale("local")


def test_another_stacks_lock_does_not_count(locking: Path, live_pulumi: int) -> None:
    lock(locking, live_pulumi, stack="prod")

    assert not locks.is_stale("local")


def test_a_lock_that_is_released_while_it_is_read_does_not_count(
    locking: Path, dead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock(locking, dead)

    def gone(*_: Any, **__: Any) -> None:
        raise FileNotFoundError if "file:" in os.environ["PULUMI_BACKEND_URL"] else KeyError

    monkeypatch.setattr(Path, "read_text", gone)
    monkeypatch.setattr(Bucket, "get_object", gone)

    assert not locks.is_stale("local")


@pytest.mark.parametrize("content", ["", '{"pid": 12, "userna', "[]", '{"pid": 12}', "\0\0\0"])
def test_a_lock_that_a_killed_machine_has_left_empty_or_cut_is_named_with_the_way_out(
    locking: Path, dead: int, content: str
) -> None:
    lock(locking, dead)
    (torn,) = locking.rglob("one.json")
    torn.write_text(content)

    with pytest.raises(StackLockedError) as refused:
        locks.is_stale("local")
    assert "local/one.json is torn, it has " in str(refused.value)
    assert str(refused.value).endswith("where no update of stack local runs, pulumi cancel -s local removes it")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["c#next", "a b", "50%", "is it?", "über", "100%23"])
def test_locks_are_found_in_a_folder_whose_name_a_url_writes_otherwise(
    tmp_path: Path, dead: int, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", f"file://{quote(str(tmp_path / name))}?metadata=skip")
    lock(tmp_path / name, dead)

    assert locks.is_stale("local")


def test_a_bucket_that_cannot_be_read_is_one_line(backend: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = boto3.client("s3", region_name="eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://state-of-us")
    monkeypatch.setattr(aws, "client", lambda *_, **__: client)
    asked = {"Bucket": "state-of-us", "Prefix": ".pulumi/locks/organization/web-next/local/"}

    with Stubber(client) as stub:
        stub.add_client_error("list_objects_v2", "AccessDenied", expected_params=asked)
        with pytest.raises(CutoverError, match=r"the locks in s3://state-of-us cannot be read \("):
            locks.is_stale("local")


def test_locks_of_other_backends_are_left_to_pulumi(backend: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_BACKEND_URL", "https://api.pulumi.com")

    assert not locks.is_stale("local")
