"""What the containers of a machine hold: no key but its own, no volume of another but by name, a limit of processes."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from infra.runtime.docker.pids import MOST
from infra.runtime.docker.watch import PROJECT
from outputs import emulator
from outputs.emulator import FILE
from tests.unit.infra.configs import DOCKER, MACHINE, changed, without
from tests.unit.infra.parts import run

CONTAINER = "docker:index/container:Container"
WHOLE = changed(without(DOCKER, "executorUrl"), machine={**MACHINE, "grafanaImage": "sha256:" + "9" * 64})
TLS, LOCAL = Path(str(MACHINE["tlsFolder"])).resolve(), PROJECT / ".local"
SECRET = {
    TLS / "edge.key": "edge",
    TLS / "databases.key": None,
    FILE: "watch",
    LOCAL / "emulator/state": None,
    LOCAL / "passphrase": None,
    LOCAL / "state": None,
    Path("/var/run/docker.sock"): None,
}
"""What opens something, and who mounts it."""
SHARED = {
    "files": {"executor", "stable", "worker"},
    "edge": {"edge", "watch"},
    "edge-lines": {"edge", "reader"},
    **{f"{part}-files": {part} for part in ("grafana", "prometheus", "reader")},
    "prometheus-data": {"prometheus"},
    "executor": {"executor"},
}
"""Who mounts a volume, beside the container that fills it and never runs."""
WRITES = {
    "edge": {"edge", "watch"},
    "edge-lines": {"edge"},
    "executor": {"executor"},
    "prometheus-data": {"prometheus"},
}


@pytest.fixture(scope="module")
def mounts() -> dict[str, list[dict[str, Any]]]:
    """What each container mounts, where a clone has no key yet too."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(emulator, "secret", lambda: "opens nothing")
        return {one.name: one.inputs.get("volumes", []) for one in run(WHOLE).of(CONTAINER)}


def opened(path: Path) -> dict[str, str | None]:
    """Of what is secret all that a mounted path shows: itself, or a file in the folder."""
    return {str(secret): owner for secret, owner in SECRET.items() if path in (secret, *secret.parents)}


def test_a_container_mounts_no_key_but_its_own(mounts: dict[str, list[dict[str, Any]]]) -> None:
    seen = {
        secret: name
        for name, mounted in mounts.items()
        for each in mounted
        for secret, owner in opened(Path(each.get("hostPath", "/nowhere"))).items()
        if owner != name or each.get("readOnly")
    }

    assert seen == {str(secret): owner for secret, owner in SECRET.items() if owner}


def test_what_shows_somebody_elses_key_is_found() -> None:
    assert opened(TLS) == {str(TLS / "edge.key"): "edge", str(TLS / "databases.key"): None}
    assert opened(FILE.parent)[str(FILE)] == "watch"
    assert opened(LOCAL)[str(LOCAL / "passphrase")] is None
    assert opened(LOCAL / "rollout") == {}


def test_a_volume_is_mounted_by_whom_it_is_for_and_written_by_few(mounts: dict[str, list[dict[str, Any]]]) -> None:
    readers, writers = defaultdict(set), defaultdict(set)
    for name, mounted in mounts.items():
        for each in mounted:
            if "volumeName" in each and not (name.endswith("files") and name in each["volumeName"]):
                volume = each["volumeName"].removeprefix("web-next-test-").removesuffix("-0a1b2c3d")
                readers[volume].add(name)
                if not each.get("readOnly"):
                    writers[volume].add(name)

    assert readers == SHARED
    assert writers == WRITES


def test_whatever_runs_has_a_limit_of_processes_and_is_waited_for() -> None:
    declared = run(WHOLE)
    running = {one.urn: one for one in declared.of(CONTAINER) if one.inputs.get("start") is not False}
    limited = declared.of("pulumi-python:dynamic/web-next:Pids")
    healthy = declared.of("pulumi-python:dynamic/web-next:Healthy")

    assert {urn for one in limited for urn in one.refers["container"]} == {*running}
    assert {one.inputs["most"] for one in limited} == {MOST}
    asked = {urn: ["CMD", *one.inputs["command"]] for one in healthy for urn in one.refers["container"]}
    assert asked == {urn: one.inputs["healthcheck"]["tests"] for urn, one in running.items()}
