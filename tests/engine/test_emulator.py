"""The emulator of a scratch clone: what outlives its end, what it leaves alone, where it listens."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import botocore.session
import psycopg
import pytest
from offline.emulator.launcher import Emulator, EmulatorError
from offline.images.build import Images, build_all
from offline.machine import Machine

pytestmark = pytest.mark.engine
PASSWORD = "local-" + "master"


def docker(*arguments: str, check: bool = True) -> str:
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True)
    assert not check or done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr}"
    return done.stdout.strip()


@dataclass
class Clone:
    """A clone in a folder of its own, with its own network and emulator."""

    emulator: Emulator

    @property
    def machine(self) -> Machine:
        return self.emulator.machine

    def client(self, service: str, account: str = ""):  # type: ignore[no-untyped-def]
        return botocore.session.Session().create_client(
            service,
            region_name="eu-central-1",
            endpoint_url=self.machine.emulator,
            aws_access_key_id=account or self.machine.account,
            aws_secret_access_key="local",
        )

    def pid(self) -> int:
        return int(json.loads((self.emulator.folder / "pid").read_text())["pid"])

    def kill(self) -> None:
        os.kill(self.pid(), signal.SIGKILL)

    def containers(self) -> list[str]:
        return docker("ps", "--all", "--quiet", "--filter", f"label={self.machine.label}").split()


def make(root: Path) -> Clone:
    (root / ".local").mkdir(parents=True)
    machine = Machine.allocate(root)
    machine.save(root)
    docker(
        "network", "create", "--subnet", machine.subnet, "--gateway", machine.gateway,
        "--ip-range", machine.address(128) + "/25", "--label", machine.label,
        "--opt", "com.docker.network.bridge.host_binding_ipv4=127.0.0.1", machine.network,
    )  # fmt: skip
    return Clone(Emulator(machine, root))


def remove(clone: Clone) -> None:
    clone.emulator.stop()
    label = ("--quiet", "--filter", f"label={clone.machine.label}")
    for listing, removal in (
        (("ps", "--all"), ("rm", "--force", "--volumes")),
        (("volume", "ls"), ("volume", "rm")),
        (("network", "ls"), ("network", "rm")),
    ):
        if found := docker(*listing, *label).split():
            docker(*removal, *found)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    """A clone with one database, one cache, one versioned bucket and one secret, and its emulator running."""
    build_all()
    made = make(tmp_path_factory.mktemp("clone"))
    try:
        made.emulator.start()
        fill(made)
        yield made
    finally:
        remove(made)


def fill(clone: Clone) -> None:
    rds = clone.client("rds")
    rds.create_db_instance(
        DBInstanceIdentifier="audit", DBInstanceClass="db.t4g.micro", Engine="postgres", EngineVersion="17.4",
        MasterUsername="master", MasterUserPassword=PASSWORD, DBName="audit", AllocatedStorage=20,
    )  # fmt: skip
    rds.get_waiter("db_instance_available").wait(
        DBInstanceIdentifier="audit", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    clone.client("elasticache").create_replication_group(
        ReplicationGroupId="queues", ReplicationGroupDescription="queues", Engine="redis", EngineVersion="7.1",
        NumCacheClusters=1, CacheNodeType="cache.t4g.micro",
    )  # fmt: skip
    s3 = clone.client("s3")
    s3.create_bucket(Bucket="records", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    s3.put_bucket_versioning(Bucket="records", VersioningConfiguration={"Status": "Enabled"})
    clone.client("secretsmanager").create_secret(Name="vault/key", SecretString="first")
    with connect(clone) as connection:
        connection.execute("CREATE TABLE rows (value text)")


def endpoint(clone: Clone) -> tuple[str, int]:
    found = clone.client("rds").describe_db_instances(DBInstanceIdentifier="audit")["DBInstances"][0]
    return found["Endpoint"]["Address"], found["Endpoint"]["Port"]


def cache(clone: Clone) -> tuple[str, int]:
    groups = clone.client("elasticache").describe_replication_groups(ReplicationGroupId="queues")
    primary = groups["ReplicationGroups"][0]["NodeGroups"][0]["PrimaryEndpoint"]
    return primary["Address"], primary["Port"]


def connect(clone: Clone):  # type: ignore[no-untyped-def]
    host, port = endpoint(clone)
    return psycopg.connect(
        host=host, port=port, user="master", password=PASSWORD, dbname="audit", sslmode="require", autocommit=True
    )


def redis(clone: Clone, command: str) -> str:
    with socket.create_connection(cache(clone), 5) as connection:
        connection.sendall(f"{command}\r\n".encode())
        return connection.recv(1024).decode()


def write(clone: Clone, text: str) -> None:
    with connect(clone) as connection:
        connection.execute("INSERT INTO rows VALUES (%s)", [text])
    assert redis(clone, f"SET kept {text}") == "+OK\r\n"
    s3 = clone.client("s3")
    s3.put_object(Bucket="records", Key="a/b.json", Body=b"older " + text.encode())
    s3.put_object(Bucket="records", Key="a/b.json", Body=text.encode())
    clone.client("secretsmanager").put_secret_value(SecretId="vault/key", SecretString=text)


def check(clone: Clone, text: str) -> None:
    with connect(clone) as connection:
        assert connection.execute("SELECT value FROM rows WHERE value = %s", [text]).fetchone() == (text,)
    assert text in redis(clone, "GET kept")
    s3 = clone.client("s3")
    assert s3.get_object(Bucket="records", Key="a/b.json")["Body"].read() == text.encode()
    versions = s3.list_object_versions(Bucket="records", Prefix="a/b.json")["Versions"]
    bodies = {
        s3.get_object(Bucket="records", Key="a/b.json", VersionId=row["VersionId"])["Body"].read() for row in versions
    }
    assert {text.encode(), b"older " + text.encode()} <= bodies
    assert clone.client("secretsmanager").get_secret_value(SecretId="vault/key")["SecretString"] == text


@pytest.mark.parametrize("end", ["stop", "kill", "reboot"])
def test_data_and_addresses_outlive_the_emulator(clone: Clone, end: str) -> None:
    before = (endpoint(clone), cache(clone))
    text = f"{end}-{secrets.token_hex(4)}"
    write(clone, text)
    time.sleep(2.0)  # what the emulator and Redis may lose when killed
    if end == "stop":
        clone.emulator.stop()
        assert not clone.containers(), "its databases stop with it"
    else:
        clone.kill()
        if end == "reboot":
            docker("kill", *clone.containers())
    clone.emulator.start()
    assert (endpoint(clone), cache(clone)) == before
    check(clone, text)


def test_a_database_is_not_superuser_and_its_password_is_not_in_its_environment(clone: Clone) -> None:
    with connect(clone) as connection:
        assert connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() == (False,)
    for container in clone.containers():
        assert PASSWORD not in docker("inspect", container)


def test_everything_the_emulator_makes_is_labelled_as_the_clones(clone: Clone) -> None:
    names = docker("ps", "--all", "--format", "{{.Names}}", "--filter", f"network={clone.machine.network}").split()
    assert names
    labelled = docker("ps", "--all", "--format", "{{.Names}}", "--filter", f"label={clone.machine.label}").split()
    assert sorted(names) == sorted(labelled)
    volumes = docker("volume", "ls", "--quiet", "--filter", f"label={clone.machine.label}").split()
    assert len(volumes) == 2, f"one for the database and one for the cache: {volumes}"
    assert all(clone.machine.clone in name for name in [*names, *volumes])


def test_the_emulator_listens_on_the_gateway_and_databases_publish_nothing(clone: Clone) -> None:
    listening = subprocess.run(["ss", "-ltnpH"], capture_output=True, text=True, check=True).stdout
    own = [line.split()[3] for line in listening.splitlines() if f"pid={clone.pid()}," in line]
    assert own == [f"{clone.machine.gateway}:{clone.machine.emulator_port}"]
    for container in clone.containers():
        bound = json.loads(docker("inspect", container))[0]["HostConfig"]["PortBindings"] or {}
        hosts = {entry["HostIp"] for entries in bound.values() for entry in entries or []}
        assert hosts <= {"127.0.0.1", clone.machine.gateway}, f"{container}: {bound}"


def test_a_container_reaches_the_emulator_at_the_same_address(clone: Clone) -> None:
    code = f"exec 3<>/dev/tcp/{clone.machine.gateway}/{clone.machine.emulator_port}"
    docker("run", "--rm", "--network", clone.machine.network, Images().tag("base"), "bash", "-c", code)


def test_accounts_do_not_see_each_other(clone: Clone) -> None:
    assert clone.client("rds", "444455556666").describe_db_instances()["DBInstances"] == []
    assert clone.client("s3", "444455556666").list_buckets()["Buckets"] == []


def test_a_foreign_container_of_another_ministack_survives_start_and_stop(clone: Clone) -> None:
    name = f"foreign-{secrets.token_hex(4)}"
    docker("run", "--detach", "--name", name, "--label", "ministack=rds", Images().tag("base"), "sleep", "300")
    try:
        clone.emulator.stop()
        clone.emulator.start()
        clone.emulator.stop()
        assert docker("inspect", "--format", "{{.State.Running}}", name) == "true"
    finally:
        docker("rm", "--force", name, check=False)
        clone.emulator.start()


def test_two_clones_run_at_once_and_spare_each_other(clone: Clone, tmp_path: Path) -> None:
    other = make(tmp_path / "other")
    before = sorted(clone.containers())
    try:
        other.emulator.start()
        fill(other)
        assert endpoint(other) != endpoint(clone)
        other.emulator.stop()
        assert sorted(clone.containers()) == before
        with connect(clone) as connection:
            connection.execute("SELECT 1")
    finally:
        remove(other)


def test_a_deleted_database_leaves_neither_container_nor_volume_nor_address(clone: Clone) -> None:
    elasticache = clone.client("elasticache")
    volumes = docker("volume", "ls", "--quiet", "--filter", f"label={clone.machine.label}")
    containers, addresses = sorted(clone.containers()), (clone.emulator.folder / "addresses.json").read_text()
    elasticache.create_cache_cluster(
        CacheClusterId="brief", Engine="redis", EngineVersion="7.1", NumCacheNodes=1, CacheNodeType="cache.t4g.micro"
    )
    assert sorted(clone.containers()) != containers
    elasticache.delete_cache_cluster(CacheClusterId="brief")
    assert sorted(clone.containers()) == containers
    assert docker("volume", "ls", "--quiet", "--filter", f"label={clone.machine.label}") == volumes
    assert (clone.emulator.folder / "addresses.json").read_text() == addresses


def test_starting_a_running_emulator_changes_nothing(clone: Clone) -> None:
    pid = clone.pid()
    clone.emulator.start()
    assert clone.pid() == pid


def test_an_absent_network_is_one_clear_line(tmp_path: Path) -> None:
    root = tmp_path / "bare"
    (root / ".local").mkdir(parents=True)
    machine = Machine.allocate(root)
    machine.save(root)
    with pytest.raises(EmulatorError, match=rf"no network {machine.network}; .make up."):
        Emulator(machine, root).start()


def test_a_taken_port_is_one_clear_line_and_the_other_process_is_left_alone(tmp_path: Path) -> None:
    other = make(tmp_path / "taken")
    try:
        with socket.create_server((other.machine.gateway, other.machine.emulator_port)):
            with pytest.raises(EmulatorError, match=f"{other.machine.emulator_port} is not free"):
                other.emulator.start()
        assert not (other.emulator.folder / "pid").exists()
    finally:
        remove(other)


def test_an_emulator_that_dies_at_once_is_reported_with_its_last_words(tmp_path: Path) -> None:
    other = make(tmp_path / "dying")
    try:
        other.emulator.folder.mkdir(parents=True)
        (other.emulator.folder / "addresses.json").write_text("{")
        with pytest.raises(EmulatorError, match=r"died: .*addresses\.json is damaged.*log"):
            other.emulator.start()
    finally:
        remove(other)
