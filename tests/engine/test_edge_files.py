"""What the edge reads, in a real volume: checked by nginx before it is in force, and drift seen."""

from __future__ import annotations

import ssl
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from cutover.errors import TrafficError
from cutover.traffic import docker as traffic
from cutover.traffic.docker import EdgeTraffic
from cutover.traffic.split import Mark, NothingRoutesError, Share
from infra.nginx import FOLDER, LINES, WEIGHTS, render
from infra.runtime.docker import edge_files
from infra.runtime.docker.edge_files import EdgeConfigError, _EdgeFilesProvider
from tests.support.containers import LABEL, container, docker, free_port, network, wait_until
from tests.support.edges import config

pytestmark = pytest.mark.engine

PROVIDER = _EdgeFilesProvider()
ANYBODY = ssl.create_default_context()
ANYBODY.check_hostname, ANYBODY.verify_mode = False, ssl.CERT_NONE


def text(**changes: Any) -> str:
    upstreams = {"stable": "127.0.0.1:1", "candidate": "127.0.0.1:2"}
    return render(config("stable", "candidate", upstreams=upstreams, lines=f"{LINES}/lines", **changes))


@pytest.fixture
def props(edge_images: dict[str, str], edge_tls: Path) -> Iterator[dict[str, Any]]:
    """The inputs of a resource whose volume is empty and whose edge does not run."""
    name = f"web-next-test-{uuid.uuid4().hex[:8]}"
    docker("volume", "create", "--label", LABEL, name)
    with network() as net:
        yield {
            "config": text(),
            "container": name,
            "definition": "one",
            "image": edge_images["nginx"],
            "labels": {"web-next.test": name},
            "network": net,
            "tls": str(edge_tls),
            "volume": name,
        }
        docker("volume", "rm", "--force", name)


def in_force(props: dict[str, Any]) -> str:
    return str((PROVIDER.read("id", props).outs or {})["config"])


def left_over(props: dict[str, Any]) -> str:
    return docker("ps", "--all", "--quiet", "--filter", f"label=web-next.test={props['labels']['web-next.test']}")


def test_what_nginx_takes_is_written_and_nothing_is_left_over(props: dict[str, Any]) -> None:
    PROVIDER.create(props)

    assert in_force(props) == props["config"]
    assert left_over(props) == ""


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (lambda good: good.replace("http2 on;", "http2 maybe;"), 'invalid value "maybe" in "http2" directive'),
        (lambda good: good.replace("edge.key;", "nobody.key;"), "nobody.key"),
        (lambda good: good[:-3], "unexpected end of file"),
    ],
    ids=["a wrong word", "a missing file", "half a file"],
)
def test_what_nginx_refuses_changes_nothing_and_is_said_in_a_line(
    props: dict[str, Any], broken: Any, said: str
) -> None:
    PROVIDER.create(props)
    with pytest.raises(EdgeConfigError) as refused:
        PROVIDER.update("id", props, {**props, "config": broken(props["config"])})

    assert said in str(refused.value)
    assert "the one before stays in force" in str(refused.value)
    assert "\n" not in str(refused.value)
    assert in_force(props) == props["config"]
    assert left_over(props) == ""


def test_a_file_that_somebody_edited_is_drift(props: dict[str, Any]) -> None:
    PROVIDER.create(props)
    seen = PROVIDER.read("id", {**props, "config": "what was written"}).outs or {}

    assert PROVIDER.diff("id", seen, {**props, "config": "what was written"}).changes
    assert not PROVIDER.diff("id", seen, props).changes


@pytest.fixture
def edge(props: dict[str, Any], edge_tls: Path) -> Iterator[int]:
    """The edge, running on the volume; the port that it answers on."""
    PROVIDER.create(props)
    port = free_port()
    options = ["--read-only", "--tmpfs", "/tmp", "--tmpfs", LINES, "--network", props["network"]]
    options += ["--volume", f"{props['volume']}:{FOLDER}", "--volume", f"{edge_tls}:/etc/nginx/tls:ro"]
    options += ["--publish", f"127.0.0.1:{port}:8443"]
    command = ("nginx", "-c", edge_files.CONFIG, "-g", "daemon off;")
    with container(props["image"], *options, command=command) as running:
        props["container"] = running
        wait_until(lambda: edge_id(port) == "test-0-0", "the edge")
        yield port


def edge_id(port: int) -> str:
    """What a connection of its own is told."""
    return httpx.get(f"https://127.0.0.1:{port}/x", verify=ANYBODY, trust_env=False).headers["x-edge-id"]


def test_a_change_is_in_force_when_the_update_ends_and_the_edge_was_not_restarted(
    props: dict[str, Any], edge: int
) -> None:
    started = docker("inspect", "--format", "{{.State.StartedAt}}", props["container"])
    for change in range(1, 6):
        PROVIDER.update("id", props, {**props, "config": text(edge_id=f"test-{change}")})
        assert {edge_id(edge) for _ in range(20)} == {f"test-{change}-0"}, "a worker of before accepts connections"
    assert docker("inspect", "--format", "{{.State.StartedAt}}", props["container"]) == started


def test_an_edge_that_does_not_take_the_change_up_fails_the_update(
    props: dict[str, Any], edge: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edge_files, "_RELOAD_SECONDS", 2)
    docker("kill", "--signal", "STOP", props["container"])
    try:
        with pytest.raises(EdgeConfigError, match="still serves with the configuration before"):
            PROVIDER.update("id", props, {**props, "config": text(edge_id="test-1")})
    finally:
        docker("kill", "--signal", "CONT", props["container"])
    wait_until(lambda: edge_id(edge) == "test-1-0", "the edge that goes on")


def test_the_first_weight_is_none_and_later_ones_are_left_alone(props: dict[str, Any], edge: int) -> None:
    traffic = EdgeTraffic(container=props["container"], folder=WEIGHTS)
    assert traffic.get() == Share(weight=0)
    traffic.set(37)
    PROVIDER.update("id", props, {**props, "config": text(burst=11)})

    assert traffic.get() == Share(weight=37)


def test_who_is_not_root_and_in_its_group_takes_back_what_root_has_set_and_root_what_they_have(
    props: dict[str, Any], edge: int
) -> None:
    """As the watch of a user who is not root, without a capability."""
    roots = EdgeTraffic(container=props["container"], folder=WEIGHTS)
    docker("exec", props["container"], "chmod", "-R", "g-w", WEIGHTS)  # as an edge of before has it
    PROVIDER.update("id", props, props)
    assert roots.get() == Share(weight=0), "and there is a lock"
    options = [
        "--user",
        "54321:54321",
        "--group-add",
        "0",
        "--cap-drop",
        "ALL",
        "--security-opt",
        "no-new-privileges",
        "--read-only",
    ]
    options += ["--network", "none", "--volume", f"{props['volume']}:{FOLDER}"]
    with container(props["image"], *options, command=("sleep", "600")) as watch:

        def typed(script: str, *arguments: str) -> None:
            docker("exec", watch, "sh", "-c", script, "sh", WEIGHTS, *arguments)

        for weight in (10, 50):
            roots.set(weight, Mark(rollout=f"r{weight}", revision=weight))
            typed(traffic._GET)
            typed(traffic._SET, "w0-a", "0", f"r{weight}", str(weight + 1), "open", "")
            assert roots.get() == Share(
                weight=0,
                mark=Mark(rollout=f"r{weight}", revision=weight + 1),
                taken_back=frozenset({"r10"} if weight == 50 else ()),
            )
            roots.set(weight, Mark(rollout=f"r{weight}", revision=weight + 2))
            typed(traffic._TAKE_BACK, "", "0", f"r{weight}")
            assert roots.get().weight == 0
            assert f"r{weight}" in roots.get().taken_back
        roots.take_back("r60")
        assert roots.get().taken_back == {"r10", "r50", "r60"}


def test_a_split_that_cannot_be_reached_is_said_in_a_line(props: dict[str, Any], edge: int) -> None:
    with pytest.raises(NothingRoutesError, match="there is no edge nobody"):
        EdgeTraffic(container="nobody", folder=WEIGHTS).get()
    traffic = EdgeTraffic(container=props["container"], folder=WEIGHTS)
    docker("exec", props["container"], "touch", f"{WEIGHTS}/now/77")
    with pytest.raises(TrafficError, match="not the first of a hundred buckets"):
        traffic.get()
    docker("stop", "--time", "2", props["container"])
    with pytest.raises(TrafficError, match="does not run"):
        traffic.set(10)


def test_an_edge_that_another_comes_for_is_not_asked_to_read_what_it_cannot(props: dict[str, Any], edge: int) -> None:
    """It has neither the mounts nor the helpers of the one that comes, which reads the file when it starts."""
    changed = {**props, "config": text(edge_id="test-1"), "definition": "another"}

    PROVIDER.update("id", props, changed)

    assert edge_id(edge) == "test-0-0", "the one that runs goes on until it is replaced"
    assert in_force(props) == changed["config"]
