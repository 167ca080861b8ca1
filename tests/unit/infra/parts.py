"""The parts of a stack as `__main__.py` puts them together, one by one or all at once."""

from __future__ import annotations

import json
import runpy
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pulumi
import pytest

from infra import config as stack_config
from infra.audit import Audit, AuditArgs
from infra.audit_roles import AuditRoles, AuditRolesArgs
from infra.bastion import Bastion, BastionArgs
from infra.monitoring import Monitoring, MonitoringArgs
from infra.naming import Names
from infra.network import Network, NetworkArgs
from infra.queues import Queues, QueuesArgs
from infra.vault import Vault, VaultArgs
from tests.unit.infra.recorder import FARGATE, STACK, finish, settings

PROGRAM = Path(__file__).parents[3] / "__main__.py"


class Parts:
    """Components of one stack, declared on first use together with those that they stand on."""

    def __init__(self, config: Mapping[str, str] = FARGATE, /, **changes: Any) -> None:
        self.settings = settings(config, **changes)
        self.names = Names.of(self.settings, STACK)

    @cached_property
    def network(self) -> Network:
        return Network("network", NetworkArgs.of(self.settings, self.names))

    @cached_property
    def vault(self) -> Vault:
        return Vault("vault", VaultArgs.of(self.settings, self.names))

    @cached_property
    def audit(self) -> Audit:
        return Audit("audit", AuditArgs.of(self.settings, self.names, self.network, self.vault))

    @cached_property
    def roles(self) -> AuditRoles:
        return AuditRoles("audit-roles", AuditRolesArgs.of(self.settings, self.audit, self.vault))

    @cached_property
    def bastion(self) -> Bastion:
        return Bastion("bastion", BastionArgs(names=self.names, network=self.network))

    @cached_property
    def queues(self) -> Queues:
        return Queues("queues", QueuesArgs.of(self.settings, self.names, self.network, self.vault))

    @cached_property
    def monitoring(self) -> Monitoring:
        return Monitoring("monitoring", MonitoringArgs.of(self.settings, self.names, self.audit, self.queues))


def declare(part: str, config: Mapping[str, str] = FARGATE, /, **changes: Any) -> None:
    """Declares one of :class:`Parts` and waits until everything in it is registered."""
    finish(lambda: getattr(Parts(config, **changes), part))


def run(monkeypatch: pytest.MonkeyPatch, config: Mapping[str, str]) -> dict[str, Any]:
    """Runs the whole program to its end, the way Pulumi does, and returns the stack's outputs."""
    monkeypatch.setenv("PULUMI_CONFIG", json.dumps(dict(config)))
    monkeypatch.delenv("PULUMI_CONFIG_SECRET_KEYS", raising=False)
    monkeypatch.setattr(stack_config, "_require_listener", lambda _host, _port: None)  # test_config.py has real ones
    outputs: dict[str, Any] = {}

    def program() -> pulumi.Output[None]:
        runpy.run_path(str(PROGRAM))
        root: Any = pulumi.runtime.get_root_resource()
        return pulumi.Output.all(**root.outputs).apply(outputs.update)

    finish(program)
    return outputs
