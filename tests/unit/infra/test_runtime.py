"""The docker runtime: containers without privileges, ports or secrets that they do not need."""

from __future__ import annotations

from configparser import ConfigParser

import pytest

from infra.edge import EdgeConfig
from infra.release import release_of
from infra.runtime.docker import DockerEdge, DockerEdgeArgs, DockerRelease, DockerReleaseArgs, aws_config
from tests.unit.infra.recorder import NAMES, Recorder, finish, settings

CONTAINER = "docker:index/container:Container"


def declare_containers() -> None:
    chosen = settings()
    release = DockerRelease("stable", DockerReleaseArgs.of(chosen, NAMES, release_of(chosen, NAMES)))
    config = EdgeConfig.of(chosen, NAMES, upstreams={"stable": release.address})
    DockerEdge("edge", DockerEdgeArgs.of(chosen, NAMES, config))


@pytest.mark.parametrize("name", ["stable", "edge"])
def test_a_container_has_no_privilege_it_does_not_need(engine: Recorder, name: str) -> None:
    finish(declare_containers)
    container = engine.one(CONTAINER, name).inputs

    assert container["capabilities"]["drops"] == ["ALL"]
    assert container["securityOpts"] == ["no-new-privileges:true"]
    assert not container.get("privileged")
    assert container["memory"] <= 256
    assert container["image"].startswith("sha256:")
    assert {"label": "web-next.clone", "value": "0a1b2c3d"} in container["labels"]
    assert set(container["capabilities"].get("adds", [])) <= {
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_SETGID",
        "CAP_SETUID",
    }


def test_only_the_edge_has_a_port_and_it_is_on_loopback(engine: Recorder) -> None:
    finish(declare_containers)

    assert "ports" not in engine.one(CONTAINER, "stable").inputs
    assert engine.one(CONTAINER, "edge").inputs["ports"] == [{"internal": 8443, "external": 8450, "ip": "127.0.0.1"}]


def test_containers_stand_at_their_fixed_addresses(engine: Recorder) -> None:
    finish(declare_containers)
    addresses = {
        one.name: [network["ipv4Address"] for network in one.inputs["networksAdvanced"]] for one in engine.of(CONTAINER)
    }

    assert addresses == {"stable": ["10.213.7.11"], "edge": ["10.213.7.10"]}


def test_nothing_in_the_apps_container_is_secret(engine: Recorder) -> None:
    finish(declare_containers)
    container = engine.one(CONTAINER, "stable")
    names = [pair.partition("=")[0] for pair in container.inputs["envs"]]

    assert not [name for name in names if any(word in name for word in ("KEY", "SECRET", "PASSWORD"))]
    assert "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://10.213.7.1:4566" in container.inputs["envs"]
    assert container.secrets == frozenset()
    (upload,) = container.inputs["uploads"]
    assert "aws_secret_access_key" not in upload["content"]


def test_the_edges_key_is_mounted_and_never_copied_into_state(engine: Recorder) -> None:
    finish(declare_containers)
    container = engine.one(CONTAINER, "edge").inputs

    assert [upload["file"] for upload in container["uploads"]] == ["/etc/nginx/nginx.conf"]
    assert {volume["containerPath"]: volume["readOnly"] for volume in container["volumes"]} == {"/etc/nginx/tls": True}


def test_an_app_counts_as_created_when_it_is_healthy(engine: Recorder) -> None:
    finish(declare_containers)
    container = engine.one(CONTAINER, "stable").inputs

    assert container["wait"] is True
    assert "/healthz" in container["healthcheck"]["tests"][-1]


def test_the_apps_aws_configuration_is_a_role_and_no_credential() -> None:
    parser = ConfigParser()
    parser.read_string(aws_config(NAMES.app_role_arn, "eu-central-1", "http://10.213.7.1:4566"))

    assert dict(parser["default"]) == {
        "role_arn": NAMES.app_role_arn,
        "credential_source": "Ec2InstanceMetadata",
        "region": "eu-central-1",
        "endpoint_url": "http://10.213.7.1:4566",
    }
