"""The evaluator answers as AWS documents it. The page of the IAM user guide is named above the tests of its cases."""

from __future__ import annotations

from typing import Any

import pytest

from policy.iam import Decision, Policy, PolicyError, Principal, decide
from tests.support.iam import (
    ACCOUNT,
    ALIASES,
    ALL,
    CARLOS,
    LOGS,
    OTHER,
    PREFIX,
    ROLE,
    asks,
    identity,
    may,
    must_not,
    resource,
)

# Policy evaluation for requests within a single account: reference_policies_evaluation-logic_policy-eval-basics


@pytest.mark.parametrize(
    ("action", "about", "answer"),
    [
        ("s3:ListAllMyBuckets", "*", "allowed"),
        ("s3:PutObject", "arn:aws:s3:::amzn-s3-demo-bucket-carlossalazar/x", "allowed"),
        ("s3:PutObject", f"arn:aws:s3:::{LOGS}/x", "denied"),
        ("s3:PutObject", "arn:aws:s3:::amzn-s3-demo-bucket-mary/x", "not allowed"),
    ],
)
def test_carlos_may_use_his_bucket_and_none_of_logs_though_its_own_policy_lets_him(
    action: str, about: str, answer: str
) -> None:
    his = identity(
        may(Action=["s3:GetBucketLocation", "s3:ListAllMyBuckets"]),
        may(
            Action="s3:*",
            Resource=[f"arn:aws:s3:::amzn-s3-demo-bucket-carlossalazar{end}" for end in ("/*", "")],
        ),
        must_not(Action="s3:*", Resource="arn:aws:s3:::*log*"),
    )
    logs = resource(
        may(Action="s3:*", Principal={"AWS": CARLOS.arn}, Resource=[f"arn:aws:s3:::{LOGS}", f"arn:aws:s3:::{LOGS}/*"])
    )

    assert decide(asks(action, about), his, logs if LOGS in about else None).answer == answer


@pytest.mark.parametrize(
    ("own", "its", "answer"),
    [
        ([], None, "not allowed"),
        (ALL, None, "allowed"),
        ([], resource(may(Principal={"AWS": ROLE.arn})), "allowed"),
        ([], resource(may(Principal={"AWS": ROLE.session_arn})), "allowed"),
        ([], resource(may(Principal="*")), "allowed"),
        ([], resource(may(Principal={"AWS": "*"})), "allowed"),
        ([], resource(may(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"})), "not allowed"),
        (ALL, resource(may(Principal={"AWS": ACCOUNT})), "allowed"),
        (ALL, resource(must_not(Principal={"AWS": ROLE.arn})), "denied"),
        (ALL, resource(must_not(Principal={"AWS": CARLOS.arn})), "allowed"),
        (ALL, resource(must_not(Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"})), "denied"),
        ([*ALL, *identity(must_not())], resource(may(Principal={"AWS": ROLE.arn})), "denied"),
    ],
)
def test_within_an_account_either_policy_allows_and_any_deny_wins(
    own: list[Policy], its: Policy | None, answer: str
) -> None:
    assert decide(asks("s3:GetObject", who=ROLE), own, its).answer == answer


def test_a_roles_session_is_named_without_the_roles_path() -> None:
    assert ROLE.session_arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/app/task"


def test_a_decision_names_the_statements_that_made_it() -> None:
    both = decide(asks("s3:GetObject"), ALL, resource(may(Sid="Its", Principal="*")))

    assert both == Decision(answer="allowed", because=frozenset({"May", "Its"}))
    assert decide(asks("s3:GetObject"), [*ALL, *identity(must_not())]).because == {"MustNot"}
    assert decide(asks("s3:GetObject")).because == frozenset()


# Cross-account policy evaluation logic: reference_policies_evaluation-logic-cross-account


@pytest.mark.parametrize(
    ("own", "named", "answer"),
    [
        (ALL, None, "not allowed"),
        ([], CARLOS.arn, "not allowed"),
        (ALL, CARLOS.arn, "allowed"),
        (ALL, f"arn:aws:iam::{ACCOUNT}:root", "allowed"),
        (ALL, ACCOUNT, "allowed"),
        (ALL, f"arn:aws:iam::{OTHER}:root", "not allowed"),
    ],
)
def test_from_another_account_both_must_allow(own: list[Policy], named: str | None, answer: str) -> None:
    its = resource(may(Principal={"AWS": named})) if named else None

    assert decide(asks("s3:GetObject", owner=OTHER), own, its).answer == answer


# Default key policy, of the KMS developer guide; Update a role trust policy, of the IAM user guide


@pytest.mark.parametrize(
    ("action", "about"),
    [
        ("kms:Decrypt", f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1"),
        ("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/r"),
        ("STS:assumerole", f"arn:aws:iam::{ACCOUNT}:role/r"),
    ],
)
def test_for_a_key_and_for_a_role_a_policy_of_ones_own_is_not_enough(action: str, about: str) -> None:
    def asked(who: str | None, own: list[Policy]) -> bool:
        return decide(asks(action, about), own, resource(may(Principal={"AWS": who})) if who else None).allowed

    assert not asked(None, ALL)
    assert asked(f"arn:aws:iam::{ACCOUNT}:root", ALL), "the account's own policies decide"
    assert not asked(f"arn:aws:iam::{ACCOUNT}:root", [])
    assert asked(CARLOS.arn, [])
    assert not asked(ROLE.arn, ALL)


# Permissions boundaries for IAM entities: access_policies_boundaries


@pytest.mark.parametrize(
    ("own", "its", "boundary", "answer"),
    [
        (ALL, None, may(Action="s3:*"), "allowed"),
        (ALL, None, may(Action=["cloudwatch:*", "ec2:*"]), "not allowed"),
        (ALL, None, must_not(Action="s3:*"), "denied"),
        ([], None, may(Action="s3:*"), "not allowed"),
        ([], resource(may(Principal={"AWS": ROLE.arn})), may(Action="s3:*"), "allowed"),
        ([], resource(may(Principal={"AWS": ROLE.arn})), may(Action="ec2:*"), "not allowed"),
        (ALL, resource(must_not(Principal={"AWS": ROLE.arn})), may(Action="s3:*"), "denied"),
    ],
)
def test_within_a_boundary_nothing_is_allowed_that_it_does_not_allow_too(
    own: list[Policy], its: Policy | None, boundary: dict[str, Any], answer: str
) -> None:
    (bounds,) = identity(boundary)

    assert decide(asks("s3:GetObject", who=ROLE), own, its, bounds).answer == answer


# AWS JSON policy elements: Principal: reference_policies_elements_principal


def test_a_service_and_a_stranger_have_what_the_resource_gives_and_nothing_else() -> None:
    service, stranger = Principal(service="sns.amazonaws.com"), Principal()
    for_service = resource(may(Principal={"Service": "sns.amazonaws.com"}))

    assert decide(asks("sns:Publish", who=service), [], for_service).allowed
    assert not decide(asks("sns:Publish", who=Principal(service="sqs.amazonaws.com")), [], for_service).allowed
    assert not decide(asks("sns:Publish", who=stranger), ALL, for_service).allowed
    assert decide(asks("s3:GetObject", who=stranger), [], resource(may(Principal="*"))).allowed
    assert not decide(asks("s3:GetObject", who=stranger), ALL).allowed


# AWS JSON policy elements: NotPrincipal: reference_policies_elements_notprincipal


@pytest.mark.parametrize(
    ("spared", "who", "denied"),
    [
        (["user/bob", "root"], Principal(arn=f"arn:aws:iam::{ACCOUNT}:user/bob"), False),
        (["user/bob"], Principal(arn=f"arn:aws:iam::{ACCOUNT}:user/bob"), True),
        (["user/bob", "root"], CARLOS, True),
        (["role/path/app", "root"], ROLE, False),
        (["role/path/app"], ROLE, True),
        (["user/bob", "root"], Principal(), True),
    ],
)
def test_notprincipal_denies_everybody_who_is_not_there_with_the_account(
    spared: list[str], who: Principal, denied: bool
) -> None:
    names = [f"arn:aws:iam::{ACCOUNT}:{name}" for name in spared]
    its = resource(may(Principal="*"), must_not(NotPrincipal={"AWS": names}))

    assert (decide(asks("s3:GetObject", who=who), [], its).answer == "denied") is denied


# What is not known never passes


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (may(Condition={"DateLessThan": {"aws:CurrentTime": "2030-01-01"}}), "operator DateLessThan is not known"),
        (may(Condition={"StringEqual": {PREFIX: "a"}}), "operator StringEqual is not known"),
        (may(Condition={"ForAnyValue:StringEqualsIfExists": {ALIASES: "a"}}), "is not known"),
        (may(Condition={"StringEquals": {"aws:RequestedRegion": "a"}}), "key aws:RequestedRegion is not known"),
        (may(Condition={"Null": {"aws:RequestedRegion": "true"}}), "key aws:RequestedRegion is not known"),
        (may(Condition={"StringEquals": {ALIASES: "a"}}), "needs ForAllValues or ForAnyValue"),
        (may(Condition={"ForAllValues:StringEquals": {PREFIX: "a"}}), "must have neither"),
        (may(Condition={"StringLike": {PREFIX: "${aws:PrincipalTag/team}"}}), "key aws:PrincipalTag/team is not known"),
        (may(Resource="arn:aws:s3:::b/${aws:SourceIp}/*"), "key aws:SourceIp is not known"),
        (may(Resource="arn:aws:s3:::b/${kms:ResourceAliases}"), "has many values"),
        (may(NotResource="arn:aws:s3:::b/${aws:username}/*"), "aws:username stands in a negation"),
        (may(Condition={"StringNotLike": {PREFIX: "${aws:username}/*"}}), "aws:username stands in a negation"),
        (may(NotAction="s3:*", Action="s3:*"), "Action or NotAction, not both"),
        (may(NotResource="a", Resource="b"), "Resource or NotResource, not both"),
        (may(Effect="allow"), "Effect is 'allow'"),
        (may(Resources="*"), "element Resources"),
        ({"Effect": "Allow", "Resource": "*"}, "needs Action or NotAction"),
        ({"Effect": "Allow", "Action": "*"}, "names resources and no principal"),
        (may(Principal="*"), "names resources and no principal"),
    ],
)
def test_what_is_not_known_in_an_identity_policy_is_an_error(statement: dict[str, Any], said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        identity(statement)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        (may(), "names principals"),
        (may(NotPrincipal={"AWS": ACCOUNT}), "NotPrincipal with Allow"),
        (must_not(NotPrincipal="*", Principal="*"), "Principal or NotPrincipal, not both"),
        (may(Principal={"CanonicalUser": "a1b2"}), "type CanonicalUser are not known"),
        (may(Principal={"AWS": "arn:aws:iam::123456789012:role/*"}), "is no pattern"),
    ],
)
def test_what_is_not_known_in_a_resource_policy_is_an_error(statement: dict[str, Any], said: str) -> None:
    with pytest.raises(PolicyError, match=said):
        resource(statement)


@pytest.mark.parametrize("document", [{"Statement": []}, {"Version": "2008-10-17", "Statement": []}])
def test_a_policy_of_another_version_of_the_language_is_an_error(document: dict[str, Any]) -> None:
    with pytest.raises(PolicyError, match="has Version 2012-10-17"):
        Policy.of_identity(document)


@pytest.mark.parametrize(
    "context", [{"aws:RequestedRegion": "a"}, {"S3:prefix": "a"}, {ALIASES: "a"}, {PREFIX: ("a",)}]
)
def test_a_request_that_says_what_is_not_known_is_an_error(context: dict[str, Any]) -> None:
    with pytest.raises(PolicyError):
        asks("s3:ListBucket", context=context)


# Configuring a role for GitHub OIDC identity provider: id_roles_create_for-idp_oidc


@pytest.mark.parametrize(
    ("provider", "sub", "answer"),
    [
        ("token.actions.githubusercontent.com", "repo:GitHubOrg/GitHubRepo:ref:refs/heads/GitHubBranch", "allowed"),
        ("token.actions.githubusercontent.com", "repo:GitHubOrg/Other:ref:refs/heads/GitHubBranch", "not allowed"),
        ("accounts.google.com", "repo:GitHubOrg/GitHubRepo:ref:refs/heads/GitHubBranch", "not allowed"),
    ],
)
def test_whom_an_identity_provider_vouches_for_takes_a_role_on_as_its_trust_policy_says(
    provider: str, sub: str, answer: str
) -> None:
    github = "token.actions.githubusercontent.com"
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{github}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {
                f"{github}:aud": "sts.amazonaws.com",
                f"{github}:sub": "repo:GitHubOrg/GitHubRepo:ref:refs/heads/GitHubBranch",
            }
        },
    }
    request = asks(
        "sts:AssumeRoleWithWebIdentity",
        str(ROLE.arn),
        Principal(federated=f"arn:aws:iam::{ACCOUNT}:oidc-provider/{provider}"),
        context={f"{github}:aud": "sts.amazonaws.com", f"{github}:sub": sub},
    )

    assert decide(request, resource=resource(statement)).answer == answer
