"""The buckets: private, encrypted, versioned, and open to those alone who are named."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.bucket import tls_only
from infra.evidence import Evidence, EvidenceArgs, upload_statement
from infra.records_bucket import Records, RecordsArgs
from infra.release import shared_environment
from infra.role import permissions
from policy.iam import Policy, Principal, Request, decide
from tests.unit.infra.configs import ACCOUNT, DOCKER, FARGATE, NAMES, OPERATORS, settings
from tests.unit.infra.parts import bootstrap
from tests.unit.infra.recorder import Recording, record

BUCKET = "aws:s3/bucket:Bucket"
LIFECYCLE = "aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration"


def declare_evidence(config: dict[str, str] = FARGATE, /, **changes: str) -> Recording:
    return record(lambda: Evidence("evidence", EvidenceArgs.of(settings(config, **changes), NAMES)))


def declare_records(config: dict[str, str] = FARGATE, /, **changes: Any) -> Recording:
    return record(lambda: Records("records", RecordsArgs.of(settings(config, **changes), NAMES)))


def policy(declared: Recording) -> dict[str, Any]:
    """The statements of the bucket policy, by Sid."""
    document = json.loads(declared.one("aws:s3/bucketPolicy:BucketPolicy").inputs["policy"])
    return {statement["Sid"]: statement for statement in document["Statement"]}


@pytest.mark.parametrize("declare", [declare_evidence, declare_records, bootstrap])
def test_a_bucket_is_private_owned_encrypted_versioned_and_open_over_tls_alone(declare: Any) -> None:
    declared = declare()
    blocked = declared.one("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock").inputs
    switches = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    assert [blocked[switch] for switch in switches] == [True] * 4
    versioning = declared.one("aws:s3/bucketVersioning:BucketVersioning").inputs
    assert versioning["versioningConfiguration"] == {"status": "Enabled"}
    encryption = declared.one(
        "aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration"
    ).inputs
    assert encryption["rules"][0]["applyServerSideEncryptionByDefault"] == {"sseAlgorithm": "AES256"}
    ownership = declared.one("aws:s3/bucketOwnershipControls:BucketOwnershipControls").inputs
    assert ownership["rule"] == {"objectOwnership": "BucketOwnerEnforced"}
    assert "TlsOnly" in policy(declared)


def test_the_policy_waits_until_public_access_is_blocked() -> None:
    declared = declare_records()
    blocked = declared.one("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock")

    assert blocked.urn in declared.one("aws:s3/bucketPolicy:BucketPolicy").depends_on


def test_a_request_without_tls_is_refused_for_the_bucket_and_its_objects() -> None:
    statement = tls_only("b")

    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Resource"] == ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_evidence_lifecycle_really_empties_the_bucket() -> None:
    declared = declare_evidence()
    rules = {rule["id"]: rule for rule in declared.one(LIFECYCLE).inputs["rules"]}
    retention = rules["evidence-retention-30d"]

    assert (retention["status"], retention["filter"]) == ("Enabled", {"prefix": "evidence/"})
    assert retention["expiration"] == {"days": 30}
    assert retention["noncurrentVersionExpiration"] == {"noncurrentDays": 1}
    assert retention["abortIncompleteMultipartUpload"] == {"daysAfterInitiation": 1}
    markers = rules["evidence-delete-markers"]
    assert (markers["status"], markers["filter"]) == ("Enabled", {"prefix": "evidence/"})
    assert markers["expiration"] == {"expiredObjectDeleteMarker": True}


def test_deleted_spool_objects_vanish_and_those_that_wait_never_do() -> None:
    declared = declare_evidence(retentionDays="1")
    rules = {rule["id"]: rule for rule in declared.one(LIFECYCLE).inputs["rules"]}
    spooled = [name for name, rule in rules.items() if "spool/audit/x".startswith(rule["filter"]["prefix"])]

    assert spooled == ["spool-deleted"]
    assert rules["spool-deleted"] == {
        "id": "spool-deleted",
        "status": "Enabled",
        "filter": {"prefix": "spool/"},
        "expiration": {"expiredObjectDeleteMarker": True},
        "noncurrentVersionExpiration": {"noncurrentDays": 1},
    }


def test_the_lifecycle_and_the_app_agree_on_the_days() -> None:
    declared = declare_evidence(retentionDays="14")
    rules = declared.one(LIFECYCLE).inputs["rules"]
    told = shared_environment(settings(retentionDays="14"), NAMES, "stable")["EVIDENCE_CLEANUP_RETENTION_DAYS"]

    assert rules[0]["expiration"] == {"days": int(told)}


def test_evidence_upload_is_the_playbooks_for_the_apps_prefixes() -> None:
    role = "arn:aws:iam::111122223333:role/web-next-prod"

    assert upload_statement("spark-evidence-prod", role) == {
        "Sid": "EvidenceUpload",
        "Effect": "Allow",
        "Principal": {"AWS": role},
        "Action": ["s3:PutObject", "s3:GetObject"],
        "Resource": ["arn:aws:s3:::spark-evidence-prod/evidence/*", "arn:aws:s3:::spark-evidence-prod/spool/*"],
    }


def test_only_the_apps_role_is_let_into_evidence() -> None:
    declared = declare_evidence()
    allowed = [statement for statement in policy(declared).values() if statement["Effect"] == "Allow"]

    assert allowed == [upload_statement(NAMES.bucket("evidence"), NAMES.app_role_arn)]


@pytest.mark.parametrize(
    ("config", "others"), [(FARGATE, OPERATORS), (DOCKER, [f"arn:aws:iam::{ACCOUNT}:root"])], ids=["fargate", "docker"]
)
def test_everybody_but_the_app_and_the_operators_is_denied_what_the_app_is_allowed(
    config: dict[str, str], others: list[str]
) -> None:
    declared = declare_evidence(config)
    denied = policy(declared)["NobodyElse"]

    assert (denied["Effect"], denied["Principal"]) == ("Deny", "*")
    (allowed,) = [statement for statement in permissions(NAMES) if statement["Sid"] == "Objects"]
    assert denied["Action"] == [*allowed["Action"], "s3:GetObjectVersion", "s3:DeleteObjectVersion"]
    assert denied["Resource"] == f"arn:aws:s3:::{NAMES.bucket('evidence')}/*"
    assert denied["Condition"] == {"ArnNotEquals": {"aws:PrincipalArn": [NAMES.app_role_arn, *others]}}


ADMINISTRATOR = {
    "Version": "2012-10-17",
    "Statement": [{"Sid": "All", "Effect": "Allow", "Action": "*", "Resource": "*"}],
}
ON_OBJECTS = ["GetObject", "PutObject", "DeleteObject", "GetObjectVersion", "DeleteObjectVersion"]


def may(role: str, action: str, key: str, own: dict[str, Any]) -> bool:
    """Whether S3 lets a role with a policy of its own do something with an object of the evidence bucket."""
    document = declare_evidence().one("aws:s3/bucketPolicy:BucketPolicy").inputs["policy"]
    about = f"arn:aws:s3:::{NAMES.bucket('evidence')}/{key}"
    request = Request(principal=Principal(arn=role, session="s"), action=f"s3:{action}", resource=about, owner=ACCOUNT)
    return decide(request, [Policy.of_identity(own)], Policy.of_resource(json.loads(document))).allowed


@pytest.mark.parametrize("action", ON_OBJECTS)
def test_an_administrator_who_is_no_operator_gets_at_no_object_and_at_no_version(action: str) -> None:
    stranger = f"arn:aws:iam::{ACCOUNT}:role/administrator"

    assert not may(stranger, action, "evidence/a/1", ADMINISTRATOR)
    assert all(may(operator, action, "evidence/a/1", ADMINISTRATOR) for operator in OPERATORS)


@pytest.mark.parametrize(
    ("key", "actions"),
    [
        ("evidence/a/1", {"GetObject", "PutObject", "DeleteObject"}),
        ("spool/audit/1", {"GetObject", "PutObject", "DeleteObject"}),
        ("elsewhere", set()),
    ],
)
def test_the_app_has_its_prefixes_and_nothing_else_of_the_bucket(key: str, actions: set[str]) -> None:
    own = {"Version": "2012-10-17", "Statement": permissions(NAMES)}

    assert {action for action in ON_OBJECTS if may(NAMES.app_role_arn, action, key, own)} == actions


@pytest.mark.parametrize(
    ("config", "origin"), [(DOCKER, "https://localhost:8450"), (FARGATE, "https://console.web-next.test")]
)
def test_pages_of_the_console_alone_may_upload(config: dict[str, str], origin: str) -> None:
    declared = declare_evidence(config)
    (rule,) = declared.one("aws:s3/bucketCorsConfiguration:BucketCorsConfiguration").inputs["corsRules"]

    assert rule["allowedOrigins"] == [origin]
    assert rule["allowedMethods"] == ["GET", "PUT"]
    assert rule["allowedHeaders"] == ["content-type", "if-none-match"]


def test_the_evidence_bucket_has_the_name_that_is_set() -> None:
    chosen = settings(FARGATE, evidenceBucket="spark-evidence-prod")
    names = type(NAMES).of(chosen, "test")
    declared = record(lambda: Evidence("evidence", EvidenceArgs.of(chosen, names)))

    assert declared.one(BUCKET).inputs["bucket"] == "spark-evidence-prod"
    assert {arn.split("/")[0] for arn in policy(declared)["EvidenceUpload"]["Resource"]} == {
        "arn:aws:s3:::spark-evidence-prod"
    }


@pytest.mark.parametrize("kept", [True, False])
@pytest.mark.parametrize(("what", "declare"), [("evidence", declare_evidence), ("records", declare_records)])
def test_a_bucket_is_emptied_at_its_end_only_where_that_was_asked_for(kept: bool, what: str, declare: Any) -> None:
    declared = declare(FARGATE, mayDestroy=json.dumps([] if kept else [what]))

    assert declared.one(BUCKET).inputs["forceDestroy"] is not kept


def test_the_records_bucket_is_locked_and_closed_to_the_app() -> None:
    declared = declare_records()

    assert declared.one(BUCKET).inputs["objectLockEnabled"] is True
    lock = declared.one("aws:s3/bucketObjectLockConfiguration:BucketObjectLockConfiguration").inputs
    assert lock["objectLockEnabled"] == "Enabled"
    assert lock["rule"] == {"defaultRetention": {"mode": "GOVERNANCE", "days": 90}}
    closed = policy(declared)["ClosedToTheApp"]
    assert (closed["Effect"], closed["Action"]) == ("Deny", "s3:*")
    assert closed["Principal"] == {"AWS": NAMES.app_role_arn}
    name = NAMES.bucket("records")
    assert closed["Resource"] == [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"]
    assert not [statement for statement in policy(declared).values() if statement["Effect"] == "Allow"]


def test_s3_itself_refuses_a_second_write_of_what_is_signed() -> None:
    once = policy(declare_records())["WrittenOnce"]

    assert (once["Effect"], once["Principal"], once["Action"]) == ("Deny", "*", "s3:PutObject")
    assert once["Condition"] == {"Null": {"s3:if-none-match": "true"}}
    assert once["Resource"] == [
        f"arn:aws:s3:::{NAMES.bucket('records')}/{prefix}/*" for prefix in ("approvals", "packs", "rollouts")
    ]
