"""Which operations the emulator answers: those that look, and of those that change something the stacks' own."""

from __future__ import annotations

import pytest

from offline.emulator.operations import Asked
from offline.emulator.refusal import NotAdmittedError


def of_s3(method: str, path: str, **query: str) -> Asked:
    return Asked("s3", method, path, {}, b"", {name.replace("_", "-"): [value] for name, value in query.items()})


def of_json(module: str, target: str) -> Asked:
    return Asked(module, "POST", "/", {"x-amz-target": target}, b"{}", {})


def of_form(module: str, body: str) -> Asked:
    return Asked(module, "POST", "/", {}, body.encode(), {})


@pytest.mark.parametrize(
    ("asked", "operation"),
    [
        (of_s3("GET", "/b/evidence/k", x_id="GetObject", **{"X-Amz-Signature": "s"}), "GetObject"),
        (of_s3("PUT", "/b/k"), "PutObject"),
        (of_s3("DELETE", "/b/k", versionId="v"), "DeleteObject"),
        (of_s3("GET", "/b", list_type="2", prefix="p"), "GetBucket?list-type&prefix"),
        (of_s3("PUT", "/b/", policy=""), "PutBucket?policy"),
        (of_s3("POST", "/b", delete=""), "PostBucket?delete"),
        (of_json("ssm", "AmazonSSM.GetParameter"), "GetParameter"),
        (of_json("secretsmanager", "secretsmanager.BatchGetSecretValue"), "BatchGetSecretValue"),
        (of_form("rds", "Action=DescribeDBInstances&Version=2014-10-31"), "DescribeDBInstances"),
        (of_form("iam", "Action=CreateRole"), "CreateRole"),
    ],
)
def test_what_looks_and_what_stacks_change_is_answered_by_its_name(asked: Asked, operation: str) -> None:
    asked.require_used()

    assert asked.operation == operation


@pytest.mark.parametrize(
    "asked",
    [
        of_s3("PUT", "/b", notification=""),
        of_s3("PUT", "/b", replication=""),
        of_s3("PUT", "/b", website=""),
        of_s3("PUT", "/b", policy="", notification=""),
        of_s3("PUT", "/b/k", acl=""),
        of_s3("POST", "/b/k", uploads=""),
        of_json("secretsmanager", "secretsmanager.RotateSecret"),
        of_json("kms", "TrentService.Decrypt"),
        of_json("cloudwatch_logs", "Logs_20140328.PutSubscriptionFilter"),
        of_json("cloudwatch_logs", "Logs_20140328.PutLogEvents"),
        of_form("ec2", "Action=RunInstances"),
        of_form("iam", "Action=CreateUser"),
        of_form("iam", "Action=CreateAccessKey"),
        of_form("sns", "Action=Publish"),
        of_form("sts", "Action=AssumeRoleWithWebIdentity"),
        of_form("rds", ""),
        of_form("rds", "Action="),
    ],
    ids=lambda asked: f"{asked.module} {asked.operation}",
)
def test_whatever_else_changes_something_calls_elsewhere_or_is_no_operation_is_refused(asked: Asked) -> None:
    with pytest.raises(NotAdmittedError, match="is not answered: local stacks change things by"):
        asked.require_used()


@pytest.mark.parametrize(
    "asked",
    [
        Asked("iam", "POST", "/", {"x-amz-target": "X.ListUsers"}, b"Action=CreateUser&UserName=any", {}),
        Asked("iam", "POST", "/", {"x-amz-target": "X.ListUsers"}, b'{"Action": "CreateUser"}', {}),
        Asked("sns", "POST", "/", {"x-amz-target": "X.ListTopics"}, b"Action=CreatePlatformApplication", {}),
        Asked("ec2", "PUT", "/", {}, b"Action=RunInstances", {"Action": ["DescribeInstances"]}),
        Asked("ec2", "POST", "/", {}, b"Action=DescribeInstances&Action=RunInstances", {}),
        Asked("cloudwatch", "POST", "/service/x/operation/SetAlarmState", {}, b"", {"Action": ["DescribeAlarms"]}),
        Asked("rds", "POST", "/", {}, b"\xef\xbb\xbfAction=CreateDBCluster", {"Action": ["DescribeDBClusters"]}),
        Asked("rds", "POST", "/", {}, b' {"action": "CreateDBCluster"}', {"Action": ["DescribeDBClusters"]}),
    ],
    ids=lambda asked: f"{asked.module} {asked.body.decode()}",
)
def test_a_request_that_names_two_operations_is_refused_whichever_of_them_the_service_would_take(asked: Asked) -> None:
    with pytest.raises(NotAdmittedError, match="a request names "):
        asked.require_used()


def test_what_a_secret_says_is_no_name_of_an_operation() -> None:
    said = Asked("ssm", "POST", "/", {"x-amz-target": "AmazonSSM.PutParameter"}, b'{"Value": "a&Action=b"}', {})

    said.require_used()


def test_an_operation_in_the_path_is_one() -> None:
    with pytest.raises(NotAdmittedError, match="SetAlarmState"):
        Asked("cloudwatch", "POST", "/service/x/operation/SetAlarmState", {}, b"", {}).require_used()
