"""The one pool of a process. What it does with a server is proven in tests/engine/test_webnext_audit*.py."""

from __future__ import annotations

import asyncio

from webnext.alerts.production import ProductionAlerts
from webnext.assembly import services_for
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
