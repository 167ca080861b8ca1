"""What one process of web-next was started with: its environment, read once, checked, frozen."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, ValidationError

Adapter = Literal["mock", "production"]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Truth = Annotated[StrictBool, BeforeValidator(lambda given: {"true": True, "false": False}.get(given, given))]
Networks = tuple[IPv4Network | IPv6Network, ...]
Entry = Literal["EXECUTOR_TOKEN", "OTLP_HEADERS"]
"""A secret that not every vault has."""

_PREFIX = re.compile(r"[A-Za-z0-9_+=.@-][A-Za-z0-9/_+=.@-]*/")
_HOST = re.compile(r"[a-z0-9.-]+")


class SettingsError(ValueError):
    """The environment breaks a rule; the message names every variable that does."""


def _prefix(name: str) -> str:
    if not _PREFIX.fullmatch(name):
        raise ValueError("it must be a name that ends in '/', for example web-next-prod/")
    return name


def _origin(url: str) -> str:
    """Scheme, host and port of an http(s) address."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:  # which quotes a part
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or "@" in parts.netloc or not _HOST.fullmatch(parts.hostname or ""):
        raise ValueError(
            "it must be an http or https address without credentials, such as https://executor.example.com"
        )
    return f"{parts.scheme}://{parts.hostname}{port}"


def _parts(given: Any) -> Any:
    return tuple(part.strip() for part in given.split(",")) if isinstance(given, str) else given


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
    EVIDENCE_CLEANUP_DRY_RUN: Truth = False
    ALERTS_CONSUME: Truth = True


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
    vault_prefix: Annotated[str, AfterValidator(_prefix)] | None = None
    vault_entries: Annotated[tuple[Entry, ...], BeforeValidator(_parts)] = ()
    executor_url: Annotated[str, AfterValidator(_origin)] | None = None
    s3_bucket: str | None = None
    s3_region: str | None = None
    redis_ca_file: str | None = None
    flags: FlagValues = FlagValues()
    flags_parameter: str | None = None
    retention_days: Annotated[int, Field(ge=1, le=3650)] = 30
    metrics_port: Annotated[int, Field(ge=1, le=65535)] = 9464
    edge_peers: Annotated[Networks, BeforeValidator(lambda given: tuple(map(ip_network, _parts(given))))] = (
        IPv4Network("127.0.0.1/32"),
    )

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Return the settings that `environ` describes; an empty value counts as missing.

        Raises SettingsError naming every variable that breaks its rule, not only the first.
        """

        def told(fields: Iterable[str], *section: str) -> dict[str, Any]:
            return {name: text for name in fields if (text := environ.get(_variable(*section, name)))}

        sections = {
            "adapters": told(Adapters.model_fields, "adapters"),
            "flags": told(FlagValues.model_fields, "flags"),
        }
        problems = {
            name: f"{environ[name]} and {needed} is missing: set it"
            for name, needed in _NEEDS
            if environ.get(name, "mock") not in ("", "mock") and not environ.get(needed)
        }
        try:
            settings = cls.model_validate(told(cls.model_fields.keys() - sections) | sections)
        except ValidationError as error:
            for problem in error.errors():
                name = _variable(*map(str, problem["loc"]))
                seen = environ[name].rpartition("@")  # what is before may be credentials
                problems[name] = f"{'***@' * bool(seen[1]) + seen[2]!r}: {problem['msg'].removeprefix('Value error, ')}"
        if problems:
            raise SettingsError("; ".join(f"{name} is {problem}" for name, problem in problems.items()))
        return settings


_NEEDS = (
    ("ADAPTER_AUDIT", "VAULT_PREFIX"),
    ("ADAPTER_QUEUE", "VAULT_PREFIX"),
    ("ADAPTER_EVIDENCE", "S3_BUCKET"),
    ("VAULT_ENTRIES", "VAULT_PREFIX"),
)
"""What a variable is of no use without, unless it says mock."""


def _variable(field: str, part: str = "", *_: str) -> str:
    """The variable that a field is read from, or a part of one that is an object."""
    names = {"executor_url": "NEXT_PUBLIC_EXECUTOR_URL", "retention_days": "EVIDENCE_CLEANUP_RETENTION_DAYS"}
    inside = {"adapters": f"ADAPTER_{part.upper()}", "flags": part}
    return inside.get(field) or names.get(field) or field.upper()
