"""The watch's container: it can lower the weight and write its reports, and do nothing else to the machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from cutover.traffic import MOUNTED as ASKED
from infra.naming import Names
from infra.nginx import FOLDER, WEIGHTS
from infra.runtime.docker import watch
from infra.runtime.docker.watch import CODE, MOUNTED, PROJECT, Watch, WatchArgs, code_digest
from outputs import emulator
from tests.unit.infra.configs import DOCKER, settings, without
from tests.unit.infra.parts import run
from tests.unit.infra.recorder import record

CONTAINER = "docker:index/container:Container"
DOUBLE = without(DOCKER, "executorUrl")
EDGE = "web-next-test-edge-0a1b2c3d"


@pytest.fixture
def container() -> dict[str, Any]:
    return run(DOUBLE).one(CONTAINER, "watch").inputs


def test_it_watches_the_base_and_shows_its_heartbeat_where_prometheus_looks(container: dict[str, Any]) -> None:
    assert container["command"] == [
        f"{Path(sys.prefix).resolve()}/bin/python",
        *("-m", "cutover", "watch", "-s", "test", "--listen", "10.214.7.1:9097"),
        *("--asker", "10.214.7.15"),
    ]
    assert container["workingDir"] == str(PROJECT)
    assert container["healthcheck"]["tests"][-1] == "</dev/tcp/10.214.7.1/9097"


def test_it_writes_to_the_edges_volume_and_its_reports_alone(container: dict[str, Any]) -> None:
    written = {
        each["containerPath"]: each.get("volumeName") or each["hostPath"]
        for each in container["volumes"]
        if not each.get("readOnly")
    }
    reports = str(PROJECT / ".local/rollout")

    assert written == {FOLDER: EDGE, reports: reports}
    assert WEIGHTS.startswith(f"{FOLDER}/")


def test_it_reads_python_packages_code_one_certificate_and_the_key_of_the_emulator(container: dict[str, Any]) -> None:
    read = {each["hostPath"] for each in container["volumes"] if each.get("readOnly")}
    environment, authority = Path(sys.prefix).resolve(), PROJECT / "tests/unit/infra/tls/ca.pem"

    assert read == {
        *map(str, (sys.base_prefix, environment, authority, emulator.FILE)),
        *(str(PROJECT / folder) for folder in CODE),
    }


def test_it_has_no_docker_no_pulumi_and_no_key_of_the_edge_or_the_databases(container: dict[str, Any]) -> None:
    names = {entry.partition("=")[0] for entry in container["envs"]}
    paths = {each.get("hostPath", "") for each in container["volumes"]}

    assert names == {MOUNTED, "PYTHONDONTWRITEBYTECODE", "AWS_EC2_METADATA_DISABLED"}
    assert not {path for path in paths if path.endswith((".sock", ".key", "passphrase", "state", "/tls", "/.local"))}
    assert container["memory"] == 96


@pytest.mark.parametrize(
    ("prepared_by", "runs_as"), [((1000, 1001), ("1000:1001", ["0"])), ((0, 0), (None, None))], ids=["a user", "root"]
)
def test_it_is_who_has_prepared_the_clone_and_in_the_group_that_may_set_the_weight(
    monkeypatch: pytest.MonkeyPatch, prepared_by: tuple[int, int], runs_as: tuple[str | None, list[str] | None]
) -> None:
    monkeypatch.setattr(watch, "owner", lambda: prepared_by)
    chosen = settings(DOUBLE)
    made = record(lambda: Watch("watch", WatchArgs.of(chosen, Names.of(chosen, "test"))))
    declared = made.one(CONTAINER, "watch").inputs

    assert (declared.get("user"), declared.get("groupAdds")) == runs_as
    assert declared["capabilities"] == {"drops": ["ALL"]}


def test_the_clone_was_prepared_by_whom_its_own_folder_is() -> None:
    made = (PROJECT / ".local").stat()

    assert watch.owner() == (made.st_uid, made.st_gid)


def test_it_is_told_that_the_edges_volume_is_at_hand_by_the_name_that_is_asked_for(container: dict[str, Any]) -> None:
    assert MOUNTED == ASKED
    assert f"{MOUNTED}={EDGE}" in container["envs"]


def test_other_code_is_another_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in CODE:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "one.py").write_text("1")
    monkeypatch.setattr(watch, "PROJECT", tmp_path)
    before = code_digest()
    (tmp_path / "cutover" / "one.pyc").write_text("compiled")
    assert code_digest() == before
    (tmp_path / "templates" / "one.py").write_text("2")

    assert code_digest() != before
