"""What one process of web-next was started with: its environment, read once, checked, frozen."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

Adapter = Literal["mock", "production"]
Share = Annotated[float, Field(ge=0, le=1)]
Networks = tuple[IPv4Network | IPv6Network, ...]

_PREFIX = re.compile(r"[A-Za-z0-9_+=.@-][A-Za-z0-9/_+=.@-]*/")


class SettingsError(ValueError):
    """The environment breaks a rule; the message names every variable that does."""


class Adapters(BaseModel):
    """Which of the four adapters are real (playbook row 10)."""

    model_config = ConfigDict(frozen=True)

    audit: Adapter = "mock"
    evidence: Adapter = "mock"
    queue: Adapter = "mock"
    guardrails: Adapter = "mock"


class FlagValues(BaseModel):
    """The flags: two shares between 0 and 1, whether the clean-up job only says what it would delete, and whether the
    worker works."""

    model_config = ConfigDict(frozen=True)

    FEATURE_AUTO_PAUSE: Share = 0.0
    FEATURE_BATCH_PROMOTE: Share = 0.0
    EVIDENCE_CLEANUP_DRY_RUN: bool = False
    ALERTS_CONSUME: bool = True


class Settings(BaseModel):
    """The environment of one process. Nothing here is secret: secrets come from the vault at run time.

    `flags` are those in force until the parameter `flags_parameter` is first read. `redis_ca_file` is an authority
    beside the system's, for the queues. `retention_days` is how long the clean-up job keeps evidence. `edge_peers` are
    believed when they say whose a request is.
    """

    model_config = ConfigDict(frozen=True)

    build_sha: str = "unknown"
    version: str = "0.0.0"
    environment: str = "development"
    adapters: Adapters = Adapters()
    vault_prefix: str | None = None
    executor_url: str | None = None
    s3_bucket: str | None = None
    s3_region: str | None = None
    redis_ca_file: str | None = None
    flags: FlagValues = FlagValues()
    flags_parameter: str | None = None
    retention_days: int = 30
    metrics_port: int = 9464
    edge_peers: Networks = (IPv4Network("127.0.0.1/32"),)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Return the settings that `environ` describes; an empty value counts as missing.

        Raises SettingsError naming every variable that breaks its rule, not only the first.
        """
        read = _Reader(environ)
        adapters: dict[str, Any] = {name: read.choice(f"ADAPTER_{name.upper()}") for name in Adapters.model_fields}
        settings = cls(
            build_sha=environ.get("BUILD_SHA") or "unknown",
            version=environ.get("VERSION") or "0.0.0",
            environment=environ.get("ENVIRONMENT") or "development",
            adapters=Adapters.model_construct(**adapters),
            vault_prefix=read.vault_prefix("VAULT_PREFIX"),
            executor_url=read.origin("NEXT_PUBLIC_EXECUTOR_URL"),
            s3_bucket=environ.get("S3_BUCKET") or None,
            s3_region=environ.get("S3_REGION") or None,
            redis_ca_file=environ.get("REDIS_CA_FILE") or None,
            flags=FlagValues.model_construct(
                FEATURE_AUTO_PAUSE=read.share("FEATURE_AUTO_PAUSE"),
                FEATURE_BATCH_PROMOTE=read.share("FEATURE_BATCH_PROMOTE"),
                EVIDENCE_CLEANUP_DRY_RUN=read.truth("EVIDENCE_CLEANUP_DRY_RUN"),
                ALERTS_CONSUME=read.truth("ALERTS_CONSUME", "true"),
            ),
            flags_parameter=environ.get("FLAGS_PARAMETER") or None,
            retention_days=read.number("EVIDENCE_CLEANUP_RETENTION_DAYS", 30, 1, 3650),
            metrics_port=read.number("METRICS_PORT", 9464, 1, 65535),
            edge_peers=read.networks("EDGE_PEERS", "127.0.0.1/32"),
        )
        for adapter, needed, variable in (
            ("audit", settings.vault_prefix, "VAULT_PREFIX"),
            ("queue", settings.vault_prefix, "VAULT_PREFIX"),
            ("evidence", settings.s3_bucket, "S3_BUCKET"),
        ):
            if getattr(settings.adapters, adapter) == "production" and not needed:
                read.problems.append(f"ADAPTER_{adapter.upper()} is production and {variable} is missing: set it")
        if read.problems:
            raise SettingsError("; ".join(read.problems))
        return settings


class _Reader:
    """Reads variables one by one and collects what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def choice(self, name: str) -> str:
        value = self._environ.get(name) or "mock"
        if value not in get_args(Adapter):
            self.problems.append(f"{name} is {value!r}: an adapter is mock or production")
        return value

    def share(self, name: str) -> float:
        value = self._environ.get(name) or "0"
        try:
            share = float(value)
        except ValueError:
            share = -1
        if not 0 <= share <= 1:
            self.problems.append(f"{name} is {value!r}: a flag is a number between 0 and 1, for example 0.1")
        return share

    def truth(self, name: str, default: str = "false") -> bool:
        value = self._environ.get(name) or default
        if value not in ("true", "false"):
            self.problems.append(f"{name} is {value!r}: it is true or false")
        return value == "true"

    def number(self, name: str, default: int, least: int, most: int) -> int:
        value = self._environ.get(name) or str(default)
        if not (value.isascii() and value.isdigit() and least <= int(value) <= most):
            self.problems.append(f"{name} is {value!r}: it is a whole number from {least} to {most}")
            return default
        return int(value)

    def networks(self, name: str, default: str) -> Networks:
        value = self._environ.get(name) or default
        try:
            return tuple(ip_network(part.strip()) for part in value.split(","))
        except ValueError:
            self.problems.append(
                f"{name} is {value!r}: it is a comma list of addresses and networks, 10.0.0.0/24 for one"
            )
            return ()

    def vault_prefix(self, name: str) -> str | None:
        value = self._environ.get(name) or None
        if value and not _PREFIX.fullmatch(value):
            self.problems.append(f"{name} is {value!r}: it must be a name that ends in '/', for example web-next-prod/")
        return value

    def origin(self, name: str) -> str | None:
        value = self._environ.get(name) or None
        origin = _origin(value) if value else None
        if value and not origin:
            self.problems.append(
                f"{name} is {value!r}: "
                "it must be an http or https address without credentials, for example https://executor.example.com"
            )
        return origin


def _origin(url: str) -> str | None:
    """Return scheme, host and port of an http(s) address; None if it is none or carries credentials."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return None
    host = parts.hostname
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc:
        return None
    if not re.fullmatch(r"[a-z0-9.-]+", host):
        return None
    return f"{parts.scheme}://{host}{port}"
