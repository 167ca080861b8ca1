"""A release: one image of the app with what it is told by its environment, the same in every runtime."""

from __future__ import annotations

from dataclasses import dataclass

from infra.naming import Names
from infra.settings import Settings

PORT = 3003
"""The port the app listens on (playbook row 5)."""


@dataclass(frozen=True, kw_only=True)
class Release:
    """What runs in a slot. `image` is a digest or an image id; nothing in `environment` is secret."""

    track: str
    image: str
    build_sha: str
    version: str
    environment: dict[str, str]

    @property
    def summary(self) -> dict[str, str]:
        """What identifies the release, under the names of the stack output `release`."""
        return {
            "track": self.track,
            "image": self.image,
            "build_sha": self.build_sha,
            "version": self.version,
        }


def release_of(settings: Settings, names: Names) -> Release:
    """The release that the settings describe. Flags start at 0 and are changed by the flags parameter."""
    environment = {
        "BUILD_SHA": settings.build_sha,
        "VERSION": settings.version,
        "ENVIRONMENT": names.stack,
        "VAULT_PREFIX": names.vault_prefix,
        "S3_BUCKET": names.bucket("evidence"),
        "S3_REGION": settings.region,
        "EVIDENCE_CLEANUP_RETENTION_DAYS": str(settings.retention_days),
        "FEATURE_AUTO_PAUSE": "0",
        "FEATURE_BATCH_PROMOTE": "0",
        "FLAGS_PARAMETER": names.flags_parameter,
        **{f"ADAPTER_{name.upper()}": mode for name, mode in settings.adapters.model_dump().items()},
    }
    if settings.executor:
        environment["NEXT_PUBLIC_EXECUTOR_URL"] = settings.executor
    return Release(
        track=settings.track,
        image=settings.image,
        build_sha=settings.build_sha,
        version=settings.version,
        environment=environment,
    )
