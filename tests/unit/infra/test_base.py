"""What a candidate takes from its base, and what it says of a base that is not whole."""

from __future__ import annotations

from typing import Any

import pytest

from infra.base import BaseError, BaseOutputs
from outputs.schema import AppliedSchema
from outputs.traffic import DockerTraffic
from tests.support.edge_double import TARGET
from tests.unit.infra import configs
from tests.unit.infra.parts import run

WHOLE: dict[str, Any] = {
    "edge_url": "https://localhost:8450",
    "schema": {"version": 6.0, "digest": "d"},
    "slots": {
        "stable": {"address": "10.213.7.11:3003"},
        "candidate": {
            "address": "10.213.7.13:3003",
            "worker": "10.213.7.17",
            "outside": False,
            "environment": {"VAULT_PREFIX": "web-next-test/"},
            "files": {"volume": "files", "digest": "d"},
        },
    },
    "smoke_target": TARGET.output(),
    "traffic": {"runtime": "docker", "container": "edge", "folder": "/weights"},
}


def test_a_whole_base_gives_the_slot_and_what_a_record_repeats() -> None:
    read = BaseOutputs.read("local", WHOLE)

    assert read.slot["address"] == "10.213.7.13:3003"
    assert read.environment == {"VAULT_PREFIX": "web-next-test/"}
    assert read.schema == AppliedSchema(version=6, digest="d")
    assert read.edge == TARGET.edge
    assert read.places == TARGET.places
    assert read.traffic == DockerTraffic(container="edge", folder="/weights")


@pytest.mark.parametrize("name", ["edge_url", "schema", "slots", "smoke_target", "traffic"])
def test_a_half_deployed_base_is_refused_by_what_it_lacks(name: str) -> None:
    with pytest.raises(BaseError, match=rf"base local has no output {name}: .*run cutover up -s local first"):
        BaseOutputs.read("local", {key: value for key, value in WHOLE.items() if key != name})


def test_a_base_that_was_never_up_is_refused_in_one_line_with_all_it_lacks() -> None:
    with pytest.raises(BaseError) as refused:
        BaseOutputs.read("local", {})

    line = str(refused.value)
    assert "\n" not in line
    assert "output edge_url, output schema, output slots, output smoke_target, output traffic" in line


def test_a_base_from_before_there_were_slots_is_refused() -> None:
    with pytest.raises(BaseError, match=r"base prod has no output slots\.candidate"):
        BaseOutputs.read("prod", {**WHOLE, "slots": {"stable": "10.213.7.11:3003", "candidate": None}})


def test_a_base_of_another_revision_is_refused_by_what_is_wrong_with_it() -> None:
    target = {**TARGET.output(), "edge": {"url": "https://localhost:8450"}}

    with pytest.raises(BaseError, match=r"an output of base prod was put out by another .*edge\.burst: Field required"):
        BaseOutputs.read("prod", {**WHOLE, "smoke_target": target})


def test_a_slot_of_another_revision_is_refused_in_a_line_with_what_it_lacks() -> None:
    slots = configs.BASE["slots"]
    older = {key: value for key, value in slots["candidate"].items() if key != "alarms"}

    with pytest.raises(BaseError) as refused:
        BaseOutputs.read("prod", {**configs.BASE, "slots": {**slots, "candidate": older}})

    assert str(refused.value) == (
        "an output of base prod was put out by another revision of the project (alarms: Field required): use that "
        "revision, or bring the stack up with this one"
    )


@pytest.mark.parametrize(
    ("key", "value", "own", "its"),
    [
        ("account", "999999999999", "999999999999", configs.ACCOUNT),
        ("region", "eu-west-1", "eu-west-1", configs.REGION),
        ("domain", "other.web-next.test", "https://other.web-next.test", "https://console.web-next.test"),
        ("executorUrl", "https://other.test", "https://other.test", "https://executor.web-next.test"),
    ],
)
def test_a_candidate_that_says_another_place_than_its_base_is_refused_with_both(
    key: str, value: str, own: str, its: str
) -> None:
    known = configs.without(configs.FARGATE, "zones", "operatorRoles")
    candidate = configs.changed(known, track="candidate", base="prod")
    like = BaseOutputs.read("prod", configs.BASE)
    moved = configs.settings(candidate, **{key: value})

    assert like.shared_with(configs.settings(candidate)) is like
    with pytest.raises(BaseError, match=f"{key} is {own}, the base has {its}(;|: a candidate .*set them alike)"):
        like.shared_with(moved)
    with pytest.raises(BaseError, match=f"{key} is {own}"):
        run({**candidate, f"web-next:{key}": value})


def test_a_candidate_of_another_runtime_than_its_base_is_refused() -> None:
    candidate = configs.settings(track="candidate", base="local")

    with pytest.raises(BaseError, match=r"runtime is docker, the base has fargate; .*: a candidate shares these"):
        BaseOutputs.read("local", configs.BASE).shared_with(candidate)
