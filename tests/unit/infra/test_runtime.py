"""The docker runtime: containers without privileges, ports, writable files or secrets that they do not need."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest

from infra.edge import EdgeConfig
from infra.release import release_of
from infra.runtime.docker.edge import DockerEdge, DockerEdgeArgs
from infra.runtime.docker.files import FOLDER, Files, FilesArgs, aws_config
from infra.runtime.docker.service import DockerExecutor, DockerRelease, DockerServiceArgs
from infra.settings import Settings
from tests.unit.infra.recorder import DOCKER, MACHINE, NAMES, Recorder, finish, settings, without

CONTAINER = "docker:index/container:Container"
VOLUME = "docker:index/volume:Volume"
DOUBLE = settings(without(DOCKER, "executorUrl"))
PROCESSES = {"stable": 3003, "worker": 3003, "executor": 3010}
"""The containers that run the service's image, and the ports on which they say how they are."""


def declare_containers(chosen: Settings = DOUBLE) -> None:
    files = Files("files", FilesArgs.of(chosen, NAMES))
    service = DockerServiceArgs.of(chosen, NAMES, release_of(chosen, NAMES), files)
    release = DockerRelease("stable", service)
    DockerExecutor("executor", service)
    config = EdgeConfig.of(chosen, NAMES, upstreams={"stable": release.address})
    DockerEdge("edge", DockerEdgeArgs.of(chosen, NAMES, config))


def mounts(container: dict[str, Any]) -> dict[str, tuple[str, bool]]:
    """What is mounted where, and whether it may be written to."""
    return {
        volume["containerPath"]: (volume.get("volumeName") or "a folder", not volume.get("readOnly"))
        for volume in container["volumes"]
    }


def labels(container: dict[str, Any]) -> dict[str, str]:
    return {label["label"]: label["value"] for label in container["labels"]}


@pytest.mark.parametrize("name", [*PROCESSES, "edge"])
def test_a_container_has_no_privilege_it_does_not_need(engine: Recorder, name: str) -> None:
    finish(declare_containers)
    container = engine.one(CONTAINER, name).inputs

    assert container["capabilities"]["drops"] == ["ALL"]
    assert container["securityOpts"] == ["no-new-privileges:true"]
    assert not container.get("privileged")
    assert container["memory"] <= 256
    assert container["image"].startswith("sha256:")
    assert container["restart"] == "unless-stopped"
    assert container["logOpts"] == {"max-size": "10m", "max-file": "3"}
    added = {"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_SETGID", "CAP_SETUID"} if name == "edge" else set()
    assert set(container["capabilities"].get("adds", [])) == added


@pytest.mark.parametrize("name", PROCESSES)
def test_the_services_processes_write_to_memory_alone_and_the_executor_to_its_volume(
    engine: Recorder, name: str
) -> None:
    finish(declare_containers)
    container = engine.one(CONTAINER, name).inputs
    own = {"/var/lib/web-next-executor": ("web-next-test-executor-0a1b2c3d", True)} if name == "executor" else {}

    assert container["readOnly"] is True
    assert container["tmpfs"] == {"/tmp": "size=16m,mode=1777"}
    assert mounts(container) == {FOLDER: ("web-next-test-files-0a1b2c3d", False), **own}


def test_each_process_is_the_image_in_a_role_and_the_app_is_started_as_the_image_says(engine: Recorder) -> None:
    finish(declare_containers)
    run = {name: engine.one(CONTAINER, name).inputs for name in PROCESSES}

    assert {container["image"] for container in run.values()} == {DOUBLE.image}
    assert {name: container.get("command") for name, container in run.items()} == {
        "stable": None,
        "worker": ["python3", "-m", "webnext", "worker"],
        "executor": ["python3", "-m", "webnext", "executor"],
    }


def test_all_processes_have_the_releases_environment_and_the_executor_its_folder_beside_it(engine: Recorder) -> None:
    finish(declare_containers)
    environments = {name: set(engine.one(CONTAINER, name).inputs["envs"]) for name in PROCESSES}
    released = {f"{key}={value}" for key, value in release_of(DOUBLE, NAMES).environment.items()}

    assert released < environments["stable"] == environments["worker"]
    assert "REDIS_CA_FILE=/etc/web-next/ca.pem" in environments["worker"]
    assert "NEXT_PUBLIC_EXECUTOR_URL=http://10.213.7.12:3010" in environments["stable"]
    assert environments["executor"] - environments["stable"] == {"DOUBLE_DATA=/var/lib/web-next-executor"}


@pytest.mark.parametrize(("name", "port"), PROCESSES.items())
def test_a_process_counts_as_created_when_it_is_healthy(engine: Recorder, name: str, port: int) -> None:
    finish(declare_containers)
    container = engine.one(CONTAINER, name).inputs

    assert container["wait"] is True
    assert f"('127.0.0.1', {port})" in container["healthcheck"]["tests"][-1]
    assert "/healthz" in container["healthcheck"]["tests"][-1]


def test_the_edge_counts_as_created_when_it_listens(engine: Recorder) -> None:
    finish(declare_containers)
    container = engine.one(CONTAINER, "edge").inputs

    assert container["wait"] is True
    assert container["healthcheck"]["tests"][-1] == "</dev/tcp/127.0.0.1/8443"


def test_only_the_edge_has_a_port_and_it_is_on_loopback(engine: Recorder) -> None:
    finish(declare_containers)
    ports = {one.name: one.inputs["ports"] for one in engine.of(CONTAINER) if "ports" in one.inputs}

    assert ports == {"edge": [{"internal": 8443, "external": 8450, "ip": "127.0.0.1"}]}


def test_what_is_reached_by_others_stands_at_its_fixed_address_and_the_worker_anywhere(engine: Recorder) -> None:
    finish(declare_containers)
    addresses = {
        one.name: [network.get("ipv4Address") for network in one.inputs.get("networksAdvanced", [])]
        for one in engine.of(CONTAINER)
    }

    assert addresses == {
        "files": [],
        "stable": ["10.213.7.11"],
        "worker": [None],
        "executor": ["10.213.7.12"],
        "edge": ["10.213.7.10"],
    }


def test_everything_is_found_by_the_clones_label_and_nothing_shares_a_name(engine: Recorder) -> None:
    finish(declare_containers)

    for token, count in ((CONTAINER, 5), (VOLUME, 2)):
        made = [one.inputs for one in engine.of(token)]
        assert len({one["name"] for one in made}) == count
        assert {labels(one)["web-next.clone"] for one in made} == {"0a1b2c3d"}
        assert all(one["name"].startswith("web-next-test-") and one["name"].endswith("-0a1b2c3d") for one in made)


@pytest.mark.parametrize("name", PROCESSES)
def test_nothing_in_a_containers_environment_is_secret(engine: Recorder, name: str) -> None:
    finish(declare_containers)
    container = engine.one(CONTAINER, name)
    names = [pair.partition("=")[0] for pair in container.inputs["envs"]]

    assert not [name for name in names if any(word in name for word in ("KEY", "SECRET", "PASSWORD"))]
    assert "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://10.213.7.1:4566" in container.inputs["envs"]
    assert container.secrets == frozenset()
    assert "uploads" not in container.inputs, "Docker copies nothing into a read-only container"


def test_the_processes_files_are_the_role_and_the_clones_authority_handed_over_by_a_container_that_never_runs(
    engine: Recorder,
) -> None:
    finish(declare_containers)
    container = engine.one(CONTAINER, "files").inputs

    assert (container["start"], container["mustRun"], container["networkMode"]) == (False, False, "none")
    assert mounts(container) == {"/etc/web-next": ("web-next-test-files-0a1b2c3d", True)}
    assert {upload["file"]: upload["content"] for upload in container["uploads"]} == {
        "/etc/web-next/aws.config": aws_config(NAMES.app_role_arn, "eu-central-1", "http://10.213.7.1:4566"),
        "/etc/web-next/ca.pem": "the certificate of a clone's authority\n",
    }


def test_processes_wait_for_their_files_and_are_made_anew_when_these_change(engine: Recorder, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("another authority\n")
    finish(declare_containers)
    other = settings(without(DOCKER, "executorUrl"), machine={**MACHINE, "tlsFolder": str(tmp_path)})
    finish(lambda: declare_containers(other))
    before, after = ({one.name: one for one in engine.of(CONTAINER)[part]} for part in (slice(5), slice(5, 10)))

    for name in PROCESSES:
        assert before["files"].urn in before[name].depends_on
        assert labels(before[name].inputs)["web-next.files"] != labels(after[name].inputs)["web-next.files"]
        assert before[name].inputs["envs"] == after[name].inputs["envs"]


def test_the_edges_key_is_mounted_and_never_copied_into_state(engine: Recorder) -> None:
    finish(declare_containers)
    container = engine.one(CONTAINER, "edge").inputs

    assert [upload["file"] for upload in container["uploads"]] == ["/etc/nginx/nginx.conf"]
    assert mounts(container) == {"/etc/nginx/tls": ("a folder", False)}


def test_the_apps_aws_configuration_is_a_role_and_no_credential() -> None:
    parser = ConfigParser()
    parser.read_string(aws_config(NAMES.app_role_arn, "eu-central-1", "http://10.213.7.1:4566"))

    assert dict(parser["default"]) == {
        "role_arn": NAMES.app_role_arn,
        "credential_source": "Ec2InstanceMetadata",
        "region": "eu-central-1",
        "endpoint_url": "http://10.213.7.1:4566",
    }
