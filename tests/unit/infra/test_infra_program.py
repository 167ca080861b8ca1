"""The whole program, run as Pulumi runs it, against a recording engine."""

from __future__ import annotations

import gc
import json
import runpy
from collections.abc import Iterator, Mapping
from typing import Any

import pulumi
import pytest

from tests.unit.infra.recorder import DOCKER, FARGATE, Recorder, finish

SCHEMA = "pulumi-python:dynamic/web-next:Schema"


@pytest.fixture(autouse=True)
def _garbage_collected() -> Iterator[None]:
    """The program turns the collector off; the tests after it want it back."""
    yield
    gc.enable()


def run(monkeypatch: pytest.MonkeyPatch, config: Mapping[str, str]) -> dict[str, Any]:
    """Runs the program to its end and returns the stack's outputs."""
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(dict(config)))
    monkeypatch.delenv("PULUMI_CONFIG_SECRET_KEYS", raising=False)
    outputs: dict[str, Any] = {}

    def program() -> pulumi.Output[None]:
        runpy.run_path("__main__.py")
        root: Any = pulumi.runtime.get_root_resource()
        return pulumi.Output.all(**root.outputs).apply(outputs.update)

    finish(program)
    return outputs


def test_every_resource_of_a_docker_stack_has_an_explicit_provider(
    engine: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(monkeypatch, DOCKER)
    asked = [one for one in engine.registered if one.custom and not one.token.startswith("pulumi:providers:")]

    assert len(asked) > 30
    assert {one.token for one in asked if not one.provider} == {SCHEMA}, "only what needs no plugin"
    for one in asked:
        package = one.token.split(":")[0]
        assert one.token == SCHEMA or f"pulumi:providers:{package}::" in one.provider, one


def test_no_two_resources_share_type_name_and_parent(engine: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    run(monkeypatch, DOCKER)
    identities = [(one.parent, one.token, one.name) for one in engine.registered]

    assert len(set(identities)) == len(identities)


def test_a_docker_stack_has_the_outputs_that_others_rely_on(engine: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs = run(monkeypatch, DOCKER)

    assert outputs["edge_url"] == "https://localhost:8450"
    assert outputs["slots"] == {"stable": "10.213.7.11:3003", "candidate": None}
    assert outputs["evidence_bucket"] == "web-next-test-evidence-111122223333"
    assert outputs["records_bucket"] == "web-next-test-records-111122223333"
    assert outputs["evidence_policy_role"] == "web-next-test"
    assert outputs["audit_db_endpoint"] == "10.213.7.64:20000"
    assert outputs["redis_endpoint"] == "10.213.7.65:6379"
    assert set(outputs["vault"]) == {"AUDIT_DB_MASTER_URL", "AUDIT_DB_OWNER_URL", "AUDIT_DB_URL"}
    assert outputs["smoke_target"]["edge"]["url"] == outputs["edge_url"]
    assert outputs["deployment_record"]["key"] == "deployments/stable.json"
    assert outputs["release"]["version"] == "1.5.1"


def test_no_output_of_a_stack_holds_a_generated_password(engine: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "generated-" not in json.dumps(run(monkeypatch, DOCKER))


def test_every_generated_password_is_a_secret_input_wherever_it_goes(
    engine: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(monkeypatch, DOCKER)
    reached = [
        (one, name) for one in engine.registered for name, value in one.inputs.items() if "generated-" in repr(value)
    ]

    assert len(reached) >= 7
    assert not [(one.name, name) for one, name in reached if name not in one.secrets]


def test_a_fargate_preview_declares_the_data_layer_and_no_container(
    engine: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: True)
    outputs = run(monkeypatch, FARGATE)

    assert not engine.of("docker:index/container:Container")
    assert engine.one("aws:rds/instance:Instance").protect
    assert "deployment_record" not in outputs


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({**DOCKER, "web-next:account": "12"}, "it must be an account id, 12 digits"),
        (FARGATE, "this version can only preview"),
    ],
)
def test_settings_that_are_refused_stop_the_program_before_anything_is_declared(
    engine: Recorder, monkeypatch: pytest.MonkeyPatch, config: dict[str, str], text: str
) -> None:
    with pytest.raises(pulumi.RunError, match=text):
        run(monkeypatch, config)
    assert engine.registered == []
