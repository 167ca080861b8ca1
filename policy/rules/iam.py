"""Roles: who takes them on, and what they may do with it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from policy import documents
from policy.iam import Principal
from policy.iam.patterns import like
from policy.resources import Resource, Stack
from policy.rule import rule

ROLE, ROLE_POLICY = "aws:iam/role:Role", "aws:iam/rolePolicy:RolePolicy"
ATTACHMENT = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
MANAGED = "aws:iam/policy:Policy"
POLICIES = (ROLE_POLICY, MANAGED, ROLE, "aws:iam/userPolicy:UserPolicy", "aws:iam/groupPolicy:GroupPolicy")
ATTACHMENTS = (
    ATTACHMENT,
    ROLE,
    "aws:iam/policyAttachment:PolicyAttachment",
    "aws:iam/userPolicyAttachment:UserPolicyAttachment",
    "aws:iam/groupPolicyAttachment:GroupPolicyAttachment",
)
NARROW = ("AmazonSSMManagedInstanceCore",)
"""AWS' own policies that a role may have: they give no data away."""
GUARDED = (
    *("secretsmanager:GetSecretValue", "s3:GetObject*", "ssm:GetParameter*", "kms:Decrypt", "kms:ReEncrypt*"),
    *("iam:PassRole", "sts:AssumeRole*"),
)
"""What reads data, gives a role away or takes one on: never of everything."""
OF_THE_ACCOUNT = ("ecs-tasks.amazonaws.com", "scheduler.amazonaws.com")
"""Services that take roles on for whoever asks them, unless the role asks for whom."""
TAKING = ("sts:AssumeRole", "sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity")
AUDIENCE, SUBJECT = (f"token.actions.githubusercontent.com:{claim}" for claim in ("aud", "sub"))
_NOTHING = re.compile(r"(?:(?:alias|key|parameter|role|secret)[:/]?)?[*?/]*")
_NAMING = {f"{many}{operator}" for many in ("", "ForAnyValue:") for operator in ("StringEquals", "StringLike")}
_NAMING |= {"ArnEquals", "ArnLike"}
_STRANGE_SUBJECT = "repo:stranger/repository:environment:any"
_ROLE = f"arn:aws:iam::{documents.OWNER}:role/any"


@rule(
    "iam-actions-named",
    *POLICIES,
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
    *POLICIES,
    severity="high",
    covers=["FSBP KMS.1", "FSBP KMS.2"],
    todo="name the buckets, entries, parameters and roles, and a key by its alias or the entries it is for",
)
def data_named(policy: Resource, _stack: Stack) -> Iterator[str]:
    """A role reads the data, and passes on the roles, that its policy names, and not whatever there is"""
    for statement in _allowing(policy):
        actions = documents.as_list(statement.get("Action"))
        reads = [one for one in actions if any(like(guarded, one, ignore_case=True) for guarded in GUARDED)]
        if _of_named_keys(statement):
            reads = [one for one in reads if not one.lower().startswith("kms:")]
        wide = [one for one in documents.as_list(statement.get("Resource", "*")) if _names_nothing(one)]
        if reads and wide:
            yield f"{_sid(statement)} allows {', '.join(reads)} on {', '.join(wide)}"


@rule(
    "iam-managed-policies-narrow",
    *ATTACHMENTS,
    severity="high",
    covers=["FSBP IAM.1", "CIS 1.16", "CIS 1.22"],
    todo="write a policy of the role's own with what it needs",
)
def managed_narrow(attached: Resource, _stack: Stack) -> Iterator[str]:
    """A role has none of AWS' own policies but the few that give no data away"""
    path = "managedPolicyArns" if attached.type == ROLE else "policyArn"
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
    document = role.document("assumeRolePolicy")
    for statement in documents.statements(document):
        who = statement.get("Principal", "*")
        if statement["Effect"] == "Allow" and (who == "*" or "*" in documents.as_list(who.get("AWS"))):
            yield "everybody may take it on"
            return
    for one in documents.of_others(document, stack):
        yield f"{one.arn} is of another account and may take it on"
    for service in OF_THE_ACCOUNT:
        if documents.serves_others(document, service, TAKING, _ROLE):
            yield f"{service} may take it on for any account: no aws:SourceAccount"
    for provider in documents.vouched(document, "Federated"):
        for what, token in _strange_tokens(document):
            if documents.grants(document, Principal(federated=provider), TAKING, _ROLE, token):
                yield f"a token with {what} of {token[what]} takes it on"
                break


def _strange_tokens(document: documents.Document) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Tokens that are not this repository's, or not for AWS, as near to what a document asks for as may be; and which
    claim it is."""
    asked = [keys for statement in documents.statements(document) for keys in _conditions(statement).values()]
    said = {
        claim: [one for keys in asked for key in keys if key.lower() == claim for one in documents.as_list(keys[key])]
        for claim in (AUDIENCE, SUBJECT)
    }
    for subject in (*said[SUBJECT], _STRANGE_SUBJECT):
        yield AUDIENCE, {AUDIENCE: "another", SUBJECT: subject.replace("*", "any").replace("?", "a")}
    for audience in said[AUDIENCE] or ["sts.amazonaws.com"]:
        for subject in (_STRANGE_SUBJECT, *(near for one in said[SUBJECT] for near in _near(one))):
            yield SUBJECT, {AUDIENCE: audience, SUBJECT: subject}


def _near(subject: str) -> Iterator[str]:
    """Subjects of other repositories that a pattern may have meant too, `repo:OWNER/NAME:…`; both may be NAME@ID."""
    kind, _, rest = subject.replace("*", "").replace("?", "a").partition(":")
    repository, _, what = rest.partition(":")
    owner, _, name = repository.partition("/")
    for other in (
        f"stranger/{name}",
        f"{owner}-stranger/{name}",
        f"stranger-{owner}/{name}",
        f"{owner}/stranger",
        f"{owner}/{name}-stranger",
        f"{owner}/stranger-{name}",
    ):
        yield f"{kind}:{other}:{what or 'any'}"


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
    """Whether a Resource is everything, or everything of one kind: `*`, `arn:…:key/*`, `arn:aws:s3:::*`, `alias/*`."""
    return bool(_NOTHING.fullmatch(arn.split(":", 5)[-1]))


def _of_named_keys(statement: Mapping[str, Any]) -> bool:
    """Whether it holds for keys by their aliases, or for what Secrets Manager decrypts of entries by their names."""
    return any(
        operator in _NAMING and not any(map(_names_nothing, documents.as_list(keys[key])))
        for operator, keys in _conditions(statement).items()
        for key in keys
        if key in ("kms:ResourceAliases", "kms:EncryptionContext:SecretARN")
    )
