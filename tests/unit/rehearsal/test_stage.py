"""The rehearsal's stacks: what their files say, and that they stand beside `local` and not on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.settings.keys import Settings
from infra.settings.reading import load
from offline import stackfile
from rehearsal.stage import CANDIDATE, CRITERIA, STABLE, Stage
from tests.support.machines import IMAGES, MACHINE


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    holds = {"canary": 40, "staged": 30, "production": 20}
    return Stage(machine=MACHINE, images=IMAGES, holds=holds, root=tmp_path)


def config(stage: Stage, stack: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((stage.root / f"Pulumi.{stack}.yaml").read_text())["config"]
    return content


def read(stage: Stage, stack: str) -> Settings:
    """The file as the program reads it."""
    texts = {key: text if isinstance(text, str) else json.dumps(text) for key, text in config(stage, stack).items()}
    return load(texts, stack=stack)


def test_the_base_is_on_mocks_and_what_mocks_cannot_show_is_not_asked(stage: Stage) -> None:
    stage.set(STABLE, [], candidate=False)
    settings = read(stage, stage.base)

    assert (settings.track, settings.version) == ("stable", STABLE)
    assert set(settings.adapters.model_dump().values()) == {"mock"}
    assert [each.value for each in settings.smoke.must_pass] == ["Health", "Rate limit"]


def test_the_candidate_stands_on_it_with_the_adapters_that_are_named_and_is_asked_for_them(stage: Stage) -> None:
    stage.set(CANDIDATE, ["audit", "queue"], candidate=True)
    settings = read(stage, stage.candidate)

    assert (settings.track, settings.base, settings.version) == ("candidate", stage.base, CANDIDATE)
    real = [name for name, mode in settings.adapters.model_dump().items() if mode == "production"]
    assert real == ["audit", "queue"]
    assert [each.value for each in settings.smoke.must_pass] == [
        "Health",
        "Rate limit",
        "Audit Postgres",
        "Queue stats",
    ]


def test_what_is_not_to_be_proven_yet_goes_without_the_suite(stage: Stage) -> None:
    stage.set(CANDIDATE, [], candidate=True, proven=False)

    assert not read(stage, stage.candidate).smoke.run


def test_with_all_adapters_real_what_must_pass_is_the_playbooks_six(stage: Stage) -> None:
    stage.set(CANDIDATE, list(CRITERIA), candidate=True)
    settings = read(stage, stage.candidate)

    assert set(settings.smoke.must_pass) == set(load_defaults().smoke.must_pass)


def load_defaults() -> Settings:
    facts = stackfile.facts(MACHINE, IMAGES, block=10, edge_port=8450, prometheus_port=9097)
    texts = stackfile.merged({}, facts)["config"]
    return load({key: text if isinstance(text, str) else json.dumps(text) for key, text in texts.items()})


def test_addresses_and_ports_are_none_of_locals(stage: Stage) -> None:
    stage.set(STABLE, [], candidate=False)
    own = config(stage, stage.base)["web-next:machine"]
    local = stackfile.facts(MACHINE, IMAGES, block=10, edge_port=MACHINE.edge_port, prometheus_port=9097)
    shared = {key for key, value in local["web-next:machine"].items() if own[key] == value}

    assert not {key for key in shared if key.endswith(("Address", "Port"))}


def test_no_clones_own_ports_are_a_rehearsals(stage: Stage) -> None:
    # A slot, 0 to 255, decides a clone's ports (offline/machine.py), which are 8443, 9090 and 4566 and more.
    clones = {base + slot for slot in range(256) for base in (8443, 9090, 4566)}
    rehearsals = {base + slot + 256 for slot in range(256) for base in (8443, 9090)}

    assert not clones & rehearsals


def test_the_edge_believes_the_crowd_and_nobody_else_whom_it_speaks_for(stage: Stage) -> None:
    stage.set(STABLE, [], candidate=False)
    settings = read(stage, stage.base)

    assert [str(network) for network in settings.edge.trusted_proxies] == [f"{stage.crowd}/32"]
    taken = [str(value) for value in config(stage, stage.base)["web-next:machine"].values()]
    assert stage.crowd not in taken
