"""Roles: who takes them on, and what they may do with it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from policy import documents
from policy.resources import Resource, Stack
from policy.rule import rule

ROLE, ROLE_POLICY = "aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy"
ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
MANAGED, PROVIDER = "aws:iam/policy:Policy", "pulumi:providers:aws"
NARROW = ("AmazonSSMManagedInstanceCore",)
"""AWS' own policies that a role may have: they give no data away."""
GUARDED = ("secretsmanager:GetSecretValue", "s3:GetObject", "kms:Decrypt", "ssm:GetParameter", "iam:PassRole")
"""What reads data, or gives a role away: never of everything."""
OF_THE_ACCOUNT = ("ecs-tasks.amazonaws.com", "scheduler.amazonaws.com")
"""Services that take roles on for whoever asks them, unless the role asks for whom."""


@rule(
    "iam-actions-named",
    ROLE_POLICY,
    MANAGED,
    ROLE,
    severity="high",
    covers=["FSBP IAM.1", "FSBP IAM.21", "CIS 1.16"],
    todo="write out the actions that the role needs",
)
def actions_named(policy: Resource, _stack: Stack) -> Iterator[str]:
    """A role's policy names its actions, one by one"""
    for statement in _allowing(policy):
        if "NotAction" in statement:
            yield f"{_sid(statement)} allows all but NotAction"
        if wide := [one for one in documents.as_list(statement.get("Action")) if "*" in one or "?" in one]:
            yield f"{_sid(statement)} allows {', '.join(wide)}"


@rule(
    "iam-data-named",
    ROLE_POLICY,
    MANAGED,
    ROLE,
    severity="high",
    covers=["FSBP KMS.1", "FSBP KMS.2"],
    todo="name the buckets, entries, parameters and roles, and a key by its alias or the entries it is for",
)
def data_named(policy: Resource, _stack: Stack) -> Iterator[str]:
    """A role reads the data, and passes on the roles, that its policy names, and not whatever there is"""
    for statement in _allowing(policy):
        actions = {one.lower() for one in documents.as_list(statement.get("Action"))}
        reads = [one for one in GUARDED if one.lower() in actions]
        wide = [one for one in documents.as_list(statement.get("Resource", "*")) if _names_nothing(one)]
        if reads and wide and not _of_named_keys(statement):
            yield f"{_sid(statement)} allows {', '.join(reads)} on {', '.join(wide)}"


@rule(
    "iam-managed-policies-narrow",
    ATTACHMENT,
    ROLE,
    severity="high",
    covers=["FSBP IAM.1", "CIS 1.16", "CIS 1.22"],
    todo="write a policy of the role's own with what it needs",
)
def managed_narrow(attached: Resource, _stack: Stack) -> Iterator[str]:
    """A role has none of AWS' own policies but the few that give no data away"""
    path = "policyArn" if attached.type == ATTACHMENT else "managedPolicyArns"
    for arn in attached.all(path):
        if ":aws:policy/" in arn and arn.rpartition("/")[2] not in NARROW:
            yield f"{arn} is attached"


@rule(
    "iam-trust-narrow",
    ROLE,
    severity="high",
    todo="name one service or account, and where others could send it, aws:SourceAccount or the token's aud and sub",
)
def trust_narrow(role: Resource, stack: Stack) -> Iterator[str]:
    """A role is taken on by whom it names alone, and for this account or repository alone"""
    for statement in documents.statements(role.document("assumeRolePolicy")):
        if statement["Effect"] != "Allow":
            continue
        who = statement.get("Principal", "*")
        if who == "*" or "*" in documents.as_list(who.get("AWS")):
            yield "everybody may take it on"
            continue
        strangers = _of_others(documents.as_list(who.get("AWS")), stack)
        yield from (f"{one} is of another account and may take it on" for one in strangers)
        asked = {key.lower(): operator for operator, keys in _conditions(statement).items() for key in keys}
        if set(documents.as_list(who.get("Service"))) & set(OF_THE_ACCOUNT) and "aws:sourceaccount" not in asked:
            yield f"{who['Service']} may take it on for any account: no aws:SourceAccount"
        for provider in documents.as_list(who.get("Federated")):
            host = provider.partition("oidc-provider/")[2]
            if missing := [key for key in ("aud", "sub") if f"{host}:{key}".lower() not in asked]:
                yield f"any token of {host} takes it on: no {' and no '.join(missing)}"
            for keys in _conditions(statement).values():
                loose = [one for key in keys if key.endswith(":sub") for one in documents.as_list(keys[key])]
                yield from (f"sub is {one}" for one in loose if "*" in one.rpartition(":")[0])


def _of_others(arns: list[str], stack: Stack) -> list[str]:
    """Those of other accounts than the provider is allowed to work in; none where it is not told."""
    own = {account for one in stack.of(PROVIDER) for account in one.document("allowedAccountIds") or []}
    return [one for one in arns if own and not any(account in one for account in own)]


def _conditions(statement: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    found: Mapping[str, Mapping[str, Any]] = statement.get("Condition", {})
    return found


def _allowing(policy: Resource) -> list[Mapping[str, Any]]:
    if policy.type == ROLE:  # one may be written into the role itself
        written = [json.loads(one["policy"]) for one in policy.all("inlinePolicies") if one.get("policy")]
    else:
        written = [policy.document("policy")]
    return [one for document in written for one in documents.statements(document) if one["Effect"] == "Allow"]


def _sid(statement: Mapping[str, Any]) -> str:
    return str(statement.get("Sid", "a statement"))


def _names_nothing(arn: str) -> bool:
    """Whether a Resource is everything, or everything of one kind: `*`, `arn:…:key/*`, `arn:aws:s3:::*`."""
    return arn == "*" or arn.split(":", 5)[-1] in ("*", "*/*", "key/*", "secret:*", "parameter/*", "role/*")


def _of_named_keys(statement: Mapping[str, Any]) -> bool:
    """Whether it holds for keys by their aliases, or for what Secrets Manager decrypts of entries by their names."""
    named = {"kms:ResourceAliases", "kms:EncryptionContext:SecretARN"}
    return any(named & keys.keys() for keys in _conditions(statement).values())
