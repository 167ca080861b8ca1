"""Shapes of outputs: what is written is what is read, through what Pulumi makes of it on the way."""

from __future__ import annotations

from dataclasses import MISSING, fields
from datetime import date
from typing import Any

import pytest

from outputs.access import DatabaseAccess
from outputs.flags import FlagsParameters
from outputs.release import ReleaseSummary
from outputs.schema import AppliedSchema, applied_checksums
from outputs.shape import OutputError, Shape
from outputs.slots import (
    DockerPlace,
    DockerSlot,
    EdgeAccess,
    EdgeLimits,
    FargatePlace,
    FargateSlot,
    Scaling,
    SlotAlarms,
    SlotFiles,
    TaskEdge,
    TrackLogs,
)
from outputs.smoke import (
    Criterion,
    DockerProcesses,
    EdgeSummary,
    FargateProcesses,
    RecordPlace,
    Rules,
    SmokeTarget,
    Waiver,
)
from outputs.traffic import DockerTraffic, FargateTraffic, traffic_from
from tests.support.database_output import SCHEMA
from tests.support.edge_double import TARGET

EDGE = TaskEdge(
    edge_id="e",
    server_name="s",
    rate_per_minute=60,
    burst=10,
    limits=EdgeLimits(webhook_per_minute=120, webhook_burst=60, pages_per_minute=1200, requests=100),
    trusted_proxies=["10.0.0.0/20"],
    trusted_callers=["198.51.100.0/24"],
    access=EdgeAccess(console=["198.51.100.0/24"], webhook=["192.0.2.0/25"], audit_push=[]),
)
WAIVER = Waiver(criterion=Criterion.BUILD, reason="r", owner="o", expires=date(2027, 1, 31))
SHAPES: list[Shape] = [
    DatabaseAccess(mode="tunnel", endpoint="db:5432", secret_arn="a", region="r", bastion="b", local_port=15432),
    FlagsParameters(stable="/s", candidate="/c"),
    RecordPlace(bucket="b", key="k", version="v"),
    ReleaseSummary(track="candidate", image="i", build_sha="s", version="1", adapters={"audit": "mock"}, digest="d"),
    DockerProcesses(app="a", worker="w"),
    FargateProcesses(cluster="c", app="a", worker="w", app_definition="ad", worker_definition="wd"),
    Rules(must_pass=[Criterion.HEALTH], max_age_minutes=30, waivers=[WAIVER]),
    TARGET,
    AppliedSchema(version=6, digest="d"),
    DockerPlace(address="10.0.0.2:3003"),
    DockerSlot(address="a", worker="w", outside=False, environment={"A": "b"}, files=SlotFiles(volume="v", digest="d")),
    FargatePlace(target_group="t"),
    FargateSlot(
        region="r",
        cluster="c",
        subnets=["s"],
        security_group="g",
        target_group="t",
        execution_role="e",
        task_role="r",
        logs=TrackLogs(edge="e", app="a", worker="w"),
        ready_alarm="a",
        alarms=SlotAlarms(prefix="p", namespace="n", topic="t"),
        scaling=Scaling(least=2, most=6, label="l"),
        edge=EDGE,
        environment={"A": "b"},
    ),
    DockerTraffic(container="c", folder="f"),
    FargateTraffic(region="r", listener="l", stable="s", candidate="c"),
]


def as_pulumi_keeps_it(value: Any) -> Any:
    """Numbers as floats, and nothing where there is no value."""
    if isinstance(value, dict):
        return {key: as_pulumi_keeps_it(each) for key, each in value.items() if each is not None}
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: type(shape).__name__)
def test_a_shape_is_read_back_as_it_was_written(shape: Shape) -> None:
    read = type(shape).from_output(as_pulumi_keeps_it(shape.output()) | {"of a later revision": 1.0})

    assert read == shape
    assert repr(read) == repr(shape), "whole numbers are whole again"


@pytest.mark.parametrize(
    ("shape", "name"),
    [
        pytest.param(shape, field.name, id=f"{type(shape).__name__}.{field.name}")
        for shape in SHAPES
        for field in fields(shape)
        if field.default is MISSING
    ],
)
def test_a_field_that_is_missing_is_named(shape: Shape, name: str) -> None:
    left = {key: value for key, value in shape.output().items() if key != name}

    with pytest.raises(OutputError, match=rf"by another revision of the project \({name}: Field required\): use that"):
        type(shape).from_output(left)


@pytest.mark.parametrize("name", ["url", "rate_per_minute", "burst", "config"])
def test_a_part_that_is_missing_further_in_is_named_with_its_way(name: str) -> None:
    edge = {key: value for key, value in TARGET.edge.output().items() if key != name}

    with pytest.raises(OutputError, match=rf"\(edge\.{name}: Field required\)"):
        SmokeTarget.from_output(TARGET.output() | {"edge": edge})


@pytest.mark.parametrize("value", [60.5, "sixty", None, [60]])
def test_what_is_no_whole_number_is_refused(value: object) -> None:
    with pytest.raises(OutputError, match="burst: Input should be a valid integer"):
        EdgeSummary.from_output(TARGET.edge.output() | {"burst": value})


@pytest.mark.parametrize("value", [None, "text", [], 1.0])
def test_what_is_no_object_is_refused_in_a_line(value: object) -> None:
    with pytest.raises(OutputError) as refused:
        AppliedSchema.from_output(value)
    assert "\n" not in str(refused.value)


def test_a_refusal_does_not_repeat_what_was_put_out() -> None:
    with pytest.raises(OutputError) as refused:
        AppliedSchema.from_output({"version": "hunter2", "digest": 7})
    assert "hunter2" not in str(refused.value)


def test_traffic_is_read_by_its_runtime() -> None:
    docker, fargate = SHAPES[-2:]

    assert traffic_from(docker.output()) == docker
    assert traffic_from(fargate.output()) == fargate
    with pytest.raises(OutputError, match="does not match any of the expected tags: 'docker', 'fargate'"):
        traffic_from({"runtime": "kubernetes"})


def test_the_applied_migrations_are_those_of_the_schemas_resource() -> None:
    other = {"type": "aws:s3/bucket:Bucket", "inputs": {"checksums": {"001_other.sql": "c"}}}
    schema = {"type": SCHEMA, "inputs": {"checksums": {"001_one.sql": "a"}}}

    assert applied_checksums([other, schema]) == {"001_one.sql": "a"}
    assert applied_checksums([other, {"type": SCHEMA}, {"type": SCHEMA, "inputs": {}}]) == {}
