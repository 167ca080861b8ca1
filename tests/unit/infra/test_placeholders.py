"""Placeholders: what the committed stack files say until somebody puts the real thing there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.settings.placeholders import placeholders
from infra.settings.reading import load
from outputs.placeholders import PLACEHOLDERS
from tests.unit.infra.configs import ACCOUNT, DOCKER, FARGATE, IMAGE, at, settings

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", ["prod", "canary"])
def test_a_committed_stack_file_breaks_no_rule_and_holds_placeholders(name: str) -> None:
    config = yaml.safe_load((ROOT / f"Pulumi.{name}.yaml").read_text())["config"]
    read = load({key: text if isinstance(text, str) else json.dumps(text) for key, text in config.items()}, stack=name)

    assert read.runtime == "fargate"
    assert read.base == ("prod" if name == "canary" else None)
    assert {"account", "domain", "executorUrl", "image", "buildSha"} <= placeholders(read).keys()


def test_every_committed_stack_file_is_among_those() -> None:
    made = {f"Pulumi.{base}{candidate}.yaml" for base in ("local", "rehearsal") for candidate in ("", "-canary")}

    assert {path.name for path in ROOT.glob("Pulumi.*.yaml")} - made == {"Pulumi.prod.yaml", "Pulumi.canary.yaml"}


UNREAL: list[tuple[str, Any]] = [
    ("domain", "example.com"),
    ("domain", "console.example.com"),
    ("executorUrl", "https://executor.prod.example.com/x"),
    ("image", f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com/web-next@sha256:{'0' * 64}"),
    ("image", f"111122223333.dkr.ecr.eu-central-1.amazonaws.com/web-next@{IMAGE}"),
    ("buildSha", "0000000"),
    ("edge.image", f"111122223333.dkr.ecr.eu-central-1.amazonaws.com/web-next-edge@{IMAGE}"),
    ("edge.trustedCallers", ["203.0.113.0/24"]),
    ("access.clients", ["203.0.113.0/24"]),
    ("fargate.hostedZoneId", f"Z{'0' * 20}"),
    ("alarmTargets", ["real@web-next.test", "on-call@example.com"]),
    ("rollout.watchImage", f"cutover@sha256:{'0' * 64}"),
]


@pytest.mark.parametrize(("key", "value"), UNREAL)
def test_a_placeholder_is_found_by_its_key(key: str, value: Any) -> None:
    assert placeholders(settings(FARGATE, **at(key, value))) == {key: json.dumps(value)}


def test_the_accounts_is_found_with_the_roles_which_are_of_it() -> None:
    unreal: dict[str, Any] = {"account": "111122223333", "operatorRoles": ["arn:aws:iam::111122223333:role/deployer"]}

    assert placeholders(settings(FARGATE, **unreal)) == {key: json.dumps(value) for key, value in unreal.items()}


def test_every_placeholder_is_among_those() -> None:
    assert {key for key, _ in UNREAL} | {"account", "operatorRoles"} == set(PLACEHOLDERS)


@pytest.mark.parametrize("domain", ["console.web-next.test", "best-example.com", "myexample.com", "example.community"])
def test_a_real_value_is_no_placeholder(domain: str) -> None:
    assert placeholders(settings(FARGATE, domain=domain)) == {}


def test_on_a_machine_nothing_is_a_placeholder() -> None:
    assert placeholders(settings(DOCKER, account="111122223333", executorUrl="https://example.com")) == {}
