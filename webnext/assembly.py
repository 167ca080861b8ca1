"""Puts the services of one process together, as its settings say."""

from __future__ import annotations

from webnext import aws
from webnext.alerts.mock import MockAlerts
from webnext.alerts.production import ProductionAlerts
from webnext.audit.mock import MockAudit
from webnext.audit.production import ProductionAudit
from webnext.audit.spool import Spool
from webnext.bucket import Bucket
from webnext.evidence.mock import MockEvidence
from webnext.evidence.production import S3Evidence
from webnext.executor import Bearer, Executor
from webnext.flags import Flags
from webnext.guardrails.autopilot import Autopilot
from webnext.guardrails.desk import Desk
from webnext.guardrails.mock import MockGuardrails
from webnext.guardrails.production import ProductionGuardrails
from webnext.postgres import Postgres
from webnext.services import Alerts, Audit, Evidence, Guardrails, Services
from webnext.settings import Settings
from webnext.vault import Vault


def vault_for(settings: Settings) -> Vault:
    """The vault under the settings' prefix; without one every secret is missing."""
    return Vault(settings.vault_prefix or "", lambda: aws.client("secretsmanager", settings.s3_region))


def services_for(settings: Settings) -> Services:
    """The services that the settings ask for. Nothing is connected before they are opened."""
    real = settings.adapters
    flags, vault = Flags(settings), vault_for(settings)
    executor = Executor(settings.executor_url, token=Bearer.of(settings, vault))
    postgres = Postgres(vault)
    bucket = settings.s3_bucket or ""  # Settings refuses production evidence without one
    audit: Audit = MockAudit(executor)
    if real.audit == "production":
        audit = ProductionAudit(postgres, executor, Spool(bucket, settings.s3_region) if bucket else None)
    evidence: Evidence = MockEvidence()
    if real.evidence == "production":
        evidence = S3Evidence(Bucket(bucket, settings.s3_region), executor)
    alerts: Alerts = MockAlerts()
    if real.queue == "production":
        alerts = ProductionAlerts(settings, vault, postgres)
    guardrails: Guardrails = MockGuardrails()
    if real.guardrails == "production":
        desk = Desk(executor)
        guardrails = ProductionGuardrails(desk, Autopilot(desk, flags, audit))
    return Services(
        settings=settings,
        flags=flags,
        executor=executor,
        vault=vault,
        postgres=postgres,
        audit=audit,
        evidence=evidence,
        alerts=alerts,
        guardrails=guardrails,
    )
