"""The whole program, run as Pulumi runs it, against a recording engine."""

from __future__ import annotations

import gc
import json
import os
import runpy
from collections.abc import Iterator, Mapping

import pulumi
import pytest

from tests.unit.infra.recorder import DOCKER, FARGATE, Recorder


@pytest.fixture(autouse=True)
def _garbage_collected() -> Iterator[None]:
    """The program turns the collector off; the tests after it want it back."""
    yield
    gc.enable()


def run(monkeypatch: pytest.MonkeyPatch, config: Mapping[str, str]) -> pulumi.Output[dict[str, object]]:
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(dict(config)))
    monkeypatch.delenv("PULUMI_CONFIG_SECRET_KEYS", raising=False)
    runpy.run_path("__main__.py")
    root = pulumi.runtime.get_root_resource()
    assert root is not None
    return pulumi.Output.from_input(root.outputs)  # type: ignore[attr-defined, no-any-return, unused-ignore]


def test_every_resource_of_a_docker_stack_has_an_explicit_provider(
    engine: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    @pulumi.runtime.test
    def program() -> object:
        return run(monkeypatch, DOCKER)

    program()
    asked = [one for one in engine.registered if one.custom and not one.token.startswith("pulumi:providers:")]

    assert len(asked) > 30
    assert {one.token for one in asked if not one.provider} == {"pulumi-python:dynamic/web-next:Schema"}
    for one in asked:
        package = one.token.split(":")[0]
        assert package == "pulumi-python" or f"pulumi:providers:{package}::" in one.provider, one
