"""The docker family on the real engine, with plugins that the CLI installs, starts and stops itself."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import docker
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.support.engine import Project

pytestmark = pytest.mark.engine

SERVICE = """
import pulumi, pulumi_docker as docker
opts = pulumi.ResourceOptions(provider=docker.Provider("docker"))
network = docker.Network("network", name="NAME", driver="bridge", opts=opts,
    ipam_configs=[{"subnet": "SUBNET.0/24", "gateway": "SUBNET.1"}], labels=[{"label": "test", "value": "yes"}])
volume = docker.Volume("data", name="NAME", opts=opts)
container = docker.Container("app", name="NAME", image="IMAGE", opts=opts,
    entrypoints=["sh", "-c"], command=["touch /data/up /tmp/up; exec sleep 1000"],
    envs=["MODE=VALUE", pulumi.Output.secret("TOKEN=" + "hunter-" + "two")],
    networks_advanced=[{"name": network.name, "ipv4_address": "SUBNET.10", "aliases": ["app"]}],
    ports=[{"internal": 8080, "external": PORT, "ip": "127.0.0.1"}],
    volumes=[{"volume_name": volume.name, "container_path": "/data"},
             {"host_path": "FOLDER", "container_path": "/host", "read_only": True}],
    uploads=[{"file": "/etc/app/app.conf", "content": "mode = VALUE"}],
    healthcheck={"tests": ["CMD-SHELL", "test -f /tmp/up"], "interval": "1s", "timeout": "2s", "retries": 20},
    labels=[{"label": "test", "value": "yes"}], tmpfs={"/tmp": "size=1m"}, memory=64, user="0", restart="no",
    capabilities={"drops": ["CAP_NET_RAW"]}, security_opts=["no-new-privileges"],
    destroy_grace_seconds=1)
pulumi.export("address", container.network_datas[0]["ip_address"])
"""


CONFINED = """
import pulumi, pulumi_docker as docker
provider = docker.Provider("docker")
opts = pulumi.ResourceOptions(provider=provider)
labels = [{"label": "test", "value": "yes"}]
volume = docker.Volume("files", name="NAME", labels=labels, opts=opts)
memory = docker.Volume("memory", name="NAME-memory", driver="local", opts=opts,
    driver_opts={"type": "tmpfs", "device": "tmpfs", "o": "size=1m,mode=0755"})
files = docker.Container("files", name="NAME-files", image="IMAGE", opts=opts, start=False, must_run=False,
    network_mode="none", volumes=[{"volume_name": volume.name, "container_path": "/etc/app"}],
    uploads=[{"file": "/etc/app/app.conf", "content": "mode = VALUE"}])
docker.Container("app", name="NAME", image="IMAGE", entrypoints=["sleep", "1000"], network_mode="none", read_only=True,
    tmpfs={"/tmp": "size=1m"}, volumes=[{"volume_name": "NAME", "container_path": "/etc/app", "read_only": True},
                                         {"volume_name": memory.name, "container_path": "/memory"}],
    destroy_grace_seconds=1, opts=pulumi.ResourceOptions(provider=provider, depends_on=[files]))
"""


@pytest.fixture
def engine() -> Iterator[docker.DockerClient]:
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture
def program(unique: Callable[[str], str], image: str, tmp_path: Path) -> tuple[str, str]:
    name = unique("standin")
    numbers = secrets.randbelow(200), 20000 + secrets.randbelow(10000)
    text = SERVICE.replace("NAME", name).replace("IMAGE", image).replace("FOLDER", str(tmp_path))
    return name, text.replace("SUBNET", f"10.216.{numbers[0]}").replace("PORT", str(numbers[1]))


def test_a_service_lives_from_up_to_destroy(
    installed_project: Project, engine: docker.DockerClient, program: tuple[str, str]
) -> None:
    project, (name, text) = installed_project, program
    project.write(text.replace("VALUE", "blue"))
    project.up()
    project.unchanged()
    assert "hunter-two" not in project.state()
    first = engine.containers.get(name)
    assert str(project.outputs()["address"]).endswith(".10")
    assert first.exec_run(["cat", "/etc/app/app.conf"]).output == b"mode = blue"
    assert first.exec_run(["sh", "-c", "touch /host/x"]).exit_code != 0, "the bind mount is read-only"

    project.write(text.replace("VALUE", "green"))
    assert "+-docker:index/container:Container: (replace)" in project.preview()
    project.up()
    project.unchanged()
    second = engine.containers.get(name)
    assert second.id != first.id
    assert second.exec_run(["cat", "/etc/app/app.conf"]).output == b"mode = green"

    second.stop(timeout=1)
    drift = project.preview("--refresh")
    assert "+ 1 to create" in drift, "a stopped container is made anew"
    project.repair()
    project.unchanged()
    engine.containers.get(name).remove(force=True)
    project.repair()
    project.unchanged()

    project.destroy()
    assert engine.containers.list(all=True, filters={"name": name}) == []
    assert engine.networks.list(names=[name]) == []
    assert name not in [volume.name for volume in engine.volumes.list()]


def test_a_read_only_container_reads_from_a_volume_that_one_which_never_runs_was_handed_files_for(
    installed_project: Project, engine: docker.DockerClient, program: tuple[str, str], image: str
) -> None:
    project, name = installed_project, program[0]
    text = CONFINED.replace("NAME", name).replace("IMAGE", image)
    project.write(text.replace("VALUE", "blue"))
    project.up()
    project.unchanged()
    app = engine.containers.get(name)
    assert app.exec_run(["cat", "/etc/app/app.conf"]).output == b"mode = blue"
    for path in ("/new", "/etc/app/new"):
        assert app.exec_run(["touch", path]).exit_code != 0, "it is read-only"
    assert app.exec_run(["touch", "/tmp/new"]).exit_code == 0
    assert app.exec_run(["sh", "-c", "head -c 2000000 /dev/zero >/memory/full"]).exit_code != 0, "it has its own bound"
    assert app.exec_run(["findmnt", "-no", "FSTYPE", "/memory"]).output == b"tmpfs\n"
    assert engine.containers.get(f"{name}-files").status == "created"

    project.write(text.replace("VALUE", "green"))
    assert "1 to replace" in project.preview(), "what has the files mounted stays"
    project.up()
    project.unchanged()
    assert app.exec_run(["cat", "/etc/app/app.conf"]).output == b"mode = green"

    project.destroy()
    assert engine.containers.list(all=True, filters={"name": name}) == []
    assert name not in [volume.name for volume in engine.volumes.list()]
