"""The deployment record: what it says, and that a NO-GO leaves it unwritten."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pulumi
import pytest

from cutover import smoke
from cutover.errors import NoGoError
from infra import deployment_record
from infra.deployment_record import DeploymentRecord, DeploymentRecordArgs
from infra.release import Release, release_of
from outputs.release import Track
from outputs.smoke import FargateProcesses
from tests.support.edge_double import TARGET
from tests.unit.infra.configs import settings
from tests.unit.infra.recorder import Recording, record

EDGE = {
    "url": "https://localhost:8450",
    "address": None,
    "authority": "ca.pem",
    "rate_per_minute": 60,
    "burst": 10,
    "hsts": "max-age=31536000",
    "config": "c",
}
EDGE_READ = EDGE | {"most": 1, "firewall": None}
RECORD = "aws:s3/bucketObjectv2:BucketObjectv2"


def declare_record(**changes: Any) -> DeploymentRecord:
    chosen = settings()
    args: dict[str, Any] = {
        "release": release_of(chosen, {}, schema=7),
        "schema": {"version": 1.0, "digest": "d"},
        "settings_digest": chosen.digest,
        "edge": EDGE,
        "places": TARGET.places.output(),
        "processes": TARGET.processes,
        "profile": chosen.profile,
        "rules": chosen.rules,
        "on_call": None,
        "smoked": True,
        "keep": False,
    }
    return DeploymentRecord("deployment", DeploymentRecordArgs(**{**args, **changes}))


def test_the_smoke_suite_runs_before_a_record_is_created_and_before_it_is_changed() -> None:
    written = record(declare_record).one(RECORD)

    assert written.before_create == ("smoke",)
    assert written.before_update == ("smoke",)


@pytest.mark.parametrize("smoked", [True, False])
def test_on_ecs_what_was_put_back_is_found_before_anything_is_smoked_or_recorded(
    monkeypatch: pytest.MonkeyPatch, smoked: bool
) -> None:
    on_ecs = FargateProcesses(cluster="c", app="a", worker="w", app_definition="a:1", worker_definition="w:1")
    declared = record(lambda: declare_record(processes=on_ecs, smoked=smoked))
    asked: list[Mapping[str, Any]] = []
    monkeypatch.setattr(smoke, "require_declared", asked.append)

    deployment_record._running(hook_arguments(declared))

    written = declared.one(RECORD)
    assert written.before_create == written.before_update == ("running", "smoke")[: 1 + smoked]
    assert asked == [json.loads(written.inputs["content"])]
    assert asked[0]["processes"] == on_ecs.output()


def test_a_record_goes_into_a_bucket_with_a_retention_with_the_checksum_that_s3_asks_for_there() -> None:
    assert record(declare_record).one(RECORD).inputs["checksumAlgorithm"] == "CRC32"


def test_a_record_says_what_was_deployed_and_what_smoke_needs_without_clock_or_names() -> None:
    written = record(declare_record).one(RECORD).inputs

    assert written["key"] == "deployments/stable.json"
    assert json.loads(written["content"]) == {
        "stack": "test",
        "track": "stable",
        "image": settings().image,
        "build_sha": "4f2c1d9",
        "version": "1.5.1",
        "adapters": dict.fromkeys(("audit", "evidence", "queue", "guardrails"), "production"),
        "digest": release_of(settings(), {}, schema=7).summary.digest,
        "schema": {"version": 1, "digest": "d"},
        "settings_digest": settings().digest,
        "edge": EDGE_READ,
        "places": TARGET.places.output(),
        "processes": TARGET.processes.output(),
        "profile": "full",
        "rules": settings().rules.output(),
        "on_call": None,
    }
    assert written["bucket"] == TARGET.places.records_bucket


def test_settings_may_have_a_record_written_unproven() -> None:
    written = record(lambda: declare_record(smoked=False)).one(RECORD)

    assert (written.before_create, written.before_update) == ((), ())


def of_track(track: Track) -> Release:
    release = release_of(settings(), {}, schema=7)
    return replace(release, summary=replace(release.summary, track=track))


def hook_arguments(declared: Recording) -> pulumi.ResourceHookArgs:
    inputs = declared.one(RECORD).inputs
    return pulumi.ResourceHookArgs(urn="urn", id="", name="deployment", type="t", new_inputs=inputs)


@pytest.mark.parametrize("track", ["stable", "candidate"])
def test_each_track_has_a_record_of_its_own(track: Track) -> None:
    declared = record(lambda: declare_record(release=of_track(track)))

    assert declared.one(RECORD).inputs["key"] == f"deployments/{track}.json"


def test_the_hook_smokes_what_is_about_to_be_recorded_and_fails_on_a_no_go(monkeypatch: pytest.MonkeyPatch) -> None:
    declared = record(declare_record)
    asked: list[Mapping[str, Any]] = []

    def refuse(target: Mapping[str, Any]) -> None:
        asked.append(target)
        raise NoGoError("NO-GO")

    monkeypatch.setattr(smoke, "require_go", refuse)

    with pytest.raises(NoGoError):
        deployment_record._smoke(hook_arguments(declared))
    assert asked == [json.loads(declared.one(RECORD).inputs["content"])]
