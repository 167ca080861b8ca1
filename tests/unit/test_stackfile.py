"""The stack file of a docker stack: the machine's facts, and a person's own settings beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from infra.settings.keys import Keepsake
from infra.settings.reading import load
from offline import stackfile
from offline.machine import Machine
from tests.support.machines import IMAGES, MACHINE

KEYS = [f"{part}Address" for part in ("edge", "stable", "executor", "candidate", "reader", "prometheus")]


@pytest.fixture
def facts() -> dict[str, Any]:
    return stackfile.facts(MACHINE, IMAGES, block=10, edge_port=8450, prometheus_port=9097)


def test_a_new_file_holds_the_facts_and_the_defaults(facts: dict[str, Any]) -> None:
    assert stackfile.merged({}, facts) == {"config": {**stackfile.DEFAULTS, **facts}}


def test_a_rehearsal_may_destroy_all_it_holds_unless_a_person_says_otherwise(facts: dict[str, Any]) -> None:
    everything = [*get_args(Keepsake)]
    kept = {"config": {"web-next:mayDestroy": ["audit"]}}

    assert stackfile.merged({}, facts)["config"]["web-next:mayDestroy"] == everything
    assert stackfile.merged(kept, facts)["config"]["web-next:mayDestroy"] == ["audit"]


def test_a_new_file_passes_the_programs_own_check(facts: dict[str, Any]) -> None:
    config = stackfile.merged({}, facts)["config"]
    settings = load({key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()})

    assert settings.origin == "https://localhost:8450"
    assert settings.require_machine().emulator == "http://10.213.7.1:4573"


def test_a_candidates_new_file_passes_the_programs_own_check_and_holds_its_record_alone() -> None:
    own = stackfile.facts(MACHINE, IMAGES, block=10, edge_port=8450, prometheus_port=9097, base="local")
    config = stackfile.merged({}, own, stackfile.CANDIDATES)["config"]
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}
    settings = load(texts, stack="local-canary")

    assert (settings.track, settings.base) == ("candidate", "local")
    assert settings.may_destroy == ["records"]


def test_the_candidate_stands_on_the_bases_own_machine() -> None:
    base, candidate = (
        stackfile.facts(MACHINE, IMAGES, block=10, edge_port=8450, prometheus_port=9097, base=base)
        for base in (None, "local")
    )

    assert base["web-next:machine"] == candidate["web-next:machine"]


def test_blocks_of_addresses_do_not_meet() -> None:
    addresses = [
        stackfile.facts(MACHINE, IMAGES, block=block, edge_port=8450, prometheus_port=9097)["web-next:machine"][key]
        for block in (10, 20)
        for key in KEYS
    ]

    assert addresses == [
        f"10.{213 + (number % 10 > 3)}.7.{number}" for number in (10, 11, 12, 13, 14, 15, 20, 21, 22, 23, 24, 25)
    ]


def test_a_persons_settings_and_the_salt_stay(facts: dict[str, Any]) -> None:
    existing = {
        "encryptionsalt": "v1:salt",
        "config": {"web-next:edge": {"burst": 20}, "web-next:version": "1.6.0", "web-next:token": {"secure": "v1:c"}},
    }
    merged = stackfile.merged(existing, facts)

    assert merged["encryptionsalt"] == "v1:salt"
    assert existing["config"].items() <= merged["config"].items()  # type: ignore[attr-defined]


def test_the_machines_facts_are_put_back(facts: dict[str, Any]) -> None:
    moved = {"config": {**facts, "web-next:account": "999999999999", "web-next:machine": {"clone": "ffffffff"}}}

    assert facts.items() <= stackfile.merged(moved, facts)["config"].items()


def test_merging_twice_changes_nothing(facts: dict[str, Any]) -> None:
    once = stackfile.merged({"config": {"web-next:edge": {"burst": 20}}}, facts)

    assert stackfile.merged(once, facts) == once


@pytest.mark.parametrize("text", ["", "config:\n", "config: {}\n"])
def test_an_empty_file_is_filled(tmp_path: Path, facts: dict[str, Any], text: str) -> None:
    (tmp_path / "Pulumi.local.yaml").write_text(text)

    assert stackfile.merged(stackfile.read(tmp_path, "local"), facts)["config"].items() >= facts.items()


def test_what_is_written_is_read_back_under_a_heading(tmp_path: Path, facts: dict[str, Any]) -> None:
    content = stackfile.merged({}, facts)
    stackfile.write(tmp_path, "local", content)
    text = (tmp_path / "Pulumi.local.yaml").read_text()

    assert stackfile.read(tmp_path, "local") == content
    assert text.startswith("# Written by `make up`")
    assert "-s local`" in text
    assert [path.name for path in tmp_path.iterdir()] == ["Pulumi.local.yaml"], "no draft is left"


@pytest.mark.parametrize("text", ["16889e46", "4e12", "123456789e12", "1E5", "1.5e3", "09718241", "12345678"])
def test_a_hash_that_looks_like_a_number_is_quoted_because_pulumi_would_read_one(tmp_path: Path, text: str) -> None:
    stackfile.write(tmp_path, "local", {"config": {"web-next:machine": {"clone": text}, "plain": "49a02f4d"}})

    written = (tmp_path / "Pulumi.local.yaml").read_text()
    assert f"clone: '{text}'" in written
    assert "plain: 49a02f4d\n" in written
    assert stackfile.read(tmp_path, "local")["config"]["web-next:machine"] == {"clone": text}


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path, facts: dict[str, Any]) -> None:
    stackfile.write(tmp_path, "local", {"config": {}})
    before = (tmp_path / "Pulumi.local.yaml").read_text()

    with pytest.raises(yaml.YAMLError):
        stackfile.write(tmp_path, "local", {"config": {"web-next:edge": object()}})
    assert (tmp_path / "Pulumi.local.yaml").read_text() == before


def test_no_file_is_an_empty_one(tmp_path: Path) -> None:
    assert stackfile.read(tmp_path, "local") == {}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder with MACHINE's facts and both images built."""

    class Built:
        def present(self) -> dict[str, str]:
            return IMAGES

    monkeypatch.setattr(stackfile, "ROOT", tmp_path)
    monkeypatch.setattr(stackfile, "Images", Built)
    monkeypatch.setattr(Machine, "load", lambda: MACHINE)
    return tmp_path


def test_check_says_whether_the_file_is_up_to_date_and_writes_nothing(project: Path) -> None:
    assert stackfile.main(["--check"]) == 1
    assert list(project.iterdir()) == []
    assert stackfile.main([]) == 0
    assert stackfile.main(["--check"]) == 0


def test_a_file_from_before_the_executor_had_an_address_is_outdated_and_gets_it(project: Path) -> None:
    stackfile.main([])
    before = stackfile.read(project, "local")
    del before["config"]["web-next:machine"]["executorAddress"]
    before["config"]["web-next:adapters"] = {"audit": "mock"}
    stackfile.write(project, "local", before)

    assert stackfile.main(["--check"]) == 1
    assert stackfile.main([]) == 0
    after = stackfile.read(project, "local")["config"]
    assert after["web-next:machine"]["executorAddress"] == "10.213.7.12"
    assert after["web-next:adapters"] == {"audit": "mock"}


def test_a_missing_candidates_file_is_named_and_written(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stackfile.main([])
    (project / "Pulumi.local-canary.yaml").unlink()
    capsys.readouterr()

    assert stackfile.main(["--check"]) == 1
    assert capsys.readouterr().out == "missing or outdated: Pulumi.local-canary.yaml\n"
    assert stackfile.main([]) == 0
    assert capsys.readouterr().out == "Pulumi.local.yaml, Pulumi.local-canary.yaml\n"
    assert stackfile.read(project, "local-canary")["config"]["web-next:base"] == "local"


def test_a_new_image_makes_the_file_outdated(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stackfile.main([])
    monkeypatch.setitem(IMAGES, "web-next", "sha256:" + "b" * 64)

    assert stackfile.main(["--check"]) == 1
    assert stackfile.main([]) == 0
    assert stackfile.read(project, "local")["config"]["web-next:buildSha"] == "b" * 12


@pytest.mark.parametrize("text", ["config: {a: b\n", "a text\n"])
def test_a_file_that_is_no_yaml_is_one_line_that_names_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "Pulumi.local.yaml").write_text(text)

    with pytest.raises(stackfile.StackFileError, match=r"^Pulumi\.local\.yaml is no YAML of a stack: .*; mend it$"):
        stackfile.read(tmp_path, "local")
