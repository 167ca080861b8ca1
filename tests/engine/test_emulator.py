"""The emulator in scratch clones: data and addresses survive, and no clone touches another's or a stranger's."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import botocore.exceptions
import botocore.session
import httpx
import psycopg
import pytest

from offline.bootstrap.console import Console
from offline.bootstrap.runner import Job
from offline.bootstrap.tls import Tls
from offline.emulator.launcher import Emulator, EmulatorError
from offline.emulator.process import Process
from offline.machine import Machine
from tests.support.built import images
from tests.support.containers import container, docker, wait_until
from tests.support.scratch import PASSWORD, Clone, query, redis, scratch

pytestmark = pytest.mark.engine

TOKEN = secrets.token_hex(16)


@pytest.fixture(scope="module")
def clone() -> Iterator[Clone]:
    images()
    with scratch() as made:
        yield made


@pytest.fixture(scope="module")
def secure(clone: Clone) -> tuple[str, int]:
    """A replication group as the program declares it."""
    return clone.cache("secure", TransitEncryptionEnabled=True, AuthToken=TOKEN)


@pytest.fixture(scope="module")
def authority(clone: Clone) -> Path:
    return clone.emulator.tls / "ca.pem"


def orderly(clone: Clone) -> None:
    assert clone.emulator.stop() == "stopped"
    assert clone.names("ps", "--all") == set(), "a container is left after an orderly stop"


def killed(clone: Clone) -> None:
    process = Process.read(clone.emulator.folder / "pid")
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: not process.alive(), "the end of the emulator")


def rebooted(clone: Clone) -> None:
    """The process is gone and its containers were killed with it."""
    killed(clone)
    docker("kill", *clone.names("ps"))


def containers_died(clone: Clone) -> None:
    """Docker was restarted below a running emulator."""
    docker("kill", *clone.names("ps"))


@pytest.mark.parametrize("end", [orderly, killed, rebooted, containers_died])
def test_everything_is_there_again_at_the_same_place(clone: Clone, end: Callable[[Clone], None]) -> None:
    name = f"it-{end.__name__.replace('_', '-')}"
    database, cache = clone.database(name), clone.cache(name)
    query(database, "CREATE TABLE kept AS SELECT 17 AS value")
    assert redis(cache, "SET key kept") == "+OK"
    token = secrets.token_hex(16)
    encrypted = clone.cache(f"{name}-tls", TransitEncryptionEnabled=True, AuthToken=token)
    authority, login = clone.emulator.tls / "ca.pem", f"AUTH {token}"
    assert redis(encrypted, login, "SET key encrypted", trust=authority) == "+OK"
    time.sleep(1.1)  # Redis syncs its append-only file every second
    s3 = clone.client("s3")
    s3.create_bucket(
        Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}, ObjectLockEnabledForBucket=True
    )
    s3.put_object(Bucket=name, Key="a", Body=b"first")
    lock = {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": "2099-01-01T00:00:00Z"}
    s3.put_object(Bucket=name, Key="a", Body=b"second", **lock)
    s3.put_object(Bucket=name, Key="a/b", Body=bytes(range(256)), Tagging="kind=evidence", ContentType="x/y")
    secret = clone.client("secretsmanager").create_secret(Name=name, SecretString="s3cret")["ARN"]
    granted = clone.assumed("s3").generate_presigned_url("get_object", Params={"Bucket": name, "Key": "a/b"})

    containers = len(clone.names("ps"))
    end(clone)
    clone.emulator.start()

    assert clone.status(name) == "available"
    assert len(clone.names("ps")) == containers, "a replication group's members got containers of their own"
    assert (clone.endpoint(name), clone.cache_endpoint(name)) == (database, cache)
    assert query(database, "SELECT value FROM kept") == [(17,)]
    assert redis(cache, "GET key") == "$4\r\nkept"
    assert clone.cache_endpoint(f"{name}-tls") == encrypted
    assert redis(encrypted, login, "GET key", trust=authority) == "$9\r\nencrypted"
    s3 = clone.client("s3")
    versions = s3.list_object_versions(Bucket=name, Prefix="a")["Versions"]
    bodies = [s3.get_object(Bucket=name, Key=v["Key"], VersionId=v["VersionId"])["Body"].read() for v in versions]
    assert sorted(bodies) == sorted([b"first", b"second", bytes(range(256))])
    assert s3.get_object(Bucket=name, Key="a")["Body"].read() == b"second"
    assert s3.get_object(Bucket=name, Key="a/b")["ContentType"] == "x/y"
    assert s3.get_object_tagging(Bucket=name, Key="a/b")["TagSet"] == [{"Key": "kind", "Value": "evidence"}]
    assert s3.get_object_retention(Bucket=name, Key="a")["Retention"]["Mode"] == "GOVERNANCE"
    value = clone.client("secretsmanager").get_secret_value(SecretId=secret)
    assert value["SecretString"] == "s3cret"
    assert httpx.get(granted, trust_env=False).content == bytes(range(256)), "what a role signed before is refused"
    clone.drop(name)
    for group in (name, f"{name}-tls"):
        clone.client("elasticache").delete_replication_group(ReplicationGroupId=group)


def test_what_was_deleted_leaves_nothing_behind(clone: Clone) -> None:
    volumes, containers = clone.names("volume", "ls"), clone.names("ps", "--all")
    first = clone.database("again")
    query(first, "CREATE TABLE old AS SELECT 1")
    clone.cache("again")
    clone.drop("again")
    clone.client("elasticache").delete_replication_group(ReplicationGroupId="again")
    assert (clone.names("volume", "ls"), clone.names("ps", "--all")) == (volumes, containers)
    second = clone.database("again")
    assert second == first, "the address was not given back"
    with pytest.raises(psycopg.errors.UndefinedTable):
        query(second, "SELECT * FROM old")
    clone.drop("again")


def test_a_database_that_docker_refuses_is_refused_and_not_called_available(clone: Clone) -> None:
    with pytest.raises(botocore.exceptions.ClientError, match=r"InsufficientCapacity.*No such image.*postgres:12"):
        clone.database("old", version="12")
    rds = clone.client("rds").describe_db_instances()["DBInstances"]
    assert "old" not in {instance["DBInstanceIdentifier"] for instance in rds}


def require_confined(name: str) -> None:
    host = json.loads(docker("inspect", "--format", "{{json .HostConfig}}", name))
    assert (host["ReadonlyRootfs"], host["CapDrop"], host["SecurityOpt"]) == (True, ["ALL"], ["no-new-privileges:true"])
    assert (host["Memory"], host["MemorySwap"], host["PidsLimit"]) == (512 * 2**20, 512 * 2**20, 512)
    assert host["Dns"] == ["127.0.0.1"]
    assert host["LogConfig"] == {"Type": "json-file", "Config": {"max-file": "3", "max-size": "10m"}}
    tried = docker("exec", "--user", "0", name, "sh", "-c", "touch /usr/bin/own 2>&1; grep CapEff /proc/1/status")
    assert "Read-only file system" in tried
    assert tried.endswith("0" * 16)


def test_nothing_is_published_no_password_is_in_an_environment_and_a_container_does_its_own_work_alone(
    clone: Clone,
) -> None:
    address, _ = clone.database("private")
    clone.cache("private")
    for name in clone.names("ps"):
        assert docker("port", name) == ""
        require_confined(name)
        settings = docker("inspect", "--format", "{{.Config.Env}} {{.Config.User}} {{.Config.Labels}}", name)
        assert PASSWORD not in settings
        assert f"web-next.clone:{clone.machine.clone}" in settings
        assert "ministack:" not in settings, "another MiniStack on this machine would remove the container"
    assert address.startswith(clone.machine.gateway.rpartition(".")[0])
    process = Process.read(clone.emulator.folder / "pid")
    assert process is not None
    sockets = subprocess.run(["ss", "-Hltnp"], capture_output=True, text=True, check=True).stdout.splitlines()
    listening = [line.split()[3] for line in sockets if f"pid={process.pid}," in line]
    assert listening == [f"{clone.machine.gateway}:{clone.machine.emulator_port}"]
    clone.drop("private")


@pytest.mark.parametrize(
    ("commands", "answer"),
    [
        ((f"AUTH {TOKEN}", "PING"), "+PONG"),
        (
            (f"AUTH default {TOKEN}", "CONFIG GET maxmemory-policy"),
            "*2\r\n$16\r\nmaxmemory-policy\r\n$10\r\nnoeviction",
        ),
        (("PING",), "-NOAUTH Authentication required."),
        ((f"AUTH {TOKEN[:-1]}",), "-WRONGPASS"),
        ((f"AUTH {TOKEN[:-1]}", "PING"), "-NOAUTH"),
    ],
)
def test_a_group_with_a_token_serves_who_presents_it(
    secure: tuple[str, int], authority: Path, commands: tuple[str, ...], answer: str
) -> None:
    assert redis(secure, *commands, trust=authority).startswith(answer)


def test_a_group_with_encryption_speaks_tls_alone(clone: Clone, secure: tuple[str, int], authority: Path) -> None:
    with pytest.raises(ConnectionResetError):
        redis(secure, "PING")
    open_to_all = clone.cache("open", TransitEncryptionEnabled=True)
    assert redis(open_to_all, "PING", trust=authority) == "+PONG"
    with pytest.raises(ConnectionResetError):
        redis(open_to_all, "PING")
    clone.client("elasticache").delete_replication_group(ReplicationGroupId="open")


def test_redis_cli_reaches_an_encrypted_group_and_verifies_it(
    clone: Clone, secure: tuple[str, int], authority: Path
) -> None:
    (name,) = clone.names("ps", "--filter", "label=rg_id=secure")
    docker("cp", str(authority), f"{name}:/data/ca.pem")
    command = ("redis-cli", "--tls", "--cacert", "/data/ca.pem", "-h", secure[0], "PING")
    assert docker("exec", "--env", f"REDISCLI_AUTH={TOKEN}", name, *command) == "PONG"


def test_a_token_is_nowhere_in_a_container_nor_with_the_emulator(clone: Clone, secure: tuple[str, int]) -> None:
    (name,) = clone.names("ps", "--filter", "label=rg_id=secure")
    files = "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline; find /data /etc /tmp -type f -exec cat {} +"
    inside = f"({files}) | tr -cd '[:print:]'"
    for place in (docker("inspect", name), docker("logs", name), docker("exec", name, "sh", "-c", inside)):
        assert place
        assert TOKEN not in place
    kept = [file for file in clone.emulator.folder.rglob("*") if file.is_file()]
    assert {"elasticache.json", "log"} <= {file.name for file in kept}
    assert [file for file in kept if TOKEN.encode() in file.read_bytes()] == []


def test_a_rotated_token_takes_effect_and_data_stay(clone: Clone, authority: Path) -> None:
    first, second = secrets.token_hex(16), secrets.token_hex(16)
    place = clone.cache("rotated", TransitEncryptionEnabled=True, AuthToken=first)
    assert redis(place, f"AUTH {first}", "SET key kept", trust=authority) == "+OK"

    def admits(token: str) -> bool:
        return redis(place, f"AUTH {token}", "GET key", trust=authority) == "$4\r\nkept"

    clone.rotate("rotated", second, "ROTATE")
    wait_until(lambda: admits(second), "the new token")
    assert admits(first), "clients have no time to learn the new token"
    clone.rotate("rotated", second, "SET")
    wait_until(lambda: admits(second), "the new token")
    assert not admits(first)
    clone.client("elasticache").delete_replication_group(ReplicationGroupId="rotated")


def test_an_encrypted_group_that_the_clones_authority_does_not_vouch_for_counts_as_silent(
    clone: Clone, secure: tuple[str, int], authority: Path, tmp_path: Path
) -> None:
    def state() -> str:
        (row,) = [row for row in clone.emulator.databases() if row["name"] == "secure"]
        return str(row["state"])

    assert state() == "answers"
    ours = authority.read_text()
    Machine.allocate(tmp_path).save(tmp_path)
    Tls(tmp_path).act(Job("tls", tmp_path / "tls.log", Console()))
    try:
        authority.write_text((tmp_path / ".local" / "tls" / "ca.pem").read_text())
        assert state() == "silent"
    finally:
        authority.write_text(ours)


def test_what_the_emulator_keeps_is_readable_by_its_owner_only(clone: Clone) -> None:
    for file in (clone.emulator.folder / "state").iterdir():
        assert file.stat().st_mode & 0o077 == 0, f"{file} is readable by others"


def test_the_reaper_spares_a_strangers_containers(clone: Clone) -> None:
    image = images()["base"]
    options = ("--label", "ministack=rds", "--label", "ministack=ecs")
    with container(image, *options, command=("sleep", "300")) as stranger:
        clone.emulator.stop()
        clone.emulator.start()
        assert docker("inspect", "--format", "{{.State.Running}}", stranger) == "true"


def test_two_clones_are_up_side_by_side(clone: Clone) -> None:
    mine = clone.database("shared-name", account="111111111111")
    query(mine, "CREATE TABLE whose AS SELECT 'first' AS clone")
    with scratch() as other:
        theirs = other.database("shared-name", account="111111111111")
        query(theirs, "CREATE TABLE whose AS SELECT 'second' AS clone")
        assert other.emulator.stop() == "stopped"
        assert query(mine, "SELECT clone FROM whose") == [("first",)]
        other.emulator.start()
        assert other.endpoint("shared-name", "111111111111") == theirs
        wait_until(lambda: query(theirs, "SELECT clone FROM whose") == [("second",)], "the other clone's database")
    assert query(mine, "SELECT clone FROM whose") == [("first",)]
    clone.drop("shared-name", "111111111111")


def test_starting_twice_changes_nothing(clone: Clone) -> None:
    before = (clone.emulator.folder / "pid").read_text()
    clone.emulator.start()
    assert (clone.emulator.folder / "pid").read_text() == before
    assert clone.emulator.status().startswith(clone.machine.emulator)


def test_a_port_that_is_taken_is_one_clear_line(clone: Clone) -> None:
    clone.emulator.stop()
    place = (clone.machine.gateway, clone.machine.emulator_port)
    try:
        with socket.create_server(place), pytest.raises(EmulatorError, match=r"is not free \(Address already in use\)"):
            clone.emulator.start()
    finally:
        clone.emulator.start()


def test_a_process_that_dies_says_its_last_words(clone: Clone) -> None:
    clone.emulator.stop()
    addresses = clone.emulator.folder / "addresses.json"
    kept = addresses.read_text()
    addresses.write_text("{")
    try:
        with pytest.raises(EmulatorError, match=r"^the emulator died: .*addresses.json is damaged"):
            clone.emulator.start()
    finally:
        addresses.write_text(kept)
        clone.emulator.start()


def test_a_missing_network_is_one_clear_line(tmp_path: Path) -> None:
    machine = Machine.allocate(tmp_path)
    machine.save(tmp_path)
    with pytest.raises(EmulatorError, match=r"^Docker has no network web-next-\w+; `make up` creates it$"):
        Emulator(machine, tmp_path).start()
