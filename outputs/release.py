"""The outputs release, smoke_target and deployment_record: what runs, what is expected of it, where that is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from outputs.schema import AppliedSchema
from outputs.shape import Shape

Track = Literal["stable", "candidate"]


@dataclass(frozen=True, kw_only=True)
class ReleaseSummary(Shape):
    """What identifies a release; `image` is a digest, or on docker stacks an image id."""

    track: Track
    image: str
    build_sha: str
    version: str


@dataclass(frozen=True, kw_only=True)
class EdgeSummary(Shape):
    """The edge as clients meet it: `authority`, a file, signed its certificate if none of the public ones did;
    requests are limited to `rate_per_minute` with `burst` for each client; `config` is the digest of nginx.conf."""

    url: str
    authority: str | None = None
    rate_per_minute: int
    burst: int
    config: str


@dataclass(frozen=True, kw_only=True)
class SmokeTarget(ReleaseSummary):
    """What is smoked and what is expected of it: the content of the deployment record."""

    stack: str
    schema: AppliedSchema
    settings_digest: str
    edge: EdgeSummary


@dataclass(frozen=True, kw_only=True)
class RecordPlace(Shape):
    """Where the deployment record lies: bucket, key, and the version of the object."""

    bucket: str
    key: str
    version: str
