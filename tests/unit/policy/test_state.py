"""A stack's exported state, as rules see it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from policy.resources import UNKNOWN, Stack
from policy.state import REFERENCE, of_state
from policy.verdict import judge
from tests.unit.policy.captured import OWN

SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "v1:abc"}
URN = "urn:pulumi:prod::web-next::aws:s3/bucket:Bucket::evidence"


def exported(**changes: Any) -> dict[str, Any]:
    return {
        "urn": URN,
        "type": "aws:s3/bucket:Bucket",
        "id": "web-next-prod-evidence",
        "inputs": {"bucket": "web-next-prod-evidence", "password": SECRET, "deep": [{"token": SECRET}]},
        "outputs": {"arn": "arn:aws:s3:::web-next-prod-evidence", "secret": SECRET},
        "propertyDependencies": {"bucket": ["urn:other"], "deep": None},
        **changes,
    }


def test_a_secret_of_the_state_is_not_known_and_never_opened() -> None:
    (one,) = of_state("prod", [exported()], {}).resources

    assert one.inputs["password"] is UNKNOWN
    assert one.inputs["deep"] == [{"token": UNKNOWN}]
    assert one.secrets == {"password"}
    assert "v1:abc" not in repr(one)


def test_a_resource_of_the_state_has_its_names_and_what_it_is_made_of() -> None:
    (one,) = of_state("prod", [exported()], {}).resources

    assert one.name == "evidence"
    assert one.ids == {"web-next-prod-evidence", "arn:aws:s3:::web-next-prod-evidence"}
    assert one.refers == {"bucket": {"urn:other"}, "deep": frozenset()}


def test_what_waits_to_be_deleted_is_not_judged() -> None:
    assert of_state("prod", [exported(delete=True)], {}).resources == []


def test_the_stack_file_becomes_the_configuration_that_the_program_has() -> None:
    config = of_state(
        "prod", [], {"web-next:access": {"clients": ["198.51.100.0/24"]}, "web-next:track": "stable"}
    ).config

    assert json.loads(config["web-next:access"]) == {"clients": ["198.51.100.0/24"]}
    assert config["web-next:track"] == "stable"


@pytest.mark.parametrize("own", OWN, ids=lambda one: one.__name__)
def test_the_rules_say_the_same_of_a_state_as_of_the_program_that_made_it(own: Callable[[], Stack]) -> None:
    stack = own()
    written = [
        {
            "urn": one.urn,
            "type": one.type,
            "inputs": one.inputs,
            "outputs": one.inputs
            if one.type == REFERENCE
            else dict(zip(("arn", "name", "bucket", "identifier"), sorted(one.ids), strict=False)),
            "propertyDependencies": {key: sorted(urns) for key, urns in one.refers.items()},
        }
        for one in stack.resources
    ]
    made = of_state(stack.name, written, stack.config)

    assert judge(made, date.today()).document() == judge(stack, date.today()).document()
