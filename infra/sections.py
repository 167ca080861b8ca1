"""The sections of a stack's settings: where it runs, what each task gets, its network, and which adapters are real."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from infra import subnets

SHA256 = r"sha256:[0-9a-f]{64}"
Adapter = Literal["mock", "production"]


def like(pattern: str, rule: str) -> Any:
    """A text that must match the whole pattern; `rule` is what a person is told."""
    return Field(pattern=f"^(?:{pattern})$", json_schema_extra={"rule": rule})


def known(rule: str) -> Any:
    """A value of any type whose rule its validators hold; `rule` is what a person is told."""
    return Field(json_schema_extra={"rule": rule})


Port = Annotated[int, Field(ge=1024, le=65535)]
ImageId = Annotated[str, like(SHA256, "an image id, sha256:…")]
SubnetIds = Annotated[
    list[Annotated[str, Field(pattern=r"^subnet-[0-9a-f]+$")]], known("a list of subnet ids, subnet-…")
]
FORM = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, hide_input_in_errors=True, strict=False)
"""Of every section: keys in camelCase, none unknown, nothing changed once read, no value shown in an error."""


class MachineSettings(BaseModel):
    """Where a `docker` stack runs: written into the stack file by `make up`, never by hand."""

    model_config = FORM

    clone: Annotated[str, like(r"[0-9a-f]{8}", "8 hex digits")]
    emulator: Annotated[str, like(r"http://[0-9.]+:\d+", "http://ADDRESS:PORT")]
    network: str
    edge_address: IPv4Address
    stable_address: IPv4Address
    executor_address: IPv4Address
    candidate_address: IPv4Address
    reader_address: IPv4Address
    prometheus_address: IPv4Address
    edge_port: Port
    prometheus_port: Port
    edge_image: ImageId
    prometheus_image: ImageId
    reader_image: ImageId
    grafana_image: ImageId | None = None
    tls_folder: str

    @property
    def gateway(self) -> str:
        """The emulator's address: where containers on the network see every client of this machine come from."""
        return str(urlsplit(self.emulator).hostname)

    @property
    def authority(self) -> str:
        """The file of the authority that signed the edge's certificate."""
        return f"{self.tls_folder}/ca.pem"


class AdaptersSettings(BaseModel):
    """Which of the app's four adapters are real: the cutover from mock data, one by one (playbook row 10)."""

    model_config = FORM

    audit: Adapter = "production"
    evidence: Adapter = "production"
    queue: Adapter = "production"
    guardrails: Adapter = "production"


class FargateSettings(BaseModel):
    """How the service runs on ECS Fargate: what each task gets, how many there are, and what leads to them."""

    model_config = FORM

    architecture: Literal["X86_64", "ARM64"] = "X86_64"
    cpu: Literal["256", "512", "1024", "2048", "4096"] = "512"
    memory: Annotated[int, Field(ge=512, le=30720)] = 1024
    tasks: Annotated[int, Field(ge=1, le=100)] = 2
    most_tasks: Annotated[int, Field(ge=1, le=400)] = 6
    worker_tasks: Annotated[int, Field(ge=1, le=100)] = 1
    hosted_zone_id: Annotated[str | None, like(r"Z[A-Z0-9]+", "a Route 53 hosted zone's id, Z…")] = None
    certificate_arn: Annotated[str | None, like(r"arn:aws:acm:\S+:certificate/\S+", "an ACM certificate's ARN")] = None
    waf_requests: Annotated[int, Field(ge=10, le=2_000_000)] = 300


class NetworkSettings(BaseModel):
    """A VPC of the stack's own in the range `cidr`, or, with `vpc_id` and its subnets' ids, one that exists."""

    model_config = FORM

    cidr: IPv4Network = IPv4Network("10.42.0.0/16")
    app_subnets: list[IPv4Network] = []
    data_subnets: list[IPv4Network] = []
    public_subnets: list[IPv4Network] = []
    nat: Literal["one", "per-zone"] = "one"

    vpc_id: Annotated[str | None, like(r"vpc-[0-9a-f]+", "a VPC's id, vpc-…")] = None
    app_subnet_ids: SubnetIds = []
    data_subnet_ids: SubnetIds = []
    public_subnet_ids: SubnetIds = []

    @property
    def given(self) -> subnets.Subnets:
        """The subnets' ranges by tier, as far as they are set."""
        return {"app": self.app_subnets, "data": self.data_subnets, "public": self.public_subnets}

    def subnets(self, zones: int) -> subnets.Subnets:
        """The subnets' ranges by tier: those given, else the range split."""
        return self.given if any(self.given.values()) else subnets.split(self.cidr, zones)
