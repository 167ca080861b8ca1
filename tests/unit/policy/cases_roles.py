"""Cases of the rules on roles, users and groups: what they may do, and who may take them on."""

from __future__ import annotations

import json

from tests.unit.policy import captured
from tests.unit.policy.case import Case
from tests.unit.policy.cases_data import OPEN
from tests.unit.policy.changes import Change, beside, hide, put, rewrite

OURS = "repo:ours/cutover:pull_request"
SUBJECT = '"token.actions.githubusercontent.com:sub":["repo:ours/cutover:pull_request"]'
TRUSTS_TOKENS = ("Role preview", "assumeRolePolicy")


def lets_owner(action: str, resource: str) -> str:
    """A policy of a user or role."""
    one = {"Effect": "Allow", "Action": action, "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [one]})


def also(statement: str) -> Change:
    """One more statement of the app's role."""
    return rewrite("RolePolicy app", "policy", '"Statement": [', f'"Statement": [{statement}')


USER_POLICY, LISTS = "aws:iam/userPolicy:UserPolicy", lets_owner("s3:ListBucket", "*")
NARROW, ADMINISTRATOR = (
    f"arn:aws:iam::aws:policy/{one}" for one in ("AmazonSSMManagedInstanceCore", "AdministratorAccess")
)


CASES = [
    Case(
        rule="iam-actions-named",
        at="app",
        bad=[
            rewrite("RolePolicy app", "policy", '"s3:ListBucket"', '"s3:*"'),
            put("Role app", "inlinePolicies", [{"name": "all", "policy": OPEN}]),
            rewrite("RolePolicy app", "policy", '"ssm:GetParameter"', '"*"'),
            rewrite("RolePolicy app", "policy", '"Action": ["ssm:GetParameter"]', '"NotAction": ["ssm:GetParameter"]'),
        ],
        unknown=hide("RolePolicy app", "policy"),
    ),
    Case(
        rule="iam-data-named",
        at="app",
        bad=[
            rewrite(
                "RolePolicy app",
                "policy",
                '"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/web-next-test"}, ',
                "",
            ),
            rewrite("RolePolicy app", "policy", "secret:web-next-test/REDIS_URL-??????", "secret:*"),
            rewrite("RolePolicy app", "policy", "web-next-test-evidence-123456789012/evidence/*", "*"),
            rewrite(
                "RolePolicy app", "policy", '"kms:ResourceAliases": "alias/web-next-test"', '"kms:ResourceAliases": "*"'
            ),
            rewrite("RolePolicy app", "policy", "ForAnyValue:StringEquals", "ForAllValues:StringEquals"),
            rewrite(
                "RolePolicy app", "policy", '"Action": ["kms:Decrypt"]', '"Action": ["kms:Decrypt", "s3:GetObject"]'
            ),
            *(
                also(f'{{"Effect": "Allow", "Action": "{one}", "Resource": "*"}}, ')
                for one in ("ssm:GetParameters", "ssm:getparametersbypath", "s3:GetObjectVersion", "sts:AssumeRole")
            ),
            *(
                also(f'{{"Effect": "Allow", "Action": "{action}", "Resource": "{one}"}}, ')
                for action, one in (
                    ("s3:GetObject", "arn:aws:s3:::?*"),
                    ("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:*:*:secret*"),
                )
            ),
        ],
        unknown=hide("RolePolicy app", "policy"),
    ),
    Case(
        rule="iam-managed-policies-narrow",
        at="bastion",
        bad=[
            put("RolePolicyAttachment bastion", "policyArn", "arn:aws:iam::aws:policy/AdministratorAccess"),
            put("Role bastion", "managedPolicyArns", ["arn:aws:iam::aws:policy/ReadOnlyAccess"]),
        ],
        unknown=hide("RolePolicyAttachment bastion", "policyArn"),
    ),
    *(
        Case(
            rule=rule,
            at="person",
            stack=lambda: beside(USER_POLICY, "person", policy=LISTS)(captured.prod()),
            bad=[put("UserPolicy person", "policy", lets_owner(action, "*"))],
            unknown=hide("UserPolicy person", "policy"),
        )
        for rule, action in (("iam-actions-named", "*"), ("iam-data-named", "s3:GetObject"))
    ),
    *(
        Case(
            rule="iam-managed-policies-narrow",
            at="person",
            stack=lambda kind=kind: beside(kind, "person", policyArn=NARROW)(captured.prod()),  # type: ignore[misc]
            bad=[put(f"{kind.rpartition(':')[2]} person", "policyArn", ADMINISTRATOR)],
            unknown=hide(f"{kind.rpartition(':')[2]} person", "policyArn"),
        )
        for kind in (
            "aws:iam/policyAttachment:PolicyAttachment",
            "aws:iam/userPolicyAttachment:UserPolicyAttachment",
            "aws:iam/groupPolicyAttachment:GroupPolicyAttachment",
        )
    ),
    Case(
        rule="iam-trust-narrow",
        at="app",
        bad=[
            rewrite("Role app", "assumeRolePolicy", '{"Service": "ecs-tasks.amazonaws.com"}', '"*"'),
            rewrite(
                "Role app",
                "assumeRolePolicy",
                ', "Condition": {"StringEquals": {"aws:SourceAccount": "123456789012"}}',
                "",
            ),
            rewrite("Role app", "assumeRolePolicy", '"StringEquals"', '"StringNotEquals"'),
            rewrite("Role app", "assumeRolePolicy", '"StringEquals"', '"StringEqualsIfExists"'),
            rewrite(
                "Role app",
                "assumeRolePolicy",
                '{"StringEquals": {"aws:SourceAccount": "123456789012"}}',
                '{"StringLike": {"aws:SourceAccount": "*"}}',
            ),
            rewrite(
                "Role app",
                "assumeRolePolicy",
                '{"Service": "ecs-tasks.amazonaws.com"}',
                '{"AWS": "arn:aws:iam::444455556666:role/123456789012"}',
            ),
        ],
        unknown=hide("Role app", "assumeRolePolicy"),
        good=[
            rewrite(
                "Role app",
                "assumeRolePolicy",
                '"Condition": {',
                '"Condition": {"ArnLike": {"aws:SourceArn": "arn:aws:ecs:eu-central-1:123456789012:*"}, ',
            )
        ],
    ),
    Case(
        rule="iam-trust-narrow",
        at="preview",
        stack=captured.account,
        bad=[
            rewrite(*TRUSTS_TOKENS, f",{SUBJECT}", ""),
            rewrite(*TRUSTS_TOKENS, '"token.actions.githubusercontent.com:aud":"sts.amazonaws.com",', ""),
            rewrite(*TRUSTS_TOKENS, "StringEquals", "StringNotEquals"),
            *(
                rewrite(*TRUSTS_TOKENS, f",{SUBJECT}}}", f'}},"StringLike":{{{SUBJECT.replace(OURS, other)}}}')
                for other in (
                    *("*", "repo:*", "repo:*:pull_request", "repo:ours/*", "repo:ours/*:pull_request"),
                    *("repo:ours*/cutover:pull_request", "repo:*/cutover:pull_request", "repo:ours/cutover*"),
                    *("repo:ours@1/*:pull_request", "repo:*@1/cutover@2:pull_request", "repo:ours@1/cutover@2*"),
                )
            ),
        ],
        unknown=hide("Role preview", "assumeRolePolicy"),
        good=[
            rewrite(*TRUSTS_TOKENS, OURS, "repo:ours@1/cutover@2:pull_request"),
            rewrite(*TRUSTS_TOKENS, f",{SUBJECT}}}", f'}},"StringLike":{{{SUBJECT.replace("pull_request", "*")}}}'),
        ],
    ),
]
