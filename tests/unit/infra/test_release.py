"""A release: what the app is told, nothing of it secret, nothing of it switched on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from infra import release
from infra.flags import Flags, FlagsArgs
from infra.release import Release, digest_of, environment_of, release_of, shared_environment
from infra.settings.keys import Settings
from outputs.release import Track
from tests.unit.infra.configs import DOCKER, FARGATE, NAMES, settings, without
from tests.unit.infra.recorder import record
from webnext.settings import FlagValues
from webnext.settings import Settings as AppSettings


def told(chosen: Settings) -> dict[str, str]:
    return environment_of(chosen, shared_environment(chosen, NAMES, chosen.track))


def suspicious(environment: dict[str, str]) -> Iterator[str]:
    """Names that the playbook's printenv check counts, and values that carry a credential."""
    for name, value in environment.items():
        if re.search("KEY|SECRET|PASSWORD", name):
            yield f"{name} is the name of a secret"
        if re.search(r"://[^/@\s]+:[^/@\s]*@|\bAKIA[0-9A-Z]{16}\b|-----BEGIN|\b(?:xox[bp]|ghp)[-_]", value):
            yield f"{name} carries a credential"


@pytest.mark.parametrize("config", [DOCKER, FARGATE], ids=["docker", "fargate"])
def test_nothing_secret_is_in_a_releases_environment(config: dict[str, str]) -> None:
    assert list(suspicious(told(settings(config)))) == []


@pytest.mark.parametrize(
    "environment",
    [
        {"GPG_KEY": "x"},
        {"AWS_ENDPOINT_URL_SECRETS_MANAGER": "x"},
        {"PGPASSWORD": "x"},
        {"AUDIT_DB_URL": "postgresql://" + "user:pass@pg-prod:5432/audit"},
        {"ID": "AKIA" + "A" * 16},
    ],
)
def test_that_check_sees_a_secret(environment: dict[str, str]) -> None:
    assert list(suspicious(environment))


def test_a_release_tells_the_app_the_playbooks_plain_settings() -> None:
    environment = told(settings(retentionDays="14"))

    assert environment == {
        "BUILD_SHA": "4f2c1d9",
        "VERSION": "1.5.1",
        "ENVIRONMENT": "test",
        "VAULT_PREFIX": "web-next-test/",
        "S3_BUCKET": "web-next-test-evidence-123456789012",
        "S3_REGION": "eu-central-1",
        "NEXT_PUBLIC_EXECUTOR_URL": "https://executor.web-next.test",
        "EVIDENCE_CLEANUP_RETENTION_DAYS": "14",
        "FEATURE_AUTO_PAUSE": "0",
        "FEATURE_BATCH_PROMOTE": "0",
        "ALERTS_CONSUME": "true",
        "FLAGS_PARAMETER": "/web-next-test/flags/stable",
        "ADAPTER_AUDIT": "production",
        "ADAPTER_EVIDENCE": "production",
        "ADAPTER_QUEUE": "production",
        "ADAPTER_GUARDRAILS": "production",
    }


@pytest.mark.parametrize("track", ["stable", "candidate"])
def test_an_app_is_told_where_spans_go_and_which_more_secrets_the_vault_has_and_none_of_them(track: Track) -> None:
    asked = settings(executorAuth="bearer", telemetry={"endpoint": "https://otel.web-next.test", "headers": "true"})
    plain, more = (shared_environment(one, NAMES, track) for one in (settings(), asked))

    assert dict(more.items() - plain.items()) == {
        "VAULT_ENTRIES": "EXECUTOR_TOKEN,OTLP_HEADERS",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "https://otel.web-next.test",
    }
    assert list(suspicious(more)) == []
    assert AppSettings.from_environment(more).vault_entries == ("EXECUTOR_TOKEN", "OTLP_HEADERS")


@pytest.mark.parametrize("adapter", ["audit", "evidence", "queue", "guardrails"])
def test_one_adapters_switch_changes_what_the_app_is_told_of_it_alone(adapter: str) -> None:
    real, mocked = (told(settings(adapters={adapter: mode})) for mode in ("production", "mock"))

    assert mocked.items() - real.items() == {(f"ADAPTER_{adapter.upper()}", "mock")}


@pytest.mark.parametrize("config", [DOCKER, FARGATE], ids=["docker", "fargate"])
def test_the_app_takes_every_variable_that_a_release_gives_it(config: dict[str, str]) -> None:
    given = told(settings(config, adapters={"queue": "mock"}))
    read = AppSettings.from_environment(given)

    assert (read.flags_parameter, read.executor_url) == (
        "/web-next-test/flags/stable",
        "https://executor.web-next.test",
    )
    assert read.adapters.model_dump() == settings(config, adapters={"queue": "mock"}).adapters.model_dump()


def test_only_stables_worker_delivers_before_it_has_read_its_flags() -> None:
    tracks = settings(), settings(track="candidate", base="local")

    assert [AppSettings.from_environment(told(each)).flags.ALERTS_CONSUME for each in tracks] == [True, False]


def test_without_an_executor_none_is_named_except_on_a_machine_its_double() -> None:
    aws = settings(without(FARGATE, "executorUrl"), adapters={"guardrails": "mock"})
    machine = settings(without(DOCKER, "executorUrl"))

    assert "NEXT_PUBLIC_EXECUTOR_URL" not in told(aws)
    assert told(machine)["NEXT_PUBLIC_EXECUTOR_URL"] == "http://10.213.7.12:3010"


def test_a_release_is_identified_by_its_summary() -> None:
    found: list[Release] = []
    record(lambda: found.append(release_of(settings(), {}, schema=7)))

    assert found[0].summary.output() == {
        "track": "stable",
        "image": settings().image,
        "build_sha": "4f2c1d9",
        "version": "1.5.1",
        "adapters": dict.fromkeys(("audit", "evidence", "queue", "guardrails"), "production"),
        "digest": digest_of(settings(), 7),
    }
    assert release.PORT == 3003


@pytest.mark.parametrize(
    "change",
    [
        {"image": "sha256:" + "d" * 64},
        {"version": "1.5.2"},
        {"buildSha": "0a1b2c3"},
        {"adapters": {"queue": "mock"}},
        {"workerCommand": ["worker"]},
        {"healthCommand": ["healthy"]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_each_thing_that_makes_a_release_changes_its_digest(change: dict[str, Any]) -> None:
    assert digest_of(settings(**change), 7) != digest_of(settings(), 7)


def test_the_schema_that_it_requires_changes_a_releases_digest() -> None:
    assert digest_of(settings(), 8) != digest_of(settings(), 7)


def test_a_release_has_the_same_digest_on_both_tracks_and_whatever_is_around_it() -> None:
    candidate = settings(track="candidate", base="local", edge={"burst": 20}, database={"storage": 40})

    assert digest_of(candidate, 7) == digest_of(settings(), 7)


def test_a_repositorys_name_does_not_make_another_release() -> None:
    assert digest_of(settings(FARGATE), 7) == digest_of(settings(), 7)


@pytest.mark.parametrize("queue", ["production", "mock"])
def test_nothing_is_on_before_a_rollout_but_a_worker_that_somebody_needs_and_later_values_stay(queue: str) -> None:
    chosen = settings(adapters={"queue": queue})
    declared = record(lambda: Flags("flags", FlagsArgs.of(chosen, NAMES)))
    parameters = declared.of("aws:ssm/parameter:Parameter")

    assert [one.inputs["name"] for one in parameters] == [
        "/web-next-test/flags/stable",
        "/web-next-test/flags/candidate",
    ]
    for parameter in parameters:
        started = FlagValues(ALERTS_CONSUME=parameter.name.endswith("-stable") or queue == "mock")
        assert json.loads(parameter.inputs["value"]) == started.model_dump()
        assert parameter.ignore_changes == ("value",)
