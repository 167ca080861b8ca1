"""A release: one image of the app with what it is told by its environment, the same in every runtime."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from infra.naming import Names
from infra.settings.keys import Settings
from outputs.release import ReleaseSummary, Track

PORT, METRICS_PORT = 3003, 9464
"""The ports that app and worker listen on (playbook row 5), and show their metrics on."""


@dataclass(frozen=True, kw_only=True)
class Release:
    """What runs in a slot: `summary` is what identifies it, and the stack output `release`. Nothing in `environment`
    is secret."""

    summary: ReleaseSummary
    environment: pulumi.Output[dict[str, str]]

    @property
    def track(self) -> Track:
        return self.summary.track

    @property
    def image(self) -> str:
        """A digest, or on docker stacks an image id."""
        return self.summary.image


def digest_of(settings: Settings, schema: int) -> str:
    """SHA-256 over what makes the release what it is, wherever and on which track it runs: image, version, commit,
    adapters, the schema version that it requires, and how its processes are started and asked."""
    release = {
        "image": settings.image.rpartition("@")[2],
        "version": settings.version,
        "buildSha": settings.build_sha,
        "adapters": settings.adapters.model_dump(),
        "schema": schema,
        "workerCommand": settings.worker_command,
        "healthCommand": settings.health_command,
    }
    return hashlib.sha256(json.dumps(release, sort_keys=True).encode()).hexdigest()


def shared_environment(settings: Settings, names: Names, track: Track) -> dict[str, str]:
    """What a base tells a track's release: where its data and vault are, and the track's own flags."""
    environment = {
        "ENVIRONMENT": names.stack,
        "VAULT_PREFIX": names.vault_prefix,
        "S3_BUCKET": names.bucket("evidence"),
        "S3_REGION": settings.region,
        "EVIDENCE_CLEANUP_RETENTION_DAYS": str(settings.retention_days),
        "FLAGS_PARAMETER": getattr(names.flags_parameters, track),
    }
    if settings.executor:
        environment["NEXT_PUBLIC_EXECUTOR_URL"] = settings.executor
    if settings.vault_entries:
        environment["VAULT_ENTRIES"] = ",".join(settings.vault_entries)
    if settings.telemetry.endpoint:
        environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = settings.telemetry.endpoint
    return environment


def environment_of(settings: Settings, shared: Mapping[str, str]) -> dict[str, str]:
    """What one release is told: what its settings say, on a base's `shared_environment`. Flags start at 0 and are
    changed by the flags parameter; a candidate's worker rests until it has read that it is to deliver."""
    return {
        **shared,
        "BUILD_SHA": settings.build_sha,
        "VERSION": settings.version,
        "FEATURE_AUTO_PAUSE": "0",
        "FEATURE_BATCH_PROMOTE": "0",
        "ALERTS_CONSUME": str(settings.track == "stable").lower(),
        **{f"ADAPTER_{name.upper()}": mode for name, mode in settings.adapters.model_dump().items()},
    }


def release_of(settings: Settings, shared: pulumi.Input[Mapping[str, str]], *, schema: int) -> Release:
    """The release that the settings describe, on a base's `shared_environment`; it requires the version `schema`."""
    return Release(
        summary=ReleaseSummary(
            track=settings.track,
            image=settings.image,
            build_sha=settings.build_sha,
            version=settings.version,
            adapters=settings.adapters.model_dump(),
            digest=digest_of(settings, schema),
        ),
        environment=pulumi.Output.from_input(shared).apply(lambda known: environment_of(settings, known)),
    )
