"""The outputs of a stack are a contract: names and shapes stay as they are here; a new one gets a row of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from outputs.access import DatabaseAccess
from outputs.flags import FlagsParameters
from outputs.release import ReleaseSummary
from outputs.schema import AppliedSchema
from outputs.slots import DockerSlots, FargateSlots
from outputs.smoke import RecordPlace, SmokeTarget
from outputs.traffic import traffic_from
from tests.unit.infra.configs import DOCKER, FARGATE, changed
from tests.unit.infra.parts import run

HERE = "tests/unit/infra/test_outputs.py"
TEXTS = "texts by name"
EDGE = {
    "url": str,
    "address": str,
    "authority": str,
    "rate_per_minute": int,
    "burst": int,
    "config": str,
    "most": int,
    "firewall": int,
    "hsts": str,
}
SCHEMA = {"version": int, "digest": str}
RELEASE = {"track": str, "image": str, "build_sha": str, "version": str, "adapters": TEXTS, "digest": str}
DATABASE = {
    "mode": str,
    "endpoint": str,
    "secret_arn": str,
    "region": str,
    "emulator": str,
    "bastion": str,
    "local_port": int,
    "retention_months": int,
}
PLACES = {
    "environment": str,
    "account": str,
    "region": str,
    "emulator": str,
    "evidence_bucket": str,
    "records_bucket": str,
    "database": DATABASE,
    "metrics_url": str,
    "executor": str,
    "receiver": str,
    "grafana": str,
}
RULES = {"must_pass": [str], "max_age_minutes": int, "waivers": [TEXTS]}


def target(**processes: type) -> dict[str, Any]:
    """The shape of a smoke target on a runtime."""
    own = {"stack": str, "schema": SCHEMA, "settings_digest": str, "profile": str, "on_call": str}
    return RELEASE | own | {"edge": EDGE, "places": PLACES, "rules": RULES, "processes": processes}


ON_FARGATE_TARGET = target(runtime=str, cluster=str, app=str, worker=str, app_definition=str, worker_definition=str)
ANY_TRACK: dict[str, Any] = {
    "release": RELEASE,
    "smoke_target": ON_FARGATE_TARGET,
    "deployment_record": {"bucket": str, "key": str, "version": str},
}
ANY_STABLE = ANY_TRACK | {
    "edge_url": str,
    "metrics_url": str,
    "evidence_bucket": str,
    "evidence_region": str,
    "evidence_policy_role": str,
    "records_bucket": str,
    "audit_db_endpoint": str,
    "redis_endpoint": str,
    "flags_parameters": {"stable": str, "candidate": str},
    "vault": TEXTS,
    "egress_addresses": [str],
    "schema": SCHEMA,
    "audit_db_access": DATABASE,
}
ON_DOCKER = ANY_STABLE | {
    "smoke_target": target(runtime=str, app=str, worker=str),
    "slots": {
        "stable": {"address": str},
        "candidate": {
            "address": str,
            "worker": str,
            "outside": bool,
            "environment": TEXTS,
            "files": {"volume": str, "digest": str},
        },
    },
    "traffic": {"runtime": str, "container": str, "folder": str},
}
ON_FARGATE = ANY_STABLE | {
    "slots": {
        "stable": {"target_group": str},
        "candidate": {
            "region": str,
            "cluster": str,
            "subnets": [str],
            "security_group": str,
            "target_group": str,
            "execution_role": str,
            "task_role": str,
            "logs": {"edge": str, "app": str, "worker": str},
            "ready_alarm": str,
            "alarms": {"prefix": str, "namespace": str, "topic": str},
            "scaling": {"least": int, "most": int, "label": str},
            "edge": {
                "edge_id": str,
                "server_name": str,
                "rate_per_minute": int,
                "burst": int,
                "limits": {"webhook_per_minute": int, "webhook_burst": int, "pages_per_minute": int, "requests": int},
                "trusted_proxies": [str],
                "trusted_callers": [str],
                "access": {"console": [str], "webhook": [str], "audit_push": [str]},
            },
            "environment": TEXTS,
        },
    },
    "traffic": {"runtime": str, "region": str, "listener": str, "stable": str, "candidate": str, "pinned_seconds": int},
}
TUNNEL = changed(FARGATE, database={"access": "tunnel"}, auditRetentionMonths="24")
CANDIDATE = changed(FARGATE, track="candidate", base="prod")
STACKS = pytest.mark.parametrize(
    ("config", "pinned"),
    [(DOCKER, ON_DOCKER), (FARGATE, ON_FARGATE), (TUNNEL, ON_FARGATE), (CANDIDATE, ANY_TRACK)],
    ids=["docker", "fargate", "fargate by tunnel", "candidate"],
)
SHAPES: dict[str, Callable[[object], Any]] = {
    "release": ReleaseSummary.from_output,
    "smoke_target": SmokeTarget.from_output,
    "deployment_record": RecordPlace.from_output,
    "flags_parameters": FlagsParameters.from_output,
    "schema": AppliedSchema.from_output,
    "audit_db_access": DatabaseAccess.from_output,
    "traffic": traffic_from,
}
SLOTS = {"docker": DockerSlots.from_output, "fargate": FargateSlots.from_output}


def differences(value: Any, pinned: Any, where: str) -> list[str]:
    """How a value differs from its pinned shape, a line each; what has no value fits every shape but an object's."""
    if isinstance(pinned, dict):
        if not isinstance(value, Mapping) or value.keys() != pinned.keys():
            return [f"{where} is {value!r}, with {', '.join(pinned)} pinned: a new key is pinned in {HERE}"]
        return [line for name in pinned for line in differences(value[name], pinned[name], f"{where}.{name}")]
    if isinstance(pinned, list):
        return [line for each in value for line in differences(each, pinned[0], f"{where}[]")]
    if pinned is TEXTS:
        return [line for name in value for line in differences(value[name], str, f"{where}.{name}")]
    return [] if value is None or (type(value) is pinned) else [f"{where} is {value!r}, {pinned.__name__} pinned"]


@STACKS
def test_names_and_shapes_of_all_outputs_are_those_that_are_pinned(
    config: Mapping[str, str], pinned: dict[str, Any]
) -> None:
    assert differences(run(config).outputs, pinned, "outputs") == []


@STACKS
def test_every_object_among_the_outputs_is_one_of_the_shapes_that_others_read(
    config: Mapping[str, str], pinned: dict[str, Any]
) -> None:
    found = run(config).outputs
    objects = {name for name, shape in pinned.items() if isinstance(shape, dict)}
    shapes = SHAPES | ({"slots": SLOTS[found["traffic"]["runtime"]]} if "slots" in found else {})

    assert objects <= shapes.keys()
    for name in objects:
        assert shapes[name](found[name]).output() == found[name]


@pytest.mark.parametrize(
    "change",
    [
        {"flags_parameter": "/web-next-test/flags"},
        {"traffic": {"runtime": "docker", "container": "edge"}},
        {"schema": {"version": "6", "digest": "d"}},
        {"vault": {"REDIS_URL": 7}},
        {"release": None},
    ],
    ids=lambda change: next(iter(change)),
)
def test_an_output_that_changes_its_name_or_shape_is_found(change: dict[str, Any]) -> None:
    assert differences(run(DOCKER).outputs | change, ON_DOCKER, "outputs") != []


@pytest.mark.parametrize("config", [DOCKER, FARGATE], ids=["docker", "fargate"])
def test_each_tracks_app_is_told_its_own_flags_parameter(config: Mapping[str, str]) -> None:
    found = run(config).outputs
    parameters = found["flags_parameters"]

    assert found["slots"]["candidate"]["environment"]["FLAGS_PARAMETER"] == parameters["candidate"]
    assert parameters["candidate"] != parameters["stable"]
