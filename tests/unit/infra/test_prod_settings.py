"""prod as committed, with sound values: what one setting changes there, and nothing else."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.support.prod import flat, texts
from tests.support.prod_changes import CHANGES, Change
from tests.support.setting_keys import leaves
from tests.unit.infra.configs import IMAGE, MACHINE
from tests.unit.infra.parts import run
from tests.unit.infra.recorder import Recording

HOLDS = ("web-next:data:", "web-next:security:", "web-next:storage:", "web-next:deploy:", "web-next:network:")
"""The components that hold data, secrets and records, or carry them, by the start of their types."""
OTHER_STACK = {"track", "base", "runtime", "account", "region"}
"""Settings that make another stack of this one: nothing stays as it is."""
APART = ("machine.", "outside", "network.", "adapters.", "fargate.hostedZoneId", "fargate.certificateArn")
"""Sections and keys of which not each is changed here, or, as the machine and its way out, none."""
RECORD = "BucketObjectv2 deployment: content"
"""It names whatever is declared, so it changes each time."""
Shape = dict[str, dict[str, Any]]
"""What the program declares: resources by type and name, each with its inputs by path."""


def declared(**settings: Any) -> Recording:
    return run(texts(**settings))


def shape(recording: Recording) -> Shape:
    found: Shape = {}
    for one in recording.registered:
        label = f"{one.token.rpartition(':')[2]} {one.name}"
        assert label not in found, f"two resources are called {label}"
        found[label] = {"protect": one.protect, "retainOnDelete": one.retain_on_delete}
        for name, value in one.inputs.items():
            found[label] |= flat(name, value)
    return found


def changes(before: Shape, after: Shape) -> set[str]:
    """A line for each resource that is added or gone, and for each input that differs."""
    return (
        {f"+ {label}" for label in after.keys() - before.keys()}
        | {f"- {label}" for label in before.keys() - after.keys()}
        | {
            f"{label}: {path}"
            for label in before.keys() & after.keys()
            for path in before[label].keys() | after[label].keys()
            if before[label].get(path) != after[label].get(path)
        }
    )


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: "+".join(change.settings))
def test_a_setting_changes_what_it_is_for_and_nothing_else(change: Change) -> None:
    before, after = shape(declared(**change.base)), shape(declared(**{**change.base, **change.settings}))

    assert changes(before, after) - {RECORD} == change.lines


def ignored(recording: Recording) -> set[str]:
    """The inputs whose changes no `up` brings."""
    return {
        f"{one.token.rpartition(':')[2]} {one.name}: {path}"
        for one in recording.registered
        for path in one.ignore_changes
    }


def test_no_setting_changes_only_what_no_up_brings() -> None:
    never = ignored(declared()) - {"Service stable: desiredCount"}  # its autoscaling target brings fargate.tasks

    assert "Listener balancer-https: defaultActions" in never
    for change in CHANGES:
        assert [line for line in change.lines if line.startswith(tuple(never))] == [], change.settings


def test_every_setting_is_among_those() -> None:
    changed = {name for change in CHANGES for name in change.settings}

    assert {name for name in changed if not name.startswith(APART)} | OTHER_STACK == {
        name for name in leaves() if not name.startswith(APART)
    }
    assert {"network.nat", "adapters.audit"} <= changed, "each of their own kind has a test of its own"


def test_another_runtime_touches_neither_data_nor_secrets() -> None:
    fargate, docker = declared(), declared(runtime="docker", image=IMAGE, machine=MACHINE)
    differences = changes(shape(fargate), shape(docker))

    assert held(fargate) == held(docker)
    assert len(held(fargate)) > 100
    assert {line for line in differences if line[0] not in "+-" and not line.startswith("aws aws: ")} - {RECORD} == {
        "BucketCorsConfiguration evidence: corsRules[0].allowedOrigins",
        "Role app: assumeRolePolicy",
        "Role app: permissionsBoundary",
        "Schema schema: access.emulator",
        "UpdateGuard release: told.emulator",
        "postgresql audit-roles: sslmode",
        "postgresql audit-roles: sslrootcert",
        "SecretPolicy SLACK_WEBHOOK_URL: policy",
        *(f"SecretVersion {name}: secretString" for name in database_urls(fargate)),
    }, "the console's port, who takes roles on, where vault and records are asked, how the database is verified, watch"
    assert database_urls(docker) == {
        name: url.replace("sslmode=verify-full", "sslmode=require") for name, url in database_urls(fargate).items()
    }, "a password is the same"
    assert "- Service stable" in differences
    assert "+ Container stable" in differences


def database_urls(recording: Recording) -> dict[str, str]:
    return {
        one.name: one.inputs["secretString"]
        for one in recording.of("aws:secretsmanager/secretVersion:SecretVersion")
        if one.name.startswith("AUDIT_DB_")
    }


def held(recording: Recording) -> set[str]:
    """What is declared of the parts that a runtime stands on, but for the ways of load balancer and watch, and logs."""
    return {
        one.urn
        for one in recording.registered
        if one.urn.split("::")[2].startswith(HOLDS) and not re.search("balancer|access-logs|watch", one.name)
    }


def test_a_third_zone_moves_no_subnet() -> None:
    (three,) = [change for change in CHANGES if "zones" in change.settings]
    before, now = shape(declared(**three.base)), shape(declared(**three.settings))
    subnets = [label for label in before if label.startswith("Subnet ")]

    assert len(subnets) == 6
    assert [before[label]["cidrBlock"] for label in subnets] == [now[label]["cidrBlock"] for label in subnets]
