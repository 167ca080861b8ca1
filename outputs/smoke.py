"""The outputs smoke_target and deployment_record: what is smoked, what is expected of it, where that is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from outputs.access import DatabaseAccess
from outputs.release import ReleaseSummary
from outputs.schema import AppliedSchema
from outputs.shape import Shape

Profile = Literal["full", "prod"]
CLOUDWATCH = "cloudwatch:"
"""What the address of metrics begins with where it is a namespace of CloudWatch's."""


class Criterion(StrEnum):
    """The nine Go/No-Go criteria by the playbook's names, in its order (row 7)."""

    HEALTH = "Health"
    AUDIT = "Audit Postgres"
    EVIDENCE = "Evidence S3"
    RATE_LIMIT = "Rate limit"
    GUARDRAILS = "Guardrails"
    QUEUE = "Queue stats"
    HEADERS = "Security headers"
    TRACE_COPY = "TraceId copy"
    BUILD = "Build SHA"


MUST_PASS = (
    Criterion.HEALTH,
    Criterion.AUDIT,
    Criterion.EVIDENCE,
    Criterion.RATE_LIMIT,
    Criterion.GUARDRAILS,
    Criterion.QUEUE,
)
"""Those without which the playbook has no GO."""


@dataclass(frozen=True, kw_only=True)
class EdgeSummary(Shape):
    """The edge as clients meet it: `authority`, a file, signed its certificate if none of the public ones did;
    requests are limited to `rate_per_minute` with `burst` for each client; `config` is the digest of nginx.conf.
    Proofs reach it at `address`, a host name or an IP address, under the name of `url`, wherever that name leads;
    without an address they go where it leads. There are at most `most` nginx, each with a limit of its own. Where a
    firewall stands before them, one address may send `firewall` requests in 300 s. Each answer's
    Strict-Transport-Security is `hsts`."""

    url: str
    address: str | None = None
    authority: str | None = None
    rate_per_minute: int
    burst: int
    config: str
    most: int = 1
    firewall: int | None = None
    hsts: str = "max-age=31536000"


@dataclass(frozen=True, kw_only=True)
class Places(Shape):
    """What of the base the proofs need that HTTP alone cannot give: where its data and metrics are. `emulator` is the
    API's address, `receiver` where alerts arrive and `grafana` a container, all on docker stacks alone; `account` owns
    the buckets. `database` is the audit database for its reader. `executor` is the origin that pages may connect to,
    `environment` the name by which the app knows the stack."""

    environment: str
    account: str
    region: str
    emulator: str | None = None
    evidence_bucket: str
    records_bucket: str
    database: DatabaseAccess
    metrics_url: str
    executor: str | None = None
    receiver: str | None = None
    grafana: str | None = None

    @property
    def namespace(self) -> str | None:
        """CloudWatch's namespace of the stack's metrics; None where Prometheus has them."""
        return self.metrics_url.removeprefix(CLOUDWATCH) if self.metrics_url.startswith(CLOUDWATCH) else None


@dataclass(frozen=True, kw_only=True)
class DockerProcesses(Shape):
    """The containers of the release."""

    runtime: Literal["docker"] = "docker"
    app: str
    worker: str


@dataclass(frozen=True, kw_only=True)
class FargateProcesses(Shape):
    """The services of the release in the cluster `cluster`, and the task definitions that were declared for them: what
    ECS has instead, it has put back. Cluster and definitions are ARNs."""

    runtime: Literal["fargate"] = "fargate"
    cluster: str
    app: str
    worker: str
    app_definition: str
    worker_definition: str


@dataclass(frozen=True, kw_only=True)
class Waiver(Shape):
    """A criterion that may fail until the end of the day `expires`, in UTC, because `owner` says so."""

    criterion: Criterion
    reason: str
    owner: str
    expires: date


@dataclass(frozen=True, kw_only=True)
class Rules(Shape):
    """What a verdict is made by: the criteria without which there is no GO, the minutes after which an observation
    does not count, and the waivers."""

    must_pass: Sequence[Criterion]
    max_age_minutes: int
    waivers: Sequence[Waiver] = ()


@dataclass(frozen=True, kw_only=True)
class SmokeTarget(ReleaseSummary):
    """What is smoked and what is expected of it: the content of the deployment record."""

    stack: str
    schema: AppliedSchema
    settings_digest: str
    edge: EdgeSummary
    places: Places
    processes: Annotated[DockerProcesses | FargateProcesses, Field(discriminator="runtime")]
    profile: Profile
    rules: Rules
    on_call: str | None = None


@dataclass(frozen=True, kw_only=True)
class RecordPlace(Shape):
    """Where the deployment record lies: bucket, key, and the version of the object."""

    bucket: str
    key: str
    version: str
