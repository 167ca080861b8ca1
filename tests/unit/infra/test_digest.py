"""The settings' digest changes with each of them, and with nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic.alias_generators import to_camel

from infra.settings.reading import load
from infra.settings.sections import AdaptersSettings, MachineSettings
from outputs.network import NetworkSettings
from tests.support.setting_keys import leaves
from tests.unit.infra.configs import DOCKER, FARGATE, MACHINE, OPERATORS, at, settings

SET: dict[str, Any] = {
    "account": "444455556666",
    "region": "eu-west-1",
    "zones": ["eu-central-1b", "eu-central-1c"],
    "domain": "other.web-next.test",
    "executorUrl": "https://other.web-next.test",
    "executorAuth": "bearer",
    "telemetry.endpoint": "https://otel.web-next.test",
    "outside": "true",
    "image": "sha256:" + "b" * 64,
    "buildSha": "fffffff",
    "version": "1.5.2",
    "edge.ratePerMinute": "61",
    "edge.burst": "11",
    "edge.webhookRatePerMinute": "121",
    "edge.webhookBurst": "61",
    "edge.pagesPerMinute": "1201",
    "edge.requests": "101",
    "edge.pinning": "none",
    "edge.trustedProxies": ["10.9.0.0/16"],
    "edge.trustedCallers": ["203.0.113.7/32"],
    "edge.image": "nginx@sha256:" + "f" * 64,
    "access.clients": "anyone",
    "access.internal": "true",
    "access.webhook": ["192.0.2.0/25"],
    "access.auditPush": ["192.0.2.128/25"],
    "workerCommand": ["node", "worker.js"],
    "healthCommand": ["node", "health.js"],
    "fargate.architecture": "ARM64",
    "fargate.cpu": "256",
    "fargate.memory": 2048,
    "fargate.tasks": 3,
    "fargate.mostTasks": 7,
    "fargate.workerTasks": 2,
    "fargate.hostedZoneId": "Z1",
    "fargate.certificateArn": "arn:aws:acm:eu-central-1:123456789012:certificate/1",
    "fargate.wafRequests": 3001,
    "fargate.wafManaged": "block",
    "evidenceBucket": "other-evidence",
    "retentionDays": "31",
    "operatorRoles": OPERATORS[:1],
    "database.class": "db.t4g.large",
    "database.storage": "21",
    "database.maxStorage": "50",
    "database.multiAz": "true",
    "database.backupDays": "8",
    "database.majorUpgrade": "true",
    "database.writerRotation": "1",
    "database.access": "later",
    "database.tunnelPort": "15433",
    "database.clientGroups": ["sg-0a"],
    "auditRetentionMonths": "24",
    "queues.nodeType": "cache.t4g.medium",
    "queues.replicas": "1",
    "queues.snapshotDays": "8",
    "queues.majorUpgrade": "true",
    "backupWindow": "01:00-02:30",
    "maintenanceWindow": "sat:03:00-sat:04:00",
    "applyImmediately": "true",
    "logDays": "60",
    "alarmTargets": ["on-call@web-next.test"],
    "mayDestroy": ["audit"],
    "smoke.run": False,
    "smoke.profile": "prod",
    "smoke.mustPass": ["Health"],
    "smoke.maxAgeMinutes": 31,
    "smoke.waivers": [{"criterion": "Health", "reason": "r", "owner": "o", "expires": "2027-01-31"}],
    "smoke.onCall": "a rota",
    "rollout.hold": {"canary": "20s"},
    "rollout.freeze": [{"days": "sat", "from": "10:00", "to": "11:00", "reason": "r"}],
    "rollout.mayReplace": "0a1b2c3d4e5f6789",
    "rollout.watchImage": "cutover@sha256:" + "f" * 64,
    **{f"adapters.{adapter}": "mock" for adapter in AdaptersSettings.model_fields},
}
"""Another value for every key but those that need others beside them."""
RANGES = {tier: [f"10.42.{n}.0/26", f"10.42.{n}.64/26"] for n, tier in enumerate(("app", "data", "public"))}
NETWORK: dict[str, dict[str, Any]] = {
    "cidr": {"cidr": "10.43.0.0/16"},
    "nat": {"nat": "per-zone"},
}
IDS = {f"{tier}SubnetIds": [f"subnet-{n}a", f"subnet-{n}b"] for n, tier in enumerate(RANGES)}
EXISTING: dict[str, Any] = {"vpcId": "vpc-0a", **IDS}


@pytest.mark.parametrize("key", SET)
def test_the_digest_changes_with_any_setting(key: str) -> None:
    assert settings(**at(key, SET[key])).digest != settings().digest


def test_those_are_all_the_settings_but_what_is_told_apart_below() -> None:
    below = {
        "track",
        "base",
        "runtime",
        "telemetry.headers",
        *(key for key in leaves() if key.startswith(("network.", "machine."))),
    }

    assert SET.keys() == leaves() - below


def test_the_digest_changes_with_the_headers_of_a_collector() -> None:
    endpoint = {"endpoint": "https://otel.web-next.test"}

    assert settings(telemetry={**endpoint, "headers": True}).digest != settings(telemetry=endpoint).digest


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
    others = {
        "clone": "ffffffff",
        "emulator": "http://10.9.9.9:1",
        "network": "n",
        "metricsNetwork": "m",
        "outsideNetwork": "o",
        "edgeAddress": "10.9.9.9",
    }
    others |= {"stableAddress": "10.9.9.9", "executorAddress": "10.9.9.9"}
    others |= {
        f"{part}Address": "10.9.9.9" for part in ("candidate", "candidateWorker", "outside", "reader", "prometheus")
    }
    others |= {f"{part}Image": "sha256:" + "d" * 64 for part in ("prometheus", "reader", "grafana")}
    others |= {"edgeImage": "sha256:" + "c" * 64, "doubleImage": "sha256:" + "c" * 64, "tlsFolder": "t"}
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
    assert settings(edge={"burst": "10"}, network={"nat": "one"}).digest == settings().digest
