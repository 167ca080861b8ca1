"""The docker runtime: containers without privileges, ports, writable files or secrets that they do not need."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.dashboard import grafana_dashboard
from infra.nginx import FOLDER as EDGE_FOLDER
from infra.nginx import LINES, WEIGHTS, render
from infra.release import environment_of, release_of, shared_environment
from infra.runtime.docker.edge import FILE_BYTES, LINES_MIB, MEMORY_MIB
from infra.runtime.docker.files import FOLDER, aws_config
from infra.runtime.docker.runtime import DockerRuntime, DockerRuntimeArgs
from outputs.panels import PANELS
from tests.unit.infra.configs import DOCKER, MACHINE, NAMES, changed, settings, without
from tests.unit.infra.parts import run
from tests.unit.infra.recorder import record

CONTAINER = "docker:index/container:Container"
VOLUME = "docker:index/volume:Volume"
EDGE_FILES = "pulumi-python:dynamic/web-next:EdgeFiles"
DOUBLE = changed(without(DOCKER, "executorUrl"), executorAuth="bearer")
PROCESSES = {"stable": 3003, "worker": 3003, "executor": 3010}
"""The containers that run the service's image, and the ports on which they say how they are."""
OTHERS = {"edge": 8443, "reader": 3903, "prometheus": 9090}
"""The containers of other images, and the ports on which they listen."""


def mounts(container: dict[str, Any]) -> dict[str, tuple[str, bool]]:
    """What is mounted where, and whether it may be written to."""
    return {
        volume["containerPath"]: (volume.get("volumeName") or "a folder", not volume.get("readOnly"))
        for volume in container["volumes"]
    }


def labels(container: dict[str, Any]) -> dict[str, str]:
    return {label["label"]: label["value"] for label in container["labels"]}


@pytest.mark.parametrize("name", [*PROCESSES, *OTHERS, "watch"])
def test_a_container_has_no_privilege_it_does_not_need(name: str) -> None:
    declared = run(DOUBLE)
    container = declared.one(CONTAINER, name).inputs

    assert container["capabilities"]["drops"] == ["ALL"]
    assert container["securityOpts"] == ["no-new-privileges:true"]
    assert not container.get("privileged")
    assert container["memory"] <= (640 if name == "edge" else 256)
    assert container["image"].startswith("sha256:")
    assert container["restart"] == "unless-stopped"
    assert container["readOnly"] is True
    assert container["logOpts"] == {"max-size": "10m", "max-file": "3"}
    added = {"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_SETGID", "CAP_SETUID"} if name == "edge" else set()
    assert set(container["capabilities"].get("adds", [])) == added


@pytest.mark.parametrize("name", PROCESSES)
def test_the_services_processes_write_to_memory_alone_and_the_executor_to_its_volume(name: str) -> None:
    declared = run(DOUBLE)
    container = declared.one(CONTAINER, name).inputs
    own = {"/var/lib/web-next-executor": ("web-next-test-executor-0a1b2c3d", True)} if name == "executor" else {}

    assert container["readOnly"] is True
    assert container["tmpfs"] == {"/tmp": "size=16m,mode=1777"}
    assert mounts(container) == {FOLDER: ("web-next-test-files-0a1b2c3d", False), **own}


def test_each_process_is_the_image_in_a_role_and_the_app_is_started_as_the_image_says() -> None:
    declared = run(DOUBLE)
    started = {name: declared.one(CONTAINER, name).inputs for name in PROCESSES}

    assert {name: container["image"] for name, container in started.items()} == {
        "stable": DOUBLE["web-next:image"],
        "worker": DOUBLE["web-next:image"],
        "executor": MACHINE["doubleImage"],
    }
    assert {name: container.get("command") for name, container in started.items()} == {
        "stable": None,
        "worker": ["python3", "-m", "webnext", "worker"],
        "executor": ["python3", "-m", "webnext", "executor"],
    }


def test_app_and_worker_have_the_releases_environment_and_the_executor_where_it_is_and_keeps_what() -> None:
    declared = run(DOUBLE)
    chosen = settings(DOUBLE)
    environments = {name: set(declared.one(CONTAINER, name).inputs["envs"]) for name in PROCESSES}
    shared = shared_environment(chosen, NAMES, "stable")
    released = {f"{key}={value}" for key, value in environment_of(chosen, shared).items()}

    assert released < environments["stable"] == environments["worker"]
    assert "REDIS_CA_FILE=/etc/web-next/ca.pem" in environments["worker"]
    assert "EDGE_PEERS=10.213.7.10" in environments["stable"]
    assert "NEXT_PUBLIC_EXECUTOR_URL=http://10.213.7.12:3010" in environments["stable"]
    machines = {
        f"{key}={shared[key]}"
        for key in ("ENVIRONMENT", "NEXT_PUBLIC_EXECUTOR_URL", "S3_REGION", "VAULT_ENTRIES", "VAULT_PREFIX")
    }
    assert environments["executor"] & released == machines
    assert environments["executor"] - environments["stable"] == {"DOUBLE_DATA=/var/lib/web-next-executor"}


@pytest.mark.parametrize(("name", "port"), PROCESSES.items())
def test_a_process_is_healthy_when_its_healthz_says_so(name: str, port: int) -> None:
    declared = run(DOUBLE)
    container = declared.one(CONTAINER, name).inputs

    assert f"('127.0.0.1', {port})" in container["healthcheck"]["tests"][-1]
    assert "/healthz" in container["healthcheck"]["tests"][-1]


@pytest.mark.parametrize(("name", "port"), OTHERS.items())
def test_what_is_no_process_of_the_service_is_healthy_when_it_listens(name: str, port: int) -> None:
    declared = run(DOUBLE)
    container = declared.one(CONTAINER, name).inputs

    address = {"reader": "10.214.7.14", "prometheus": "10.214.7.15"}.get(name, "127.0.0.1")
    assert container["healthcheck"]["tests"][-1] == f"</dev/tcp/{address}/{port}"


def test_only_edge_and_prometheus_have_a_port_and_it_is_on_loopback() -> None:
    declared = run(DOUBLE)
    ports = {one.name: one.inputs["ports"] for one in declared.of(CONTAINER) if "ports" in one.inputs}

    assert ports == {
        "edge": [{"internal": 8443, "external": 8450, "ip": "127.0.0.1"}],
        "prometheus": [{"internal": 9090, "external": 9097, "ip": "127.0.0.1"}],
    }


def test_what_is_reached_by_others_stands_at_its_fixed_address_and_the_worker_anywhere() -> None:
    declared = run(DOUBLE)
    addresses = {
        one.name: [(network["name"], network.get("ipv4Address")) for network in one.inputs.get("networksAdvanced", [])]
        for one in declared.of(CONTAINER)
    }

    assert addresses == {
        "files": [],
        "reader-files": [],
        "prometheus-files": [],
        "reader": [("metrics-web-next-0a1b2c3d", "10.214.7.14")],
        "prometheus": [("metrics-web-next-0a1b2c3d", "10.214.7.15"), ("web-next-0a1b2c3d", None)],
        "stable": [("web-next-0a1b2c3d", "10.213.7.11")],
        "worker": [("web-next-0a1b2c3d", None)],
        "executor": [("web-next-0a1b2c3d", "10.213.7.12")],
        "edge": [("web-next-0a1b2c3d", "10.213.7.10"), ("outside-web-next-0a1b2c3d", "10.215.7.10")],
        "watch": [],
    }


NEAR = {"telemetry": {"endpoint": "http://10.213.7.1:4318"}}


@pytest.mark.parametrize(
    ("config", "leave"),
    [
        (DOUBLE, False),
        (changed(DOUBLE, **NEAR), False),
        (changed(DOUBLE, outside=True), True),
        (changed(DOUBLE, telemetry={"endpoint": "http://10.214.7.1:4318"}), True),
        (changed(DOUBLE, telemetry={"endpoint": "https://otel.web-next.test"}), True),
        (changed(DOUBLE, executorUrl="https://executor.web-next.test"), True),
        (changed(DOUBLE, executorUrl="http://10.213.7.30:8080"), False),
    ],
    ids=[
        "nobody",
        "a collector here",
        "it is set",
        "another network",
        "a collector",
        "an executor",
        "an executor here",
    ],
)
def test_app_and_worker_leave_the_clones_network_where_somebody_they_call_is_not_on_it(
    config: dict[str, str], leave: bool
) -> None:
    declared = run(config)
    for name in ("stable", "worker"):
        container = declared.one(CONTAINER, name).inputs
        assert ("outside-web-next-0a1b2c3d" in [each["name"] for each in container["networksAdvanced"]]) is leave
        assert container.get("dns", []) == ([] if leave else ["127.0.0.1"]), "a name is a way out too"


def test_nobody_else_leaves_it_and_what_is_on_several_networks_passes_nothing_on() -> None:
    declared = run(changed(DOUBLE, outside=True))
    running = {one.name: one.inputs for one in declared.of(CONTAINER) if "networksAdvanced" in one.inputs}
    outside = {name for name, each in running.items() if "outside-web-next-0a1b2c3d" in str(each["networksAdvanced"])}

    assert outside == {"edge", "stable", "worker"}
    assert running["executor"]["dns"] == ["127.0.0.1"]
    assert all(each["sysctls"] == {"net.ipv4.ip_forward": "0"} for each in running.values())


def test_reader_and_prometheus_listen_on_the_metrics_network_alone_where_no_process_of_the_service_is() -> None:
    declared = run(DOUBLE)

    assert declared.one(CONTAINER, "reader").inputs["command"] == ["10.214.7.14"]
    assert "--web.listen-address=10.214.7.15:9090" in declared.one(CONTAINER, "prometheus").inputs["command"]


def test_the_log_is_memory_that_the_edge_writes_and_the_reader_reads() -> None:
    declared = run(DOUBLE)
    volume = declared.one(VOLUME, "edge-lines").inputs
    edge, reader = (declared.one(CONTAINER, name).inputs for name in ("edge", "reader"))

    assert volume["driverOpts"]["type"] == volume["driverOpts"]["device"] == "tmpfs"
    assert volume["driverOpts"]["o"].startswith("size=32m,mode=0755")
    assert mounts(edge)[LINES] == (volume["name"], True)
    assert mounts(reader)[LINES] == (volume["name"], False)
    assert 2 * FILE_BYTES < LINES_MIB * 2**20, "the file that begins is there before the old one is gone"
    assert edge["memory"] == MEMORY_MIB + LINES_MIB, "what is written is the edge's memory"


def test_everything_is_found_by_the_clones_label_and_nothing_shares_a_name() -> None:
    declared = run(DOUBLE)

    for token, count in ((CONTAINER, 10), (VOLUME, 7)):
        made = [one.inputs for one in declared.of(token)]
        assert len({one["name"] for one in made}) == count
        assert {labels(one)["web-next.clone"] for one in made} == {"0a1b2c3d"}
        assert all(one["name"].startswith("web-next-test-") and one["name"].endswith("-0a1b2c3d") for one in made)


@pytest.mark.parametrize("name", PROCESSES)
def test_nothing_in_a_containers_environment_is_secret(name: str) -> None:
    declared = run(DOUBLE)
    container = declared.one(CONTAINER, name)
    names = [pair.partition("=")[0] for pair in container.inputs["envs"]]

    assert not [name for name in names if any(word in name for word in ("KEY", "SECRET", "PASSWORD"))]
    assert "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://10.213.7.1:4566" in container.inputs["envs"]
    assert container.secrets == frozenset()
    assert "uploads" not in container.inputs, "Docker copies nothing into a read-only container"


def test_the_processes_files_are_the_role_and_the_clones_authority_handed_over_by_a_container_that_never_runs() -> None:
    declared = run(DOUBLE)
    container = declared.one(CONTAINER, "files").inputs

    assert (container["start"], container["mustRun"], container["networkMode"]) == (False, False, "none")
    assert mounts(container) == {"/etc/web-next": ("web-next-test-files-0a1b2c3d", True)}
    assert {upload["file"]: upload["content"] for upload in container["uploads"]} == {
        "/etc/web-next/aws.config": aws_config(NAMES.app_role_arn, "eu-central-1", "http://10.213.7.1:4566"),
        "/etc/web-next/ca.pem": "the certificate of a clone's authority\n",
    }


def test_processes_wait_for_their_files_and_are_made_anew_when_these_change(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("another authority\n")
    other = changed(DOUBLE, machine={**MACHINE, "tlsFolder": str(tmp_path)})
    before, after = ({one.name: one for one in run(config).of(CONTAINER)} for config in (DOUBLE, other))

    for name in PROCESSES:
        assert before["files"].urn in before[name].depends_on
        assert labels(before[name].inputs)["web-next.files"] != labels(after[name].inputs)["web-next.files"]
        assert before[name].inputs["envs"] == after[name].inputs["envs"]


def test_the_edge_reads_its_configuration_from_a_volume_and_mounts_no_key_but_its_own() -> None:
    declared = run(DOUBLE)
    container = declared.one(CONTAINER, "edge").inputs

    assert "uploads" not in container
    assert mounts(container) == {
        **{f"/etc/nginx/tls/edge.{kind}": ("a folder", False) for kind in ("key", "pem")},
        EDGE_FOLDER: ("web-next-test-edge-0a1b2c3d", True),
        LINES: ("web-next-test-edge-lines-0a1b2c3d", True),
    }
    assert container["command"][:2] == ["bash", "-c"]
    assert container["command"][2].endswith("exec nginx -c /etc/nginx/edge/nginx.conf -g 'daemon off;'\n")
    assert container["command"][3:] == ["web-next-test-edge", str(FILE_BYTES)]


def test_another_configuration_of_the_edge_is_another_file_and_the_same_container() -> None:
    of_ten, of_eleven = run(DOUBLE), run(changed(DOUBLE, edge={"burst": "11"}))
    before, after = of_ten.one(EDGE_FILES), of_eleven.one(EDGE_FILES)
    edge = of_ten.one(CONTAINER, "edge")

    assert edge.inputs == of_eleven.one(CONTAINER, "edge").inputs
    assert "burst=10 nodelay" in before.inputs["config"]
    assert "burst=11 nodelay" in after.inputs["config"]
    assert before.urn in edge.depends_on


def test_the_edge_stands_before_both_slots_and_knows_who_calls_from_this_machine() -> None:
    chosen, found = settings(DOUBLE), list[DockerRuntime]()

    def program() -> None:
        args = DockerRuntimeArgs.of(chosen, NAMES, release_of(chosen, {}, schema=7))
        found.append(DockerRuntime("runtime", args))

    declared = record(program)
    edge = found[0].edge

    assert edge.upstreams == {"stable": "10.213.7.11:3003", "candidate": "10.213.7.13:3003"}
    assert edge.trusted_callers == ["10.215.7.1"]
    assert edge.lines == f"{LINES}/lines"
    assert found[0].metrics_url == "http://127.0.0.1:9097"
    assert found[0].receiver == "http://10.213.7.12:3010"
    assert declared.one(EDGE_FILES).inputs["config"] == render(edge)
    assert found[0].traffic.folder == WEIGHTS


def test_prometheus_measures_every_process_by_its_job() -> None:
    declared = run(DOUBLE)
    uploads = declared.one(CONTAINER, "prometheus-files").inputs["uploads"]
    (text,) = [upload["content"] for upload in uploads if upload["file"].endswith("prometheus.yml")]
    config = yaml.safe_load(text)
    jobs = {
        job["job_name"]: [target for group in job["static_configs"] for target in group["targets"]]
        for job in config["scrape_configs"]
    }

    assert jobs == {
        "app": ["10.213.7.11:9464", "10.213.7.13:9464"],
        "worker": ["web-next-test-worker-0a1b2c3d:9464", "10.213.7.17:9464"],
        "executor": ["10.213.7.12:9464"],
        "edge": ["10.214.7.14:3903"],
        "watch": ["10.214.7.1:9097"],
        "prometheus": ["10.214.7.15:9090"],
    }
    for app_or_worker in config["scrape_configs"][:2]:
        assert [group["labels"]["track"] for group in app_or_worker["static_configs"]] == ["stable", "candidate"]


def test_grafana_runs_where_its_image_is_at_hand_and_nowhere_else() -> None:
    image = "sha256:" + "9" * 64
    assert "grafana" not in [one.name for one in run(DOUBLE).of(CONTAINER)]

    container = run(changed(DOUBLE, machine={**MACHINE, "grafanaImage": image})).one(CONTAINER, "grafana").inputs
    assert container["image"] == image
    assert container["ports"] == [{"internal": 3000, "ip": "127.0.0.1"}]


def test_grafana_is_given_the_panels_beside_its_source_and_where_its_dashboards_are() -> None:
    declared = run(changed(DOUBLE, machine={**MACHINE, "grafanaImage": "sha256:" + "9" * 64}))
    given = {each["file"]: each["content"] for each in declared.one(CONTAINER, "grafana-files").inputs["uploads"]}

    assert {path.removeprefix("/etc/grafana/provisioning/") for path in given} == {
        "dashboards/provider.yml",
        "dashboards/web-next-cutover.json",
        "datasources/prometheus.yml",
    }
    assert given["/etc/grafana/provisioning/dashboards/web-next-cutover.json"] == grafana_dashboard(PANELS)


def test_an_image_without_python_is_asked_by_a_command_of_its_own() -> None:
    declared = run(changed(DOUBLE, healthCommand=["node", "health.js"], workerCommand=["node", "worker.js"]))

    for name in ("stable", "worker"):
        assert declared.one(CONTAINER, name).inputs["healthcheck"]["tests"] == ["CMD", "node", "health.js"]
    assert declared.one(CONTAINER, "worker").inputs["command"] == ["node", "worker.js"]


def test_the_apps_aws_configuration_is_a_role_and_no_credential() -> None:
    parser = ConfigParser()
    parser.read_string(aws_config(NAMES.app_role_arn, "eu-central-1", "http://10.213.7.1:4566"))

    assert dict(parser["default"]) == {
        "role_arn": NAMES.app_role_arn,
        "credential_source": "Ec2InstanceMetadata",
        "region": "eu-central-1",
        "endpoint_url": "http://10.213.7.1:4566",
    }
