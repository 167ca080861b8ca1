"""What the routes stand on: the four adapters, each mock or production, and what they share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

from webnext.contract.alerts import AlertAnswer, DeadLettersAnswer, QueueAnswer
from webnext.contract.audit import AuditEntryV1, AuditItem, ListAnswer, PushAnswer
from webnext.contract.evidence import ArchiveAnswer, ArchiveRequest, EvidenceAnswer, EvidenceRequest
from webnext.contract.guardrails import GuardrailsAnswer
from webnext.dependency import AwayError
from webnext.executor import Executor
from webnext.flags import Flags
from webnext.postgres import Postgres
from webnext.settings import Adapter, Settings
from webnext.vault import Vault


class CallerError(ValueError):
    """What its caller has to change, who is answered `status` and the message."""

    status = 422


class Part(Protocol):
    """What all adapters have."""

    adapter: Adapter

    async def open(self) -> None:
        """Start what runs beside the requests; returns at once, whether or not anything it depends on is there."""

    async def close(self) -> None:
        """Finish what has begun and stop."""

    async def ping(self) -> None:
        """Return when the production side does what its users need, proven by a write where they write, and did so at
        their last use. Raises AwayError within a second; always, on a mock."""


class Mock:
    """What all mocks share. `name` is the adapter's."""

    adapter: Adapter = "mock"
    name: str

    async def open(self) -> None:
        """Nothing to open."""

    async def close(self) -> None:
        """Nothing to close."""

    async def ping(self) -> NoReturn:
        raise AwayError(self.name, "the adapter is a mock")


class Audit(Part, Protocol):
    """The audit log and what stands in for it."""

    async def append(self, entry: AuditEntryV1, trace_id: str, key: str | None = None) -> PushAnswer:
        """Keep one entry, once for each `key`. `trace_id` is stored where the entry has none of its own.

        Raises AwayError where nothing could keep it, KeyReusedError where `key` is another entry's.
        """

    async def newest(self, limit: int, trace_id: str | None = None, after: str | None = None) -> ListAnswer:
        """The newest entries, of one trace where it is given, and of those `after` a list. Never raises for what is
        away."""

    def since(self, hours: int) -> AsyncIterator[AuditItem]:
        """Every entry of the last hours, oldest first, read as it is consumed. Raises AwayError, midway too."""


class KeyReusedError(CallerError):
    """An idempotency key came back with another entry."""

    status = 409


class Evidence(Part, Protocol):
    """Where evidence is uploaded."""

    async def grant(self, request: EvidenceRequest) -> EvidenceAnswer:
        """Addresses to put and get one object. Raises AwayError where no fallback has any."""

    async def archive(self, request: ArchiveRequest, trace_id: str) -> ArchiveAnswer:
        """Store an uploaded object's metadata beside it, once. Raises AwayError, NotUploadedError, ArchivedError, and
        TooLargeError where the object had to be removed."""


class NotUploadedError(CallerError):
    """There is no object under the key."""

    status = 404


class TooLargeError(CallerError):
    """The object under the key is larger than evidence may be."""

    status = 413


class ArchivedError(CallerError):
    """The object under the key has other metadata already."""

    status = 409


class Alerts(Part, Protocol):
    """The alert queues."""

    async def accept(self, alert: dict[str, Any], trace_id: str) -> AlertAnswer:
        """Take an alert for delivery. Raises AwayError where nothing could keep it."""

    async def counts(self) -> QueueAnswer:
        """What waits. Never raises for what is away."""

    async def dead_letters(self, offset: int, limit: int) -> DeadLettersAnswer:
        """A page of the dead letters, the newest first. Never raises for what is away."""

    async def retry(self, ids: Sequence[str] | None) -> tuple[list[str], int]:
        """Put dead letters back, those of `ids` or the oldest of all, to be delivered one after the other; the ids of
        those that were there, and how many of all are left. Raises AwayError where nothing was done."""

    async def purge(self) -> int:
        """Drop the dead letters; how many. Raises AwayError."""


class Guardrails(Part, Protocol):
    """The executor's guardrails."""

    async def read(self) -> GuardrailsAnswer:
        """Thresholds and last breach. Never raises for what is away."""


@dataclass(frozen=True, kw_only=True)
class Services:
    """Everything behind the routes of one process."""

    settings: Settings
    flags: Flags
    executor: Executor
    vault: Vault
    postgres: Postgres
    audit: Audit
    evidence: Evidence
    alerts: Alerts
    guardrails: Guardrails

    @property
    def parts(self) -> dict[str, Part]:
        """The adapters by the names that settings, healthz and metrics give them."""
        return {"audit": self.audit, "evidence": self.evidence, "queue": self.alerts, "guardrails": self.guardrails}

    async def open(self) -> None:
        """Start everything."""
        await self.flags.open()
        for part in self.parts.values():
            await part.open()

    async def close(self) -> None:
        """Stop everything, in the opposite order: the audit log last, the others write to it."""
        for part in reversed(self.parts.values()):
            await part.close()
        await self.flags.close()
        await self.executor.close()
