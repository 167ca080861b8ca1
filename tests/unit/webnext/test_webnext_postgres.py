"""The one pool of a process. What it does with a server is proven in tests/engine/test_webnext_audit*.py."""

from __future__ import annotations

import asyncio

from prometheus_client import REGISTRY

from webnext import metrics
from webnext.alerts.production import ProductionAlerts
from webnext.assembly import services_for
from webnext.audit import production
from webnext.audit.production import ProductionAudit
from webnext.settings import Adapters, Settings


def test_audit_log_and_outbox_share_one_pool_which_ends_with_the_last_of_them() -> None:
    async def run() -> list[bool]:
        services = services_for(
            Settings(vault_prefix="test/", adapters=Adapters(audit="production", queue="production"))
        )
        audit, alerts, pool = services.audit, services.alerts, services.postgres._pool
        assert isinstance(audit, ProductionAudit)
        assert isinstance(alerts, ProductionAlerts)
        assert audit._postgres is alerts._postgres is services.postgres
        seen = [pool.closed]
        await audit.open()
        await alerts.open()
        await alerts.close()
        seen.append(pool.closed)
        await audit.close()
        return [*seen, pool.closed]

    assert asyncio.run(run()) == [True, False, True]


def test_an_app_that_starts_shows_the_figures_that_gates_look_for_before_an_entry_has_come() -> None:
    metrics.AUDIT_INSERTS.clear()
    metrics.AUDIT_WRITE.clear()
    production._figures.cache_clear()

    async def run() -> None:
        audit = services_for(Settings(vault_prefix="test/", adapters=Adapters(audit="production"))).audit
        await audit.open()
        await audit.close()

    asyncio.run(run())
    for traffic in ("user", "smoke"):
        inserts = {"store": "postgres", "traffic": traffic}
        assert REGISTRY.get_sample_value("web_next_audit_inserts_total", inserts) == 0
        assert REGISTRY.get_sample_value("web_next_audit_write_duration_seconds_count", {"traffic": traffic}) == 0
