"""Puts the services of one process together, as its settings say."""

from __future__ import annotations

from webnext.alerts.mock import MockAlerts
from webnext.alerts.production import production_alerts
from webnext.audit.mock import MockAudit
from webnext.audit.production import production_audit
from webnext.evidence.mock import MockEvidence
from webnext.evidence.production import production_evidence
from webnext.executor import Executor
from webnext.flags import Flags
from webnext.guardrails.mock import MockGuardrails
from webnext.guardrails.production import production_guardrails
from webnext.postgres import Postgres
from webnext.services import Audit, Services
from webnext.settings import Settings
from webnext.vault import Vault, secrets_manager


def vault_for(settings: Settings) -> Vault:
    """The vault under the settings' prefix; without one every secret is missing."""
    return Vault(settings.vault_prefix or "", lambda: secrets_manager(settings.s3_region))


def services_for(settings: Settings) -> Services:
    """The services that the settings ask for. Nothing is connected before they are opened."""
    real = settings.adapters
    flags, executor = Flags(settings), Executor(settings.executor_url)
    vault = vault_for(settings)
    postgres = Postgres(vault)
    audit: Audit = MockAudit()
    if real.audit == "production":
        audit = production_audit(settings, postgres, executor)
    return Services(
        settings=settings,
        flags=flags,
        executor=executor,
        vault=vault,
        postgres=postgres,
        audit=audit,
        evidence=production_evidence(settings, executor) if real.evidence == "production" else MockEvidence(),
        alerts=production_alerts(settings, vault, postgres) if real.queue == "production" else MockAlerts(),
        guardrails=(
            production_guardrails(executor, flags, audit) if real.guardrails == "production" else MockGuardrails()
        ),
    )
