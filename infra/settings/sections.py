"""The sections of a stack's settings, one object of the stack file each."""

from __future__ import annotations

from datetime import date
from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from infra.settings import instance_classes as classes
from infra.settings.problems import SettingsError
from outputs.access import TUNNEL_PORT, Mode
from outputs.network import Network
from outputs.release import Adapter
from outputs.section import DIGEST, FORM, Line, Switch, known, like
from outputs.slots import EdgeLimits
from outputs.smoke import MUST_PASS, Criterion, Profile


def _no_truth(value: object) -> object:
    if isinstance(value, bool):
        raise PydanticCustomError("boolean", "a boolean is no number")
    return value


Whole = Annotated[int, BeforeValidator(_no_truth)]
"""A whole number; pydantic alone would read `true` as 1."""
Port = Annotated[Whole, Field(ge=1024, le=65535)]
ImageId = Annotated[str, like(DIGEST, "an image id, sha256:…")]


class MachineSettings(BaseModel):
    """Where a `docker` stack runs: written into the stack file by `make up`, never by hand."""

    model_config = FORM

    clone: Annotated[str, like(r"[0-9a-f]{8}", "8 hex digits")]
    emulator: Annotated[str, like(r"http://[0-9.]+:[0-9]+", "http://ADDRESS:PORT")]
    network: str
    metrics_network: str
    outside_network: str
    edge_address: IPv4Address
    stable_address: IPv4Address
    executor_address: IPv4Address
    candidate_address: IPv4Address
    candidate_worker_address: IPv4Address
    outside_address: IPv4Address
    reader_address: IPv4Address
    prometheus_address: IPv4Address
    edge_port: Port
    prometheus_port: Port
    edge_image: ImageId
    double_image: ImageId
    prometheus_image: ImageId
    reader_image: ImageId
    grafana_image: ImageId | None = None
    tls_folder: str

    @property
    def outside_gateway(self) -> str:
        """Where the edge sees every client of this machine come from."""
        return _gateway(self.outside_address)

    @property
    def metrics_gateway(self) -> str:
        """Where this machine itself is met on the metrics network."""
        return _gateway(self.prometheus_address)

    @property
    def authority(self) -> str:
        """The file of the authority that signed the edge's certificate."""
        return f"{self.tls_folder}/ca.pem"


def _gateway(address: IPv4Address) -> str:
    return str(IPv4Network(f"{address}/24", strict=False)[1])


def _database_class(name: str) -> str:
    if not name.startswith("db.") or classes.database_memory(name) is None:
        raise ValueError("no such class")
    return name


def _cache_node(name: str) -> str:
    if not name.startswith("cache.") or not classes.is_cache_node(name):
        raise ValueError("no such node type")
    return name


class DatabaseSettings(BaseModel):
    """The audit database's server, and how whoever deploys gets into it. Storage is in GiB."""

    model_config = FORM

    instance_class: Annotated[
        str,
        AfterValidator(_database_class),
        known(f"an RDS class of the families {classes.database_families()}, such as db.m7g.large"),
    ] = Field(default="db.t4g.small", alias="class")
    storage: Annotated[Whole, Field(ge=20, le=65536)] = 20
    max_storage: Annotated[Whole | None, Field(ge=22, le=65536)] = None
    multi_az: Switch = False
    backup_days: Annotated[Whole, Field(ge=1, le=35)] = 7
    major_upgrade: Switch = False
    writer_rotation: Annotated[Whole, Field(ge=0, le=1_000_000)] = 0
    access: Mode = "direct"
    tunnel_port: Port = TUNNEL_PORT
    client_groups: Annotated[
        list[Annotated[str, Field(pattern=r"^sg-[0-9a-f]+$")]], known("a list of security group ids, sg-…")
    ] = []

    @property
    def tunnel(self) -> tuple[str, int] | None:
        """Host and port of this machine that cutover forwards to the database, where it is reached by a tunnel."""
        return ("127.0.0.1", self.tunnel_port) if self.access == "tunnel" else None


class QueuesSettings(BaseModel):
    """The Redis of the alert queues."""

    model_config = FORM

    node_type: Annotated[
        str,
        AfterValidator(_cache_node),
        known(f"an ElastiCache node type of the families {classes.cache_families()}, such as cache.m7g.large"),
    ] = "cache.t4g.small"
    replicas: Annotated[Whole, Field(ge=0, le=5)] = 0
    snapshot_days: Annotated[Whole, Field(ge=1, le=35)] = 7
    major_upgrade: Switch = False


class EdgeSettings(BaseModel):
    """nginx and what splits the traffic: whom it limits, believes and keeps on a track."""

    model_config = FORM

    rate_per_minute: Annotated[Whole, Field(ge=1, le=6000)] = 60
    burst: Annotated[Whole, Field(ge=0, le=1000)] = 10
    webhook_rate_per_minute: Annotated[Whole, Field(ge=1, le=6000)] = 120
    webhook_burst: Annotated[Whole, Field(ge=0, le=1000)] = 60
    pages_per_minute: Annotated[Whole, Field(ge=60, le=60_000)] = 1200
    requests: Annotated[Whole, Field(ge=20, le=2000)] = 100
    pinning: Literal["cookie", "none"] = "cookie"
    trusted_proxies: Annotated[list[Network], known("a list of networks, such as 10.42.8.0/22")] = []
    trusted_callers: Annotated[list[Network], known("a list of networks, such as 203.0.113.7/32")] = []
    image: str | None = None

    @property
    def limits(self) -> EdgeLimits:
        """What an address is held to beside the playbook's limit."""
        return EdgeLimits(
            webhook_per_minute=self.webhook_rate_per_minute,
            webhook_burst=self.webhook_burst,
            pages_per_minute=self.pages_per_minute,
            requests=self.requests,
        )

    def require_image(self) -> str:
        """nginx's image on AWS. Raises SettingsError where none is named."""
        if self.image is None:
            raise SettingsError("edge.image is not set: on fargate nginx runs beside the app; name its image by digest")
        return self.image


class WaiverSettings(BaseModel):
    """A criterion that may fail for a while."""

    model_config = FORM

    criterion: Criterion
    reason: Line
    owner: Line
    expires: Annotated[date, known("a date, YYYY-MM-DD")]


class SmokeSettings(BaseModel):
    """What a deployment is proven by, and what its verdict is made by."""

    model_config = FORM

    run: Switch = True
    profile: Annotated[Profile | None, known("full or prod")] = None
    must_pass: Annotated[list[Criterion], Field(min_length=1), known(f"a list of criteria: {', '.join(Criterion)}")] = (
        list(MUST_PASS)
    )
    max_age_minutes: Annotated[Whole, Field(ge=1, le=1440)] = 30
    waivers: Annotated[
        list[WaiverSettings], known("a list of objects of criterion, reason, owner, expires (a date, YYYY-MM-DD)")
    ] = []
    on_call: Line | None = None


class AdaptersSettings(BaseModel):
    """Which of the app's four adapters are real: the cutover from mock data, one by one (playbook row 10)."""

    model_config = FORM

    audit: Adapter = "production"
    evidence: Adapter = "production"
    queue: Adapter = "production"
    guardrails: Adapter = "production"

    @property
    def real(self) -> set[str]:
        """Those that are no mocks."""
        return {name for name, adapter in self if adapter == "production"}


class FargateSettings(BaseModel):
    """How the service runs on ECS Fargate: what each task gets, how many there are, and what leads to them."""

    model_config = FORM

    architecture: Literal["X86_64", "ARM64"] = "X86_64"
    # `pulumi config set --path` writes a text of digits as a number.
    cpu: Annotated[Literal["256", "512", "1024", "2048", "4096"], BeforeValidator(str)] = "512"
    memory: Annotated[Whole, Field(ge=512, le=30720)] = 1024
    tasks: Annotated[Whole, Field(ge=1, le=100)] = 2
    most_tasks: Annotated[Whole, Field(ge=1, le=400)] = 6
    worker_tasks: Annotated[Whole, Field(ge=1, le=100)] = 1
    hosted_zone_id: Annotated[str | None, like(r"Z[A-Z0-9]+", "a Route 53 hosted zone's id, Z…")] = None
    certificate_arn: Annotated[
        str | None, like(r"arn:aws:acm:[a-z0-9-]+:[0-9]{12}:certificate/[A-Za-z0-9-]+", "an ACM certificate's ARN")
    ] = None
    waf_requests: Annotated[Whole | None, Field(ge=10, le=2_000_000_000)] = None
    waf_managed: Literal["count", "block"] = "count"
