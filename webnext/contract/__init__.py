"""The API's data, as callers send and get it. Tolerant on the way in, one shape on the way out."""

from webnext.contract.alerts import Alert, AlertAnswer, QueueActionAnswer, QueueAnswer, QueueRequest
from webnext.contract.audit import MAX_DETAILS, AuditEntryV1, AuditItem, ListAnswer, ListRequest, PushAnswer
from webnext.contract.base import ErrorAnswer, Identifier, Request, Responses, Text, UnavailableAnswer
from webnext.contract.evidence import ArchiveAnswer, ArchiveRequest, EvidenceAnswer, EvidenceRequest
from webnext.contract.guardrails import Automation, Breach, GuardrailsAnswer
from webnext.contract.health import AdapterCheck, Checks, HealthAnswer, MemoryCheck, UptimeCheck
from webnext.contract.signals import SignalData
from webnext.contract.snapshot import SnapshotRequest

__all__ = [
    "MAX_DETAILS",
    "AdapterCheck",
    "Alert",
    "AlertAnswer",
    "ArchiveAnswer",
    "ArchiveRequest",
    "AuditEntryV1",
    "AuditItem",
    "Automation",
    "Breach",
    "Checks",
    "ErrorAnswer",
    "EvidenceAnswer",
    "EvidenceRequest",
    "GuardrailsAnswer",
    "HealthAnswer",
    "Identifier",
    "ListAnswer",
    "ListRequest",
    "MemoryCheck",
    "PushAnswer",
    "QueueActionAnswer",
    "QueueAnswer",
    "QueueRequest",
    "Request",
    "Responses",
    "SignalData",
    "SnapshotRequest",
    "Text",
    "UnavailableAnswer",
    "UptimeCheck",
]
