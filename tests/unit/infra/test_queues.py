"""The queues: Redis that loses no job, and that nobody reads on the way."""

from __future__ import annotations

import pytest

from infra.queues import redis_url
from tests.unit.infra.configs import DOCKER, FARGATE
from tests.unit.infra.parts import Parts, declare
from tests.unit.infra.recorder import record

GROUP = "aws:elasticache/replicationGroup:ReplicationGroup"


@pytest.mark.parametrize("config", [DOCKER, FARGATE], ids=["docker", "fargate"])
def test_the_queues_never_evict_and_are_encrypted_both_ways_under_the_vaults_key(config: dict[str, str]) -> None:
    declared = declare("queues", config)
    parameters = declared.one("aws:elasticache/parameterGroup:ParameterGroup").inputs
    group = declared.one(GROUP)

    assert parameters["parameters"] == [{"name": "maxmemory-policy", "value": "noeviction"}]
    assert (parameters["family"], parameters["name"]) == ("redis7", "web-next-test-queues-redis7")
    assert group.inputs["parameterGroupName"] == parameters["name"]
    assert group.inputs["atRestEncryptionEnabled"] is True
    assert group.inputs["kmsKeyId"].endswith(":Key/vault")
    assert group.inputs["transitEncryptionEnabled"] is True
    assert group.inputs["authToken"] == "generated-queues"
    assert "authToken" in group.secrets


def test_the_queues_lie_in_the_data_subnets_behind_their_own_group() -> None:
    declared = declare("queues")
    placed = declared.one("aws:elasticache/subnetGroup:SubnetGroup").inputs
    group = declared.one(GROUP).inputs

    assert placed["subnetIds"] == ["Subnet:network-data-eu-central-1a", "Subnet:network-data-eu-central-1b"]
    assert group["subnetGroupName"] == placed["name"]
    assert group["securityGroupIds"] == ["SecurityGroup:network-queues"]


def test_cluster_mode_is_disabled_because_bullmqs_scripts_span_slots() -> None:
    declared = declare("queues", queues={"replicas": "2"})
    group = declared.one(GROUP).inputs

    assert not {"numNodeGroups", "replicasPerNodeGroup", "clusterMode"} & group.keys()
    assert (group["engine"], group["engineVersion"]) == ("redis", "7.1")


def test_a_newer_major_version_has_a_parameter_group_beside_that_of_the_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.queues.VERSION", "8.2")
    declared = record(lambda: Parts().queues)
    parameters, group = declared.one("aws:elasticache/parameterGroup:ParameterGroup").inputs, declared.one(GROUP).inputs

    assert (parameters["family"], parameters["name"]) == ("redis8", "web-next-test-queues-redis8")
    assert (group["engineVersion"], group["parameterGroupName"]) == ("8.2", parameters["name"])


@pytest.mark.parametrize("asked", [False, True])
def test_a_major_upgrade_waits_for_no_window_that_keeps_the_old_group_in_use(asked: bool) -> None:
    group = declare("queues", queues={"majorUpgrade": str(asked).lower()}).one(GROUP).inputs

    assert group["applyImmediately"] is asked


@pytest.mark.parametrize(("replicas", "failover"), [(0, False), (1, True), (5, True)])
def test_a_replica_takes_over_in_another_zone(replicas: int, failover: bool) -> None:
    declared = declare("queues", queues={"replicas": str(replicas)})
    group = declared.one(GROUP).inputs

    assert group["numCacheClusters"] == replicas + 1
    assert (group["automaticFailoverEnabled"], group["multiAzEnabled"]) == (failover, failover)


def test_the_queues_settings_arrive_at_the_group() -> None:
    declared = declare(
        "queues",
        queues={"nodeType": "cache.m7g.large", "snapshotDays": "14"},
        backupWindow="02:00-03:00",
        maintenanceWindow="sat:04:00-sat:05:00",
        applyImmediately="true",
    )
    group = declared.one(GROUP).inputs

    wanted = {
        "replicationGroupId": "web-next-test-queues",
        "nodeType": "cache.m7g.large",
        "snapshotRetentionLimit": 14,
        "snapshotWindow": "02:00-03:00",
        "maintenanceWindow": "sat:04:00-sat:05:00",
        "applyImmediately": True,
    }
    assert {key: group[key] for key in wanted} == wanted


def test_the_slow_log_is_kept_as_long_as_is_set() -> None:
    declared = declare("queues", logDays="90")
    log = declared.one("aws:cloudwatch/logGroup:LogGroup").inputs
    (delivery,) = declared.one(GROUP).inputs["logDeliveryConfigurations"]

    assert log == {"name": "/web-next-test/queues/slow-log", "retentionInDays": 90}
    assert delivery == {
        "destination": log["name"],
        "destinationType": "cloudwatch-logs",
        "logFormat": "json",
        "logType": "slow-log",
    }


def test_the_url_with_the_token_is_in_the_vault_as_a_secret() -> None:
    declared = declare("queues")
    version = declared.one("aws:secretsmanager/secretVersion:SecretVersion")

    assert version.name == "REDIS_URL"
    assert version.inputs["secretString"] == "rediss://:generated-queues@10.213.7.65:6379/0"
    assert "secretString" in version.secrets


def test_a_redis_url_demands_tls() -> None:
    assert redis_url("token", "queues:6379") == "rediss://:token@queues:6379/0"
