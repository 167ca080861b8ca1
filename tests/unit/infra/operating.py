"""What cutover's own calls ask AWS for, by the method of the client that each calls."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import botocore.session
from botocore import xform_name

from infra.naming import Names
from tests.unit.infra.configs import ACCOUNT, REGION
from tests.unit.infra.deploying import KEY, VIA, Context
from tests.unit.infra.deployment import ZONE

OF_OTHERS = {"sign", "verify"}
"""Methods of KMS' client, and of what cutover calls so itself."""
CUTOVER = Path(__file__).parents[3] / "cutover"
CLIENTS = (
    *("acm", "application-autoscaling", "autoscaling", "cloudwatch", "ecr", "ecs", "elbv2", "iam", "kms", "rds"),
    *("route53", "s3", "secretsmanager", "sns", "ssm", "sts"),
)
PROD = Names(stack="prod", account=ACCOUNT, region=REGION)
STATE, RECORDS, EVIDENCE = (
    f"arn:aws:s3:::{name}" for name in (f"web-next-state-{ACCOUNT}", PROD.bucket("records"), PROD.bucket("evidence"))
)


def _arn(service: str, what: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{what}"


STATE_FILE = f"{STATE}/.pulumi/stacks/web-next/prod.json"
ROLLOUT, JOURNAL, PACK = (f"{RECORDS}/{key}" for key in ("rollout.json", "journal.json", "rollouts/r/manifest.json"))
LISTENER = _arn("elasticloadbalancing", f"listener/app/{PROD.prefix}/1/2")
FLAGS = _arn("ssm", f"parameter{PROD.flags_parameters.candidate}")
CHANNEL = _arn("secretsmanager", f"secret:{PROD.vault_prefix}SLACK_WEBHOOK_URL-a1B2c3")
SERVICE = _arn("ecs", f"service/{PROD.prefix}/candidate")
TARGET = _arn("application-autoscaling", "scalable-target/1234abcd")
REPOSITORY = _arn("ecr", f"repository/{PROD.prefix}")
ZONES = f"arn:aws:route53:::hostedzone/{ZONE}"
IN_ECS = {"application-autoscaling:service-namespace": "ecs"}
STATE_KEY = {"kms:ResourceAliases": ("alias/web-next-state",)}
CHANNEL_KEY = {"kms:ResourceAliases": (PROD.key_alias,), **VIA["secretsmanager"]}
Right = tuple[str, str, Context]
LOOKS: dict[str, list[Right]] = {
    "describe_listeners": [("elasticloadbalancing:DescribeListeners", "*", {})],
    "describe_rules": [("elasticloadbalancing:DescribeRules", "*", {})],
    "describe_tags": [("elasticloadbalancing:DescribeTags", "*", {})],
    "get_metric_data": [("cloudwatch:GetMetricData", "*", {})],
    "get_object": [("s3:GetObject", ROLLOUT, {}), ("s3:GetObjectVersion", ROLLOUT, {})],
    "list_objects_v2": [("s3:ListBucket", RECORDS, {})],
    "list_object_versions": [("s3:ListBucketVersions", RECORDS, {})],
}
"""The calls of a look: what routes, what gates go by, what is written."""
FLIPS: dict[str, list[Right]] = {
    "describe_scalable_targets": [("application-autoscaling:DescribeScalableTargets", "*", {})],
    "register_scalable_target": [
        ("application-autoscaling:RegisterScalableTarget", TARGET, IN_ECS),
        ("ecs:DescribeServices", SERVICE, {}),
        ("ecs:UpdateService", SERVICE, {}),
    ],
    "modify_listener": [("elasticloadbalancing:ModifyListener", LISTENER, {})],
    "add_tags": [("elasticloadbalancing:AddTags", LISTENER, {})],
    "get_parameter": [("ssm:GetParameter", FLAGS, {})],
    "put_parameter": [("ssm:PutParameter", FLAGS, {})],
    "put_object": [("s3:PutObject", each, {}) for each in (ROLLOUT, JOURNAL, PACK)],
    "get_secret_value": [("secretsmanager:GetSecretValue", CHANNEL, {}), ("kms:Decrypt", KEY, CHANNEL_KEY)],
}
"""Those of a rollback and of `cutover traffic`."""
PUSHES: dict[str, list[Right]] = {
    "get_authorization_token": [("ecr:GetAuthorizationToken", "*", {})],
    "batch_get_image": [("ecr:BatchGetImage", REPOSITORY, {})],
}
DOCKER_PUSHES: list[Right] = [
    (f"ecr:{name}", REPOSITORY, {})
    for name in (
        "BatchCheckLayerAvailability",
        "CompleteLayerUpload",
        "DescribeImageScanFindings",
        "GetDownloadUrlForLayer",
        "InitiateLayerUpload",
        "PutImage",
        "UploadLayerPart",
    )
]
"""What Docker's push asks the registry for (ECR user guide, "IAM permissions for pushing an image"), and what the
workflow asks of the scan."""
BRINGS_UP: dict[str, list[Right]] = {
    "change_resource_record_sets": [("route53:ChangeResourceRecordSets", ZONES, {})],
    "delete_db_instance": [("rds:DeleteDBInstance", _arn("rds", f"db:{PROD.prefix}-audit-drill-1"), {})],
    "describe_auto_scaling_groups": [("autoscaling:DescribeAutoScalingGroups", "*", {})],
    "describe_certificate": [("acm:DescribeCertificate", _arn("acm", "certificate/1"), {})],
    "describe_db_instances": [("rds:DescribeDBInstances", _arn("rds", "db:*"), {})],
    "describe_key": [("kms:DescribeKey", KEY, {})],
    "describe_load_balancers": [("elasticloadbalancing:DescribeLoadBalancers", "*", {})],
    "describe_repositories": [("ecr:DescribeRepositories", REPOSITORY, {})],
    "describe_secret": [("secretsmanager:DescribeSecret", CHANNEL, {})],
    "describe_services": [("ecs:DescribeServices", SERVICE, {})],
    "describe_target_health": [("elasticloadbalancing:DescribeTargetHealth", "*", {})],
    "describe_tasks": [("ecs:DescribeTasks", _arn("ecs", f"task/{PROD.prefix}/1"), {})],
    "get_bucket_versioning": [("s3:GetBucketVersioning", STATE, {})],
    "get_caller_identity": [],  # AWS asks nobody for a right to it
    "get_change": [("route53:GetChange", "arn:aws:route53:::change/C1", {})],
    "get_hosted_zone": [("route53:GetHostedZone", ZONES, {})],
    "get_role": [("iam:GetRole", f"arn:aws:iam::{ACCOUNT}:role/web-next-deploy", {})],
    "list_resource_record_sets": [("route53:ListResourceRecordSets", ZONES, {})],
    "list_subscriptions_by_topic": [("sns:ListSubscriptionsByTopic", _arn("sns", f"{PROD.prefix}-alarms"), {})],
    "list_tasks": [("ecs:ListTasks", "*", {})],
    "restore_db_instance_to_point_in_time": [
        *(
            ("rds:RestoreDBInstanceToPointInTime", _arn("rds", what), {})
            for what in (
                f"db:{PROD.prefix}-audit-drill-1",
                f"pg:{PROD.prefix}-audit-postgres17",
                f"subgrp:{PROD.prefix}-audit",
                "og:default:postgres-17",
                "auto-backup:ab-1",
            )
        ),
        ("rds:AddTagsToResource", _arn("rds", f"db:{PROD.prefix}-audit-drill-1"), {}),
    ],
    "start_session": [],  # test_deployer.py asks for each part of it
    "terminate_session": [],
    "update_service": [("ecs:UpdateService", SERVICE, {})],
}
"""What `up`, smoke, a rollout's verbs, `preflight`, `dns` and `drill restore` ask for besides."""
BEHIND: list[Right] = [
    ("s3:GetObject", STATE_FILE, {}),
    ("s3:PutObject", STATE_FILE, {}),
    ("s3:DeleteObject", STATE_FILE, {}),
    ("s3:ListBucket", STATE, {}),
    ("kms:Decrypt", KEY, STATE_KEY),
    ("kms:Encrypt", KEY, STATE_KEY),
    ("s3:GetObject", f"{EVIDENCE}/evidence/run.zip", {}),
]
"""Pulumi's own, of its state, and what smoke reads in another bucket."""


@cache
def _operations() -> frozenset[str]:
    session = botocore.session.get_session()
    return frozenset(
        xform_name(operation) for client in CLIENTS for operation in session.get_service_model(client).operation_names
    )


def called(folder: Path = CUTOVER) -> Iterator[tuple[str, str]]:
    """Each call of a client of AWS in a folder of modules, or its paginator: the module and the method. `_call` takes
    the method's name where a module has one."""
    for module in sorted(folder.rglob("*.py")) if folder.is_dir() else [folder]:
        for node in ast.walk(ast.parse(module.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            named = node.func.attr
            if named in ("_call", "get_paginator") and node.args and isinstance(node.args[0], ast.Constant):
                named = str(node.args[0].value)
            if named in _operations() - OF_OTHERS:
                yield module.name, named
