"""The parts of a stack as `__main__.py` puts them together, one by one or all at once."""

from __future__ import annotations

import json
import runpy
import sys
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from infra.audit import Audit, AuditArgs
from infra.audit_roles import AuditRoles, AuditRolesArgs
from infra.bastion import Bastion, BastionArgs
from infra.monitoring import Monitoring, MonitoringArgs
from infra.naming import Names
from infra.network import Network, NetworkArgs
from infra.queues import Queues, QueuesArgs
from infra.settings import notes
from infra.vault import Vault, VaultArgs
from tests.unit.infra import recorder
from tests.unit.infra.configs import ACCOUNT, FARGATE, REGION, STACK, changed, settings
from tests.unit.infra.recorder import Recording, recorded

PROGRAM = Path(__file__).parents[3] / "__main__.py"
BOOTSTRAP = PROGRAM.parent / "bootstrap"


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
        return Bastion("bastion", BastionArgs.of(self.names, self.network))

    @cached_property
    def queues(self) -> Queues:
        return Queues("queues", QueuesArgs.of(self.settings, self.names, self.network, self.vault))

    @cached_property
    def monitoring(self) -> Monitoring:
        return Monitoring("monitoring", MonitoringArgs.of(self.settings, self.names, self.audit, self.queues))


def declare(part: str, config: Mapping[str, str] = FARGATE, /, **changes: Any) -> Recording:
    """What one of :class:`Parts` declares, with what it stands on."""
    chosen = changed(config, **changes)
    return recorded((part, frozenset(chosen.items())), lambda: getattr(Parts(chosen), part))


def run(config: Mapping[str, str]) -> Recording:
    """What the whole program declares, run the way Pulumi does."""
    return recorded(frozenset(config.items()), lambda: program(config))


def program(config: Mapping[str, str]) -> None:
    """The whole program, for :func:`record`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PULUMI_CONFIG", json.dumps(dict(config)))
        patch.delenv("PULUMI_CONFIG_SECRET_KEYS", raising=False)
        patch.setattr(notes, "_require_listener", lambda _host, _port: None)  # test_settings_reading.py has real ones
        runpy.run_path(str(PROGRAM))


def bootstrap(
    github_provider: str = "true",
    region: str = REGION,
    hosted_zones: str = '["Z0123456789ABCDEFGHIJ"]',
    repository: str = "ours/cutover",
    evidence_buckets: str = "[]",
) -> Recording:
    """What the program declares that comes before every stack, in the account of the other configurations."""

    configuration = {
        "web-next:account": ACCOUNT,
        "web-next:region": region,
        "web-next:repository": repository,
        "web-next:githubProvider": github_provider,
        "web-next:hostedZones": hosted_zones,
        "web-next:evidenceBuckets": evidence_buckets,
    }

    def program() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PULUMI_CONFIG", json.dumps(configuration))
            patch.setattr(sys, "path", [*sys.path])
            runpy.run_path(str(BOOTSTRAP / "__main__.py"))

    return recorded((BOOTSTRAP, github_provider, region, hosted_zones, repository, evidence_buckets), program)


def arn_of(declared: Recording, token: str, name: str | None = None) -> str:
    """The ARN that the recorder gives a resource."""
    one = declared.one(token, name)
    return recorder.arn_of(token, one.name, one.inputs)


def stands_on(declared: Recording, *urns: str) -> set[str]:
    """These, what they belong to and depend on, and what that does."""
    by_urn, found, new = {one.urn: one for one in declared.registered}, set[str](), {*urns}
    while new:
        found |= new
        known = [by_urn[urn] for urn in new if urn in by_urn]
        new = {urn for one in known for urn in (one.parent, *one.depends_on)} - found
    return found
