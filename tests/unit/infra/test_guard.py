"""The guards in the program: what waits for them, what they are told, and when they ask."""

from __future__ import annotations

from typing import Any

import pytest

from cutover import rollout
from cutover.errors import RefusedError
from infra.guard import _AfterProvider, _BeforeProvider
from tests.unit.infra.configs import BASE, DOCKER, FARGATE, changed, without
from tests.unit.infra.parts import run
from tests.unit.infra.recorder import Recording

BEFORE, AFTER = (f"pulumi-python:dynamic/web-next:{name}" for name in ("UpdateGuard", "RemovalGuard"))
CANARY = changed(without(FARGATE, "zones"), track="candidate", base="prod", rollout={"mayReplace": "0a1b2c3d4e5f6789"})
TOLD = {"track": "candidate", "release": "d1"}


@pytest.fixture
def canary() -> Recording:
    return run(CANARY)


def test_all_of_a_candidate_waits_for_a_guard_that_has_its_inputs(canary: Recording) -> None:
    guards = {one.name: one for one in canary.of(BEFORE)}
    around = {canary.one(f"web-next:fargate:{kind}").urn for kind in ("Candidate", "StandingAlarms")}
    parts = [one for one in canary.registered if one.custom and one.parent in around and one.token != BEFORE]

    scaling = {"aws:appautoscaling/target:Target", "aws:appautoscaling/policy:Policy"}
    services = {"aws:ecs/taskDefinition:TaskDefinition", "aws:ecs/service:Service"}
    assert {one.token for one in parts} == {*services, *scaling, "aws:cloudwatch/metricAlarm:MetricAlarm"}
    for one in parts:
        guard = guards.pop(f"{one.name}-{one.token.rpartition(':')[2].lower()}")
        assert guard.urn in one.depends_on
        assert {"family", "cluster", "resource_id", "threshold"} & guard.inputs["definition"].keys()
        assert len(guard.inputs["definition"]) == len(one.inputs)
    assert guards == {}


def test_the_guard_against_removal_comes_after_everything_of_the_candidate(canary: Recording) -> None:
    guard = canary.one(AFTER)
    others = {
        one.urn
        for one in canary.registered
        if one.custom and one.urn != guard.urn and ":providers:" not in one.token and ":pulumi:" not in one.token
        if one.token not in (BEFORE, "pulumi:pulumi:StackReference")
    }

    assert len(others) == 14, "a definition and a service of each, scaling in three, six alarms, the record"
    assert others <= guard.depends_on


def test_a_guard_is_told_who_knows_and_nothing_secret(canary: Recording) -> None:
    told = canary.one(AFTER).inputs["told"]

    assert [one.inputs["told"] for one in canary.of(BEFORE)] == [told] * 13
    assert told["traffic"] == BASE["traffic"]
    assert told["records_bucket"] == BASE["smoke_target"]["places"]["records_bucket"]
    assert (told["stack"], told["base"], told["track"]) == ("test", "prod", "candidate")
    assert told["may_replace"] == "0a1b2c3d4e5f6789"
    assert told["release"] == canary.outputs["release"]["digest"]
    secrets = [one.secrets for one in canary.registered if one.token in (BEFORE, AFTER)]
    assert secrets == [{"__provider"}] * 14


@pytest.mark.parametrize("config", [DOCKER, FARGATE], ids=["docker", "fargate"])
def test_a_base_asks_for_its_release_alone_and_no_guard_stands_against_its_end(config: dict[str, str]) -> None:
    declared = run(config)
    guard = declared.one(BEFORE)

    assert guard.inputs["definition"] == {}
    assert guard.inputs["told"]["release"] == declared.outputs["release"]["digest"]
    assert (guard.inputs["told"]["base"], guard.inputs["told"].get("traffic")) == ("test", None)
    assert declared.of(AFTER) == []


class Asked:
    """What cutover was asked, in place of it."""

    def __init__(self, patch: pytest.MonkeyPatch, why: str | None = None) -> None:
        self.how: list[dict[str, Any]] = []
        self.why = why
        patch.setattr(rollout, "objection", self)

    def __call__(self, told: Any, **how: Any) -> str | None:
        self.how.append(how)
        return self.why


def checked(olds: dict[str, Any], **news: Any) -> Any:
    return _BeforeProvider().check(olds, {"told": TOLD, "definition": {"image": "i"}, "preview": False, **news})


SAME = {"told": TOLD, "definition": {"image": "i"}}


def test_an_update_that_changes_nothing_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(monkeypatch, "no")

    assert checked(SAME).failures == []
    assert checked(SAME, told={**TOLD, "may_replace": "d1"}).failures == []
    assert asked.how == []


@pytest.mark.parametrize(
    "news", [{"definition": {"image": "j"}}, {"told": {**TOLD, "release": "d2"}}], ids=["definition", "release"]
)
@pytest.mark.parametrize("preview", [True, False])
def test_what_changes_is_asked_about_in_a_preview_and_in_an_update(
    monkeypatch: pytest.MonkeyPatch, news: dict[str, Any], preview: bool
) -> None:
    asked = Asked(monkeypatch, "it has traffic")
    (failure,) = checked(SAME, preview=preview, **news).failures

    assert failure.reason == "it has traffic"
    assert asked.how == [{"new": False, "preview": preview}]


def test_a_new_release_is_asked_about_as_that(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(monkeypatch)

    assert checked({}).failures == []
    assert asked.how == [{"new": True, "preview": False}]


def test_whether_it_was_a_preview_is_kept_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    Asked(monkeypatch)

    assert checked({}, preview=True).inputs == SAME
    assert not _BeforeProvider().diff("guard", SAME, checked(SAME).inputs).changes


def test_a_removal_that_is_refused_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(told: Any) -> None:
        raise RefusedError(f"no to {told['release']}")

    monkeypatch.setattr(rollout, "require_removable", refuse)
    with pytest.raises(RefusedError, match="no to d1"):
        _AfterProvider().delete("guard", SAME)
