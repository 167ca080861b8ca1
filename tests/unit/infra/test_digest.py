"""The settings' digest changes with each of them, and with nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic.alias_generators import to_camel

from infra.config import load
from infra.sections import AdaptersSettings, MachineSettings, NetworkSettings
from infra.settings import Settings
from tests.unit.infra.configs import DOCKER, FARGATE, MACHINE, OPERATORS, settings

SET: dict[str, Any] = {
    "account": "444455556666",
    "region": "eu-west-1",
    "zones": ["eu-central-1b", "eu-central-1c"],
    "domain": "other.web-next.test",
    "executorUrl": "https://other.web-next.test",
    "image": "sha256:" + "b" * 64,
    "buildSha": "fffffff",
    "version": "1.5.2",
    "ratePerMinute": "61",
    "burst": "11",
    "pinning": "none",
    "trustedProxies": ["10.9.0.0/16"],
    "trustedCallers": ["203.0.113.7/32"],
    "edgeImage": "nginx@sha256:" + "f" * 64,
    "workerCommand": ["node", "worker.js"],
    "healthCommand": ["node", "health.js"],
    "fargate": {"tasks": 3},
    "evidenceBucket": "other-evidence",
    "retentionDays": "31",
    "operatorRoles": OPERATORS[:1],
    "databaseClass": "db.t4g.large",
    "databaseStorage": "21",
    "databaseMaxStorage": "50",
    "databaseMultiAz": "true",
    "databaseBackupDays": "8",
    "databaseAccess": "later",
    "databaseTunnelPort": "15433",
    "databaseClientGroups": ["sg-0a"],
    "auditRetentionMonths": "24",
    "queueNodeType": "cache.t4g.medium",
    "queueReplicas": "1",
    "queueSnapshotDays": "8",
    "backupWindow": "01:00-02:30",
    "maintenanceWindow": "sat:03:00-sat:04:00",
    "applyImmediately": "true",
    "logDays": "60",
    "alarmTargets": ["on-call@web-next.test"],
    "mayDestroy": ["audit"],
    "machine": {**MACHINE, "edgePort": 8451},
}
"""Another value for every key of a docker stack."""
RANGES = {tier: [f"10.42.{n}.0/26", f"10.42.{n}.64/26"] for n, tier in enumerate(("app", "data", "public"))}
NETWORK: dict[str, dict[str, Any]] = {
    "cidr": {"cidr": "10.43.0.0/16"},
    "nat": {"nat": "per-zone"},
}
IDS = {f"{tier}SubnetIds": [f"subnet-{n}a", f"subnet-{n}b"] for n, tier in enumerate(RANGES)}
EXISTING: dict[str, Any] = {"vpcId": "vpc-0a", **IDS}


@pytest.mark.parametrize(
    "field", sorted(Settings.model_fields.keys() - {"track", "base", "runtime", "network", "adapters"})
)
def test_the_digest_changes_with_any_setting(field: str) -> None:
    key = to_camel(field)

    assert settings(**{key: SET[key]}).digest != settings().digest


@pytest.mark.parametrize("adapter", AdaptersSettings.model_fields)
def test_the_digest_changes_with_any_adapter(adapter: str) -> None:
    assert settings(adapters={adapter: "mock"}).digest != settings().digest


@pytest.mark.parametrize("key", sorted(NETWORK))
def test_the_digest_changes_with_any_setting_of_the_network(key: str) -> None:
    assert settings(network=NETWORK[key]).digest != settings().digest


@pytest.mark.parametrize("key", sorted(EXISTING))
def test_the_digest_changes_with_any_id_of_an_existing_vpc(key: str) -> None:
    other = "vpc-0b" if key == "vpcId" else ["subnet-9a", "subnet-9b"]

    assert settings(network={**EXISTING, key: other}).digest != settings(network=EXISTING).digest


@pytest.mark.parametrize("tier", sorted(RANGES))
def test_the_digest_changes_with_any_tiers_ranges(tier: str) -> None:
    given = {f"{other}Subnets": nets for other, nets in RANGES.items()}
    moved = {**given, f"{tier}Subnets": ["10.42.9.0/26", "10.42.9.64/26"]}

    assert settings(network=moved).digest != settings(network=given).digest


def test_those_are_all_the_networks_settings() -> None:
    assert {*NETWORK, *EXISTING, *(f"{tier}Subnets" for tier in RANGES)} == set(
        map(to_camel, NetworkSettings.model_fields)
    )


@pytest.mark.parametrize("key", sorted(map(to_camel, MachineSettings.model_fields)))
def test_the_digest_changes_with_any_fact_of_the_machine(key: str) -> None:
    others = {"clone": "ffffffff", "emulator": "http://10.9.9.9:1", "network": "n", "edgeAddress": "10.9.9.9"}
    others |= {"stableAddress": "10.9.9.9", "executorAddress": "10.9.9.9"}
    others |= {f"{part}Address": "10.9.9.9" for part in ("candidate", "reader", "prometheus")}
    others |= {f"{part}Image": "sha256:" + "d" * 64 for part in ("prometheus", "reader", "grafana")}
    others |= {"edgeImage": "sha256:" + "c" * 64, "tlsFolder": "t"}
    other: Any = 9999 if key.endswith("Port") else others[key]

    assert settings(machine={**MACHINE, key: other}).digest != settings().digest


def test_the_digest_changes_with_track_base_and_runtime() -> None:
    digests = {
        settings(FARGATE).digest,
        settings(DOCKER).digest,
        settings(FARGATE, track="candidate", base="prod").digest,
        settings(FARGATE, track="candidate", base="other").digest,
    }

    assert len(digests) == 4


def test_the_digest_is_the_same_whatever_the_order_and_whether_defaults_are_written() -> None:
    assert load(dict(reversed(DOCKER.items())), stack="test").digest == settings().digest
    assert settings(burst="10", network={"nat": "one"}).digest == settings().digest
