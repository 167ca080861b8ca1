"""Each component, declared on its own against a recording engine."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from unittest.mock import ANY

import pulumi
import pytest

from cutover import smoke
from cutover.errors import NoGoError
from infra import record as record_module
from infra.audit import Audit, AuditArgs
from infra.edge import EdgeConfig
from infra.evidence import Evidence, EvidenceArgs
from infra.flags import INITIAL, Flags, FlagsArgs
from infra.providers import aws_provider, docker_provider
from infra.queues import Queues, QueuesArgs
from infra.record import DeploymentRecord, DeploymentRecordArgs
from infra.records import Records, RecordsArgs
from infra.release import release_of
from infra.role import AppRole, AppRoleArgs
from infra.runtime.docker import DockerEdge, DockerEdgeArgs, DockerRelease, DockerReleaseArgs
from infra.vault import Vault, VaultArgs
from tests.unit.infra.recorder import DOCKER, FARGATE, NAMES, Recorder, finish, settings

BUCKET = "aws:s3/bucket:Bucket"
SECRET_VERSION = "aws:secretsmanager/secretVersion:SecretVersion"
CONTAINER = "docker:index/container:Container"


def policy(engine: Recorder) -> dict[str, Any]:
    """The statements of the bucket policy, by Sid."""
    document = json.loads(engine.one("aws:s3/bucketPolicy:BucketPolicy").inputs["policy"])
    return {statement["Sid"]: statement for statement in document["Statement"]}


def bucket_is_secure(engine: Recorder) -> None:
    blocked = engine.one("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock").inputs
    switches = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    assert [blocked[switch] for switch in switches] == [True] * 4
    versioning = engine.one("aws:s3/bucketVersioning:BucketVersioning").inputs
    assert versioning["versioningConfiguration"] == {"status": "Enabled"}
    encryption = engine.one(
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    ).inputs
    assert encryption["rules"][0]["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "AES256"}
    ownership = engine.one("aws:s3/bucketOwnershipControls:BucketOwnershipControls").inputs
    assert ownership["rule"] == {"objectOwnership": "BucketOwnerEnforced"}
    assert policy(engine)["TlsOnly"]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def declare_evidence(**changes: str) -> Evidence:
    return Evidence("evidence", EvidenceArgs.of(settings(**changes), NAMES))


def declared(engine: Recorder, program: Callable[[], object]) -> Recorder:
    """Runs a program to its end, so that everything it declares is registered."""
    finish(program)
    return engine


def test_the_evidence_bucket_is_secure(engine: Recorder) -> None:
    bucket_is_secure(declared(engine, declare_evidence))


def test_the_evidence_lifecycle_really_empties_the_bucket(engine: Recorder) -> None:
    declared(engine, declare_evidence)
    rules = {
        rule["id"]: rule
        for rule in engine.one("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration").inputs["rules"]
    }
    retention = rules["evidence-retention-30d"]

    assert (retention["status"], retention["filter"]) == ("Enabled", {"prefix": "evidence/"})
    assert retention["expiration"] == {"days": 30}
    assert retention["noncurrentVersionExpiration"] == {"noncurrentDays": 1}
    assert retention["abortIncompleteMultipartUpload"] == {"daysAfterInitiation": 1}
    markers = rules["evidence-delete-markers"]
    assert (markers["status"], markers["filter"]) == ("Enabled", {"prefix": "evidence/"})
    assert markers["expiration"] == {"expiredObjectDeleteMarker": True}


def test_the_lifecycle_and_the_app_agree_on_the_days(engine: Recorder) -> None:
    declared(engine, lambda: declare_evidence(retentionDays="14"))
    rules = engine.one("aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration").inputs["rules"]
    told = release_of(settings(retentionDays="14"), NAMES).environment["EVIDENCE_CLEANUP_RETENTION_DAYS"]

    assert rules[0]["expiration"] == {"days": int(told)}


def test_only_the_apps_role_is_let_into_evidence(engine: Recorder) -> None:
    declared(engine, declare_evidence)
    allowed = [statement for statement in policy(engine).values() if statement["Effect"] == "Allow"]

    assert [statement["Sid"] for statement in allowed] == ["EvidenceUpload"]
    assert allowed[0]["Principal"] == {"AWS": NAMES.app_role_arn}
    assert allowed[0]["Action"] == ["s3:PutObject", "s3:GetObject"]


def test_everybody_else_is_denied_what_the_app_is_allowed(engine: Recorder) -> None:
    declared(engine, declare_evidence)
    denied = policy(engine)["NobodyElse"]

    assert denied["Effect"] == "Deny"
    assert denied["Principal"] == "*"
    assert denied["Action"] == ["s3:PutObject", "s3:GetObject"]
    assert denied["Condition"] == {"ArnNotEquals": {"aws:PrincipalArn": [NAMES.app_role_arn]}}


def test_pages_of_the_console_alone_may_upload(engine: Recorder) -> None:
    declared(engine, declare_evidence)
    (rule,) = engine.one("aws:s3/bucketCorsConfiguration:BucketCorsConfiguration").inputs["corsRules"]

    assert rule["allowedOrigins"] == ["https://localhost:8450"]
    assert rule["allowedMethods"] == ["GET", "PUT"]


@pytest.mark.parametrize("kept", [True, False])
def test_buckets_on_aws_outlive_the_stack_and_a_machines_do_not(engine: Recorder, kept: bool) -> None:
    config = FARGATE if kept else DOCKER

    def program() -> None:
        Evidence("evidence", EvidenceArgs.of(settings(config), NAMES))
        Records("records", RecordsArgs.of(settings(config), NAMES))

    declared(engine, program)
    for bucket in engine.of(BUCKET):
        assert bucket.retain_on_delete is kept
        assert bucket.inputs["forceDestroy"] is not kept


def test_the_records_bucket_is_locked_secure_and_closed_to_the_app(engine: Recorder) -> None:
    declared(engine, lambda: Records("records", RecordsArgs.of(settings(), NAMES)))

    bucket_is_secure(engine)
    assert engine.one(BUCKET).inputs["objectLockEnabled"] is True
    lock = engine.one("aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration").inputs
    assert lock["rule"] == {"defaultRetention": {"mode": "GOVERNANCE", "days": 90}}
    closed = policy(engine)["ClosedToTheApp"]
    assert (closed["Effect"], closed["Action"]) == ("Deny", "s3:*")
    assert closed["Principal"] == {"AWS": NAMES.app_role_arn}
    name = NAMES.bucket("records")
    assert closed["Resource"] == [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]
    assert not [statement for statement in policy(engine).values() if statement["Effect"] == "Allow"]


def test_what_is_put_into_the_vault_stays_secret_and_lies_under_its_key(engine: Recorder) -> None:
    arns: dict[str, str] = {}

    def program() -> pulumi.Output[None]:
        vault = Vault("vault", VaultArgs(prefix="web-next-test/", keep=False))
        vault.put("GENERATED", pulumi.Output.concat("url:", vault.password("database")))
        vault.put("PLAIN", "given as plain text")
        return pulumi.Output.all(**vault.arns).apply(arns.update)

    declared(engine, program)
    versions = {version.name: version for version in engine.of(SECRET_VERSION)}
    assert versions["GENERATED"].inputs["secretString"] == "url:generated-database"
    assert versions["PLAIN"].inputs["secretString"] == "given as plain text"
    assert all("secretString" in version.secrets for version in versions.values())
    for secret in engine.of("aws:secretsmanager/secret:Secret"):
        assert secret.inputs["name"] == f"web-next-test/{secret.name}"
        assert secret.inputs["kmsKeyId"].startswith("arn:aws:mock:")
    assert engine.one("aws:kms/key:Key").inputs["enableKeyRotation"] is True
    assert set(arns) == {"GENERATED", "PLAIN"}


@pytest.mark.parametrize(("kept", "days"), [(True, 30), (False, 0)])
def test_a_kept_secret_can_be_restored_and_a_machines_name_is_free_at_once(
    engine: Recorder, kept: bool, days: int
) -> None:
    declared(engine, lambda: Vault("vault", VaultArgs(prefix="p/", keep=kept)).put("A", "value"))

    assert engine.one("aws:secretsmanager/secret:Secret").inputs["recoveryWindowInDays"] == days


def test_a_generated_password_stands_in_a_url_as_it_is_and_is_secret(engine: Recorder) -> None:
    seen: list[bool] = []

    def program() -> pulumi.Output[None]:
        password = Vault("vault", VaultArgs(prefix="p/", keep=False)).password("database")
        secret: Any = password.is_secret()
        return pulumi.Output.from_input(secret).apply(seen.append)

    declared(engine, program)
    generated = engine.one("random:index/randomPassword:RandomPassword").inputs
    assert (generated["length"], generated["special"]) == (32, False)
    assert seen == [True]


def declare_audit(config: dict[str, str]) -> None:
    chosen = settings(config)
    vault = Vault("vault", VaultArgs(prefix=NAMES.vault_prefix, keep=False))
    Audit("audit", AuditArgs.of(chosen, NAMES, vault))


@pytest.mark.parametrize("config", [DOCKER, FARGATE], ids=["docker", "fargate"])
def test_the_audit_database_is_encrypted_private_tls_only_and_backed_up(
    engine: Recorder, config: dict[str, str]
) -> None:
    declared(engine, lambda: declare_audit(config))
    instance = engine.one("aws:rds/instance:Instance")

    assert instance.inputs["storageEncrypted"] is True
    assert instance.inputs["publiclyAccessible"] is False
    assert instance.inputs["backupRetentionPeriod"] == 7
    assert (instance.inputs["engine"], instance.inputs["engineVersion"]) == ("postgres", "17")
    group = engine.one("aws:rds/parameterGroup:ParameterGroup").inputs
    assert {parameter["name"]: parameter["value"] for parameter in group["parameters"]} == {"rds.force_ssl": "1"}
    assert instance.inputs["parameterGroupName"] == group["name"]
    assert "password" in instance.secrets


@pytest.mark.parametrize(("config", "protected"), [(DOCKER, False), (FARGATE, True)], ids=["docker", "fargate"])
def test_the_audit_database_on_aws_can_be_deleted_by_nobody_in_passing(
    engine: Recorder, config: dict[str, str], protected: bool
) -> None:
    declared(engine, lambda: declare_audit(config))
    instance = engine.one("aws:rds/instance:Instance")

    assert instance.protect is protected
    assert instance.inputs["deletionProtection"] is protected
    assert instance.inputs["skipFinalSnapshot"] is not protected
    assert ("finalSnapshotIdentifier" in instance.inputs) is protected


def test_each_database_role_has_its_own_url_in_the_vault(engine: Recorder) -> None:
    declared(engine, lambda: declare_audit(DOCKER))
    urls = {version.name: version.inputs["secretString"] for version in engine.of(SECRET_VERSION)}

    assert urls == {
        "AUDIT_DB_MASTER_URL": "postgresql://master:generated-audit-master@10.213.7.64:20000/audit?sslmode=require",
        "AUDIT_DB_OWNER_URL": "postgresql://audit_owner:generated-audit-owner@10.213.7.64:20000/audit?sslmode=require",
        "AUDIT_DB_URL": "postgresql://audit_writer:generated-audit-writer@10.213.7.64:20000/audit?sslmode=require",
    }
    assert all("secretString" in version.secrets for version in engine.of(SECRET_VERSION))


def test_the_writer_may_insert_and_select_and_nothing_else(engine: Recorder) -> None:
    declared(engine, lambda: declare_audit(DOCKER))
    rights = {
        right.inputs["objectType"]: sorted(right.inputs["privileges"])
        for right in engine.of("postgresql:index/defaultPrivileges:DefaultPrivileges")
        if right.inputs["role"] == "audit_writer"
    }

    assert rights == {"table": ["INSERT", "SELECT"], "sequence": ["USAGE"]}
    for role in engine.of("postgresql:index/role:Role"):
        assert "password" in role.secrets
        assert not role.inputs.get("superuser")
    assert engine.one("postgresql:index/database:Database").inputs["owner"] == "audit_owner"
    assert engine.one("pulumi:providers:postgresql").inputs["sslmode"] == "require"


def test_the_queues_never_evict_and_are_encrypted_both_ways(engine: Recorder) -> None:
    def program() -> None:
        vault = Vault("vault", VaultArgs(prefix=NAMES.vault_prefix, keep=False))
        Queues("queues", QueuesArgs.of(settings(), NAMES, vault))

    declared(engine, program)
    parameters = engine.one("aws:elasticache/parameterGroup:ParameterGroup").inputs
    group = engine.one("aws:elasticache/replicationGroup:ReplicationGroup")
    assert parameters["parameters"] == [{"name": "maxmemory-policy", "value": "noeviction"}]
    assert group.inputs["parameterGroupName"] == parameters["name"]
    assert group.inputs["atRestEncryptionEnabled"] is True
    assert group.inputs["transitEncryptionEnabled"] is True
    assert "authToken" in group.secrets


def test_the_queues_run_with_cluster_mode_disabled(engine: Recorder) -> None:
    def program() -> None:
        Queues("queues", QueuesArgs(name="queues", node_type="cache.t4g.small", auth_token="t"))

    declared(engine, program)
    group = engine.one("aws:elasticache/replicationGroup:ReplicationGroup").inputs
    assert not {"numNodeGroups", "replicasPerNodeGroup", "clusterMode"} & group.keys()
    assert group["numCacheClusters"] == 1


def test_flags_start_as_declared_and_later_values_are_not_put_back(engine: Recorder) -> None:
    declared(engine, lambda: Flags("flags", FlagsArgs(parameter=NAMES.flags_parameter)))
    parameter = engine.one("aws:ssm/parameter:Parameter")

    assert json.loads(parameter.inputs["value"]) == INITIAL
    assert parameter.ignore_changes == ("value",)


def test_the_roles_policy_grants_its_key_and_no_other(engine: Recorder) -> None:
    key = "arn:aws:kms:eu-central-1:111122223333:key/1"
    declared(engine, lambda: AppRole("app", AppRoleArgs(names=NAMES, runtime="docker", key_arn=key)))
    statements = json.loads(engine.one("aws:iam/rolePolicy:RolePolicy").inputs["policy"])["Statement"]

    assert {"Sid": "Key", "Effect": "Allow", "Action": ["kms:Decrypt"], "Resource": key} in statements
    assert all(statement["Resource"] != "*" for statement in statements)
    assert engine.one("aws:iam/role:Role").inputs["name"] == NAMES.app_role


def declare_containers() -> None:
    chosen = settings()
    release = DockerRelease("stable", DockerReleaseArgs.of(chosen, NAMES, release_of(chosen, NAMES)))
    config = EdgeConfig.of(chosen, NAMES, upstreams={"stable": release.address})
    DockerEdge("edge", DockerEdgeArgs.of(chosen, NAMES, config))


@pytest.mark.parametrize("name", ["stable", "edge"])
def test_a_container_has_no_privilege_it_does_not_need(engine: Recorder, name: str) -> None:
    container = declared(engine, declare_containers).one(CONTAINER, name).inputs

    assert container["capabilities"]["drops"] == ["ALL"]
    assert container["securityOpts"] == ["no-new-privileges:true"]
    assert not container.get("privileged")
    assert container["memory"] <= 256
    assert container["image"].startswith("sha256:")
    assert {"label": "web-next.clone", "value": "0a1b2c3d"} in container["labels"]
    assert set(container["capabilities"].get("adds", [])) <= {
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_SETGID",
        "CAP_SETUID",
    }


def test_only_the_edge_has_a_port_and_it_is_on_loopback(engine: Recorder) -> None:
    declared(engine, declare_containers)

    assert "ports" not in engine.one(CONTAINER, "stable").inputs
    assert engine.one(CONTAINER, "edge").inputs["ports"] == [{"internal": 8443, "external": 8450, "ip": "127.0.0.1"}]


def test_containers_stand_at_their_fixed_addresses(engine: Recorder) -> None:
    declared(engine, declare_containers)
    addresses = {
        one.name: [network["ipv4Address"] for network in one.inputs["networksAdvanced"]] for one in engine.of(CONTAINER)
    }

    assert addresses == {"stable": ["10.213.7.11"], "edge": ["10.213.7.10"]}


def test_nothing_in_the_apps_container_is_secret(engine: Recorder) -> None:
    container = declared(engine, declare_containers).one(CONTAINER, "stable")
    names = [pair.partition("=")[0] for pair in container.inputs["envs"]]

    assert not [name for name in names if any(word in name for word in ("KEY", "SECRET", "PASSWORD"))]
    assert "AWS_EC2_METADATA_SERVICE_ENDPOINT=http://10.213.7.1:4566" in container.inputs["envs"]
    assert container.secrets == frozenset()
    (upload,) = container.inputs["uploads"]
    assert "aws_secret_access_key" not in upload["content"]


def test_the_edges_key_is_mounted_and_never_copied_into_state(engine: Recorder) -> None:
    container = declared(engine, declare_containers).one(CONTAINER, "edge").inputs

    assert [upload["file"] for upload in container["uploads"]] == ["/etc/nginx/nginx.conf"]
    assert {volume["containerPath"]: volume["readOnly"] for volume in container["volumes"]} == {"/etc/nginx/tls": True}


def test_an_app_counts_as_created_when_it_is_healthy(engine: Recorder) -> None:
    container = declared(engine, declare_containers).one(CONTAINER, "stable").inputs

    assert container["wait"] is True
    assert "/healthz" in container["healthcheck"]["tests"][-1]


def declare_record(**changes: Any) -> DeploymentRecord:
    chosen = settings()
    args: dict[str, Any] = {
        "bucket": NAMES.bucket("records"),
        "release": release_of(chosen, NAMES),
        "schema_version": 1.0,
        "schema_digest": "d",
        "settings_digest": chosen.digest,
        "edge": EdgeConfig.of(chosen, NAMES, upstreams={"stable": "10.213.7.11:3003"}),
        "edge_url": chosen.origin,
        "authority": ".local/tls/ca.pem",
        "keep": False,
    }
    return DeploymentRecord("deployment", DeploymentRecordArgs(**{**args, **changes}))


def test_the_smoke_suite_runs_before_a_record_is_created_and_before_it_is_changed(engine: Recorder) -> None:
    record = declared(engine, declare_record).one("aws:s3/bucketObjectv2:BucketObjectv2")

    assert record.before_create == ("smoke",)
    assert record.before_update == ("smoke",)


def test_a_record_says_what_was_deployed_and_what_smoke_needs_without_clock_or_names(engine: Recorder) -> None:
    declared(engine, declare_record)
    record = engine.one("aws:s3/bucketObjectv2:BucketObjectv2").inputs

    assert record["key"] == "deployments/stable.json"
    assert json.loads(record["content"]) == {
        "stack": "test",
        "track": "stable",
        "image": settings().image,
        "build_sha": "4f2c1d9",
        "version": "1.5.1",
        "schema": {"version": 1, "digest": "d"},
        "settings_digest": settings().digest,
        "edge": {
            "url": "https://localhost:8450",
            "authority": ".local/tls/ca.pem",
            "rate_per_minute": 60,
            "burst": 10,
            "config": ANY,
        },
    }


def hook_arguments(engine: Recorder) -> pulumi.ResourceHookArgs:
    inputs = engine.one("aws:s3/bucketObjectv2:BucketObjectv2").inputs
    return pulumi.ResourceHookArgs(urn="urn", id="", name="deployment", type="t", new_inputs=inputs)


def test_the_hook_smokes_what_is_about_to_be_recorded_and_fails_on_a_no_go(
    engine: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    declared(engine, declare_record)
    steps: list[str] = []

    class NoGo:
        def require_go(self) -> None:
            steps.append("required")
            raise NoGoError("NO-GO: Health: down")

    def run(target: smoke.Target) -> NoGo:
        steps.append(target.url)
        return NoGo()

    monkeypatch.setattr(smoke, "run", run)
    monkeypatch.setattr(smoke, "save", lambda _report: steps.append("saved"))

    with pytest.raises(NoGoError, match="Health: down"):
        record_module._smoke(hook_arguments(engine))
    assert steps == ["https://localhost:8450", "saved", "required"], "the report is kept before it stops the update"


def test_on_a_machine_every_address_of_aws_is_the_emulators(engine: Recorder) -> None:
    declared(engine, lambda: aws_provider(settings()))
    provider = engine.one("pulumi:providers:aws").inputs
    (endpoints,) = json.loads(provider["endpoints"])

    assert set(endpoints.values()) == {"http://10.213.7.1:4566"}
    assert {"s3", "rds", "secretsmanager", "sts", "iam", "kms", "ssm", "elasticache"} <= endpoints.keys()
    assert provider["accessKey"] == "111122223333"


def test_on_aws_the_provider_takes_one_account_and_no_key(engine: Recorder) -> None:
    declared(engine, lambda: aws_provider(settings(FARGATE)))
    provider = engine.one("pulumi:providers:aws").inputs

    assert json.loads(provider["allowedAccountIds"]) == ["111122223333"]
    assert not {"accessKey", "secretKey", "endpoints"} & provider.keys()


def test_docker_is_this_machines_engine(engine: Recorder) -> None:
    declared(engine, lambda: docker_provider())

    assert engine.one("pulumi:providers:docker").inputs["host"] == "unix:///var/run/docker.sock"
