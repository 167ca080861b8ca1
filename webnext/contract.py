"""The API's data, as callers send and get it. Tolerant on the way in, one shape on the way out."""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictFloat,
    StrictInt,
    StrictStr,
    StringConstraints,
    model_validator,
)

MAX_DEPTH = 32
"""How deep `details` may be nested: far below what json and Postgres take, so that neither ever fails on it."""


_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def _storable(value: Any, depth: int = 0) -> Any:
    """Refuses what JSONB cannot hold: NUL, lone surrogates, numbers that are no numbers, and endless nesting."""
    if depth > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    if isinstance(value, str):
        if _UNSTORABLE.search(value):
            raise ValueError("holds a NUL or half a surrogate pair")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("holds a number that JSON has no word for")
    elif isinstance(value, dict):
        for key, inner in value.items():
            _storable(key, depth)
            _storable(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _storable(inner, depth + 1)
    return value


Responses = dict[int | str, dict[str, Any]]
"""What a route answers beside 200, as FastAPI documents it."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_storable)]
Storable = AfterValidator(_storable)


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = BeforeValidator(_whole)
"""Takes 5.0, which is a whole number in JSON, for a strict int."""
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
"""A JSON number, and nothing that could be read as one."""
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
"""What stands in keys and addresses: letters, digits, '.', '_' and '-', 100 at most."""


Mock = Annotated[bool, Field(serialization_alias="_mock", validation_alias=AliasChoices("_mock", "mock"))]
Err = Annotated[str, Field(serialization_alias="_err", validation_alias=AliasChoices("_err", "err"))]
_Absent = Field(exclude_if=lambda value: value is None)


class Request(BaseModel):
    """What callers send: unknown keys are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Answer(BaseModel):
    """What callers get. `_mock` is true where a fallback or a mock answered; `_err` says why in a clause."""

    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True)


class ErrorAnswer(Answer):
    """Every refusal, whatever its status."""

    err: Err
    traceId: str  # noqa: N815  (the contract's spelling)


class UnavailableAnswer(Answer):
    """Status 503: the request was not accepted; send it again later, a push under the same Idempotency-Key."""

    ok: Literal[False] = False
    err: Err
    mock: Mock = True
    traceId: str  # noqa: N815


# Audit


class AuditEntryV1(Request):
    """An audit entry, version 1.0.

    The server's clock gives the row its time; a caller's `timestamp` is kept inside the details. Where `traceId` is
    missing the request's own trace id is stored.
    """

    version: Literal["1.0"] = "1.0"
    action: Text
    result: Literal["ok", "err"]
    strategyId: Text | None = None  # noqa: N815
    traceId: Text | None = None  # noqa: N815
    timestamp: Annotated[StrictStr | StrictInt | StrictFloat | None, Storable] = None
    details: Annotated[str | dict[str, Any] | None, Storable] = None

    @property
    def stored_details(self) -> str | dict[str, Any] | None:
        """The details as they are stored: with a caller's timestamp an object that has it as "clientTimestamp"."""
        if self.timestamp is None:
            return self.details
        given = {"text": self.details} if isinstance(self.details, str) else self.details or {}
        return {**given, "clientTimestamp": self.timestamp}


class PushAnswer(Answer):
    """The entry is kept. `id` is the row's, or the entry's idempotency key while it waits behind a fallback.

    `_mock` is there, and true, only where a fallback or the mock took the entry; `via` then says which.
    """

    ok: Literal[True] = True
    id: int | str
    mock: Annotated[
        bool | None,
        Field(
            serialization_alias="_mock",
            validation_alias=AliasChoices("_mock", "mock"),
            exclude_if=lambda value: value is None,
        ),
    ] = None
    via: Annotated[Literal["executor", "spool", "mock"] | None, _Absent] = None


class ListRequest(Request):
    """`limit` is the number of items, 1 to 500; `traceId` keeps those of one trace."""

    limit: Annotated[int, Field(strict=True, ge=1, le=500), Whole] = 50
    traceId: Text | None = None  # noqa: N815


class AuditItem(Answer):
    """One row of the audit log."""

    id: int | str
    version: Literal["1.0"] = "1.0"
    ts: datetime
    action: str
    result: Literal["ok", "err"]
    strategyId: str | None = None  # noqa: N815
    traceId: str | None = None  # noqa: N815
    details: Any = None


class ListAnswer(Answer):
    """The newest entries first: Postgres' own, or with `_mock` what the executor or the mock has, or none."""

    mock: Mock
    items: list[AuditItem]


# Evidence

EvidenceKey = Annotated[
    str, StringConstraints(pattern=r"^evidence/[A-Za-z0-9][A-Za-z0-9._-]{0,99}/[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.zip$")
]
"""evidence/RUN-OR-JOB/NAME.zip: three parts, none of which is empty or starts with a dot, so that no key climbs."""


class EvidenceRequest(Request):
    """Names the run or the job that the evidence is of. `sizeBytes`, where given, is signed: no other size uploads."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"required": [name], "properties": {name: {"type": "string"}}} for name in ("runId", "jobId")]
        }
    )

    runId: Identifier | None = None  # noqa: N815
    jobId: Identifier | None = None  # noqa: N815
    sizeBytes: Annotated[int, Field(strict=True, ge=1, le=100 * 2**20), Whole] | None = None  # noqa: N815

    @model_validator(mode="after")
    def _named(self) -> EvidenceRequest:
        if not (self.runId or self.jobId):
            raise ValueError("runId or jobId is needed")
        return self


class EvidenceAnswer(Answer):
    """Where to PUT the zip and GET it again: each address is signed for its own method and ends at `expiresAt`."""

    ok: Literal[True] = True
    uploadUrl: str  # noqa: N815
    downloadUrl: str  # noqa: N815
    key: str
    expiresAt: datetime  # noqa: N815
    mock: Mock


class ArchiveRequest(Request):
    """Says of an uploaded object what it is. `key` is the one that /api/evidence/zip gave."""

    key: EvidenceKey
    runId: Identifier | None = None  # noqa: N815
    jobId: Identifier | None = None  # noqa: N815
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    metadata: Annotated[dict[str, Any], Storable] = Field(default_factory=dict)


class ArchiveAnswer(Answer):
    """`metadataKey` is the object beside the evidence that now holds its metadata."""

    ok: Literal[True] = True
    key: str
    metadataKey: str  # noqa: N815
    sizeBytes: int | None  # noqa: N815
    mock: Mock


# Alerts


class Alert(Request):
    """An alert to deliver: any JSON object; `title`, `severity` and `text` or `message` are what people read first."""

    model_config = ConfigDict(extra="allow", frozen=True, json_schema_extra={"minProperties": 1})

    title: Annotated[str, StringConstraints(max_length=500)] | None = None
    severity: Annotated[str, StringConstraints(max_length=50)] | None = None
    text: Annotated[str, StringConstraints(max_length=10_000)] | None = None
    message: Annotated[str, StringConstraints(max_length=10_000)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _holdable(cls, value: Any) -> Any:
        if not isinstance(value, dict) or not value:
            raise ValueError("an alert is a JSON object with at least one key")
        return _storable(value)


class AlertAnswer(Answer):
    """Status 202: the alert is kept and will be delivered at least once. `_mock` where a fallback or mock took it."""

    ok: Literal[True] = True
    jobId: str  # noqa: N815
    mock: Mock


class QueueAnswer(Answer):
    """What waits: `pending` counts waiting, delayed and active deliveries, `dlq` the dead letters."""

    pending: int
    dlq: int
    waiting: int
    active: int
    delayed: int
    oldestSec: float | None = None  # noqa: N815
    mock: Mock


class QueueRequest(Request):
    """{action: retry, jobId} puts a dead letter back, {action: purge_dlq} drops all of them."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {
                    "required": ["action", "jobId"],
                    "properties": {"action": {"const": "retry"}, "jobId": {"type": "string", "minLength": 1}},
                },
                {"required": ["action"], "properties": {"action": {"const": "purge_dlq"}}},
            ]
        }
    )

    action: Any = None
    jobId: Any = None  # noqa: N815


class QueueActionAnswer(Answer):
    """What was done: `moved` for retry, `purged` for purge_dlq, in jobs."""

    ok: Literal[True] = True
    action: Literal["retry", "purge_dlq"]
    moved: int = 0
    purged: int = 0


# Guardrails


class Breach(Answer):
    """One breach of a threshold, as the executor saw it."""

    id: str
    guardrail: str
    value: float
    threshold: float
    at: datetime
    strategyId: str | None = None  # noqa: N815


class Automation(Answer):
    """A flag's share in force (0 to 1), and the strategies it last moved: none since this process started where `at`
    is missing."""

    share: float
    at: Annotated[datetime | None, _Absent] = None
    strategies: list[str] = Field(default_factory=list)


class GuardrailsAnswer(Answer):
    """The thresholds in force (maxDrawdown and others, as shares) and the newest breach, from the executor."""

    mock: Mock
    thresholds: dict[str, float]
    lastBreach: Breach | None  # noqa: N815
    strategies: dict[str, int] = Field(default_factory=dict)
    """How many strategies are in each state: live, paused, paper."""
    autoPause: Annotated[Automation | None, _Absent] = None  # noqa: N815
    batchPromote: Annotated[Automation | None, _Absent] = None  # noqa: N815


# Snapshot and signals


class SnapshotRequest(Request):
    """`hours` back from now, 1 to 744 (31 days)."""

    format: Literal["csv"] = "csv"
    hours: Annotated[int, Field(strict=True, ge=1, le=744), Whole] = 24


class Indicators(Request):
    """Exponential moving averages, relative strength index (0 to 100), average true range."""

    ema_fast: Number
    ema_slow: Number
    rsi: Number = Field(ge=0, le=100)
    atr: Number = Field(ge=0)


class Features(Request):
    """What a model reads off the indicators."""

    crossover: Number
    momentum: Number
    volatility: Number


class SignalAudit(Request):
    """Where a signal came from."""

    traceId: Text  # noqa: N815
    buildSha: Text  # noqa: N815


def _text(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("an ISO 8601 time as text is needed")  # noqa: TRY004  (what pydantic understands)
    return value


class SignalData(Request):
    """The ML signal contract (playbook row 9): what a model sends with each signal."""

    timestamp: Annotated[datetime, BeforeValidator(_text, json_schema_input_type=datetime)]
    symbol: Text
    indicators: Indicators
    features: Features
    audit: SignalAudit


# Health


class MemoryCheck(Answer):
    """Not ok above nine tenths of the container's memory limit, where it has one."""

    ok: bool
    rssMiB: float  # noqa: N815


class UptimeCheck(Answer):
    ok: Literal[True] = True
    seconds: float


class AdapterCheck(Answer):
    """`ok` is false while the adapter's production side does not answer; a mock is never ok."""

    ok: bool
    adapter: Literal["mock", "production"]


class Checks(Answer):
    memory: MemoryCheck
    uptime: UptimeCheck
    audit: AdapterCheck
    evidence: AdapterCheck
    queue: AdapterCheck
    guardrails: AdapterCheck


class HealthAnswer(Answer):
    """`ok` is about this process alone; what it depends on shows in `checks`."""

    ok: bool
    buildSha: str  # noqa: N815
    environment: str
    uptimeSec: float  # noqa: N815
    version: str
    flags: dict[str, float | bool]
    checks: Checks
