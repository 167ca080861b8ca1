"""The app's role: what it may do, and that it may do nothing else."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any

from infra.role import AppRole, AppRoleArgs, permissions, trust
from infra.vault import APP_SECRETS
from tests.unit.infra.configs import FARGATE, NAMES, changed, settings
from tests.unit.infra.parts import run
from tests.unit.infra.recorder import Recording, record


def resources(statement: dict[str, Any]) -> list[str]:
    named = statement["Resource"]
    return named if isinstance(named, list) else [named]


def role() -> Recording:
    return record(lambda: AppRole("app", AppRoleArgs.of(settings(FARGATE), NAMES)))


def statements() -> dict[str, dict[str, Any]]:
    """The role's statements as declared, by Sid."""
    document = json.loads(role().one("aws:iam/rolePolicy:RolePolicy").inputs["policy"])
    return {statement["Sid"]: statement for statement in document["Statement"]}


def test_the_app_may_do_these_things_and_no_others() -> None:
    assert {sid: statement["Action"] for sid, statement in statements().items()} == {
        "Objects": ["s3:PutObject", "s3:GetObject", "s3:DeleteObject"],
        "Listing": ["s3:ListBucket"],
        "Secrets": ["secretsmanager:GetSecretValue"],
        "Flags": ["ssm:GetParameter"],
        "Key": ["kms:Decrypt"],
    }


def test_each_only_to_what_is_its_own() -> None:
    found = statements()

    bucket = f"arn:aws:s3:::{NAMES.bucket('evidence')}"
    assert resources(found["Objects"]) == [f"{bucket}/evidence/*", f"{bucket}/spool/*"]
    assert resources(found["Listing"]) == [bucket]
    assert resources(found["Secrets"]) == [NAMES.secret_arns(secret) for secret in APP_SECRETS]
    assert resources(found["Flags"]) == [
        "arn:aws:ssm:eu-central-1:123456789012:parameter/web-next-test/flags/stable",
        "arn:aws:ssm:eu-central-1:123456789012:parameter/web-next-test/flags/candidate",
    ]
    assert resources(found["Key"]) == ["arn:aws:kms:eu-central-1:123456789012:key/*"]
    assert {statement["Effect"] for statement in found.values()} == {"Allow"}


def test_the_app_reads_an_entry_that_the_settings_ask_for_and_no_other() -> None:
    asked = settings(FARGATE, executorAuth="bearer")
    declared = record(lambda: AppRole("app", AppRoleArgs.of(asked, NAMES)))
    document = json.loads(declared.one("aws:iam/rolePolicy:RolePolicy").inputs["policy"])
    (secrets,) = (one for one in document["Statement"] if one["Sid"] == "Secrets")

    assert secrets["Resource"] == [NAMES.secret_arns(one) for one in (*APP_SECRETS, "EXECUTOR_TOKEN")]


def test_the_app_lists_its_own_objects_alone_and_is_told_of_a_missing_one() -> None:
    # StringLike would deny what S3 asks before it says 404: whether the caller may list, without a prefix.
    assert statements()["Listing"]["Condition"] == {"StringLikeIfExists": {"s3:prefix": ["evidence/*", "spool/*"]}}


def test_only_the_stacks_key_decrypts_for_the_app_and_secrets_alone_not_database_or_queues() -> None:
    assert statements()["Key"]["Condition"] == {
        "ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/web-next-test"},
        "StringEquals": {"kms:ViaService": "secretsmanager.eu-central-1.amazonaws.com"},
    }


def test_the_app_has_no_right_on_the_records_bucket() -> None:
    records = [f"arn:aws:s3:::{NAMES.bucket('records')}{path}" for path in ("", "/deployments/stable.json")]
    granted = [pattern for statement in permissions(NAMES) for pattern in resources(statement)]

    assert not [pattern for pattern in granted for arn in records if fnmatchcase(arn, pattern)]


def test_the_role_is_taken_on_by_the_accounts_tasks_on_aws_and_by_the_account_on_a_machine() -> None:
    assert trust("fargate", "123456789012") == {
        "Effect": "Allow",
        "Principal": {"Service": "ecs-tasks.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}},
    }
    assert trust("docker", "123456789012") == {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
        "Action": "sts:AssumeRole",
    }


def test_a_service_takes_a_role_on_for_this_account_alone() -> None:
    declared = run(changed(FARGATE, database={"access": "tunnel"}))
    open_to = {
        role.name
        for role in declared.of("aws:iam/role:Role")
        for statement in json.loads(role.inputs["assumeRolePolicy"])["Statement"]
        if statement.get("Condition") != {"StringEquals": {"aws:SourceAccount": NAMES.account}}
    }

    assert len(declared.of("aws:iam/role:Role")) == 5
    assert open_to == {"bastion"}, "EC2 takes on roles of the instance's own account, and names none"


def test_the_role_has_the_playbooks_name_and_this_one_policy() -> None:
    declared = role()
    made = declared.one("aws:iam/role:Role").inputs

    assert made["name"] == NAMES.app_role
    assert json.loads(made["assumeRolePolicy"])["Statement"] == [trust("fargate", NAMES.account)]
    assert not {"managedPolicyArns", "inlinePolicies"} & made.keys()
    assert len([one for one in declared.registered if one.custom]) == 2
