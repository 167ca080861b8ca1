"""The evaluator answers as AWS documents it. The page of the IAM user guide is named above the tests of its cases."""

from __future__ import annotations

from typing import Any

import pytest

from policy.iam import Decision, Policy, PolicyError, Principal, Request, decide

ACCOUNT, OTHER = "123456789012", "444455556666"
CARLOS = Principal(arn=f"arn:aws:iam::{ACCOUNT}:user/carlossalazar")
ROLE = Principal(arn=f"arn:aws:iam::{ACCOUNT}:role/path/app", session="task")
LOGS = "amzn-s3-demo-bucket-carlossalazar-logs"


def identity(*statements: dict[str, Any]) -> list[Policy]:
    return [Policy.of_identity({"Version": "2012-10-17", "Statement": list(statements)})]


def resource(*statements: dict[str, Any]) -> Policy:
    return Policy.of_resource({"Version": "2012-10-17", "Statement": list(statements)})


def may(**element: Any) -> dict[str, Any]:
    """A statement that allows all, but for what is given."""
    action = {} if "NotAction" in element else {"Action": "*"}
    about = {} if "NotResource" in element else {"Resource": "*"}
    return {"Sid": "May", "Effect": "Allow", **action, **about, **element}


def must_not(**element: Any) -> dict[str, Any]:
    return may(**{"Sid": "MustNot", "Effect": "Deny", **element})


def asks(action: str, about: str = "arn:aws:s3:::b/key", who: Principal = CARLOS, **told: Any) -> Request:
    return Request(principal=who, action=action, resource=about, **{"owner": ACCOUNT, **told})


ALL = identity(may())


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


# IAM JSON policy elements: Action, NotAction: reference_policies_elements_action, reference_policies_elements_notaction


@pytest.mark.parametrize(
    ("element", "action", "met"),
    [
        ({"Action": "iam:*AccessKey*"}, "iam:DeleteAccessKey", True),
        ({"Action": "iam:*AccessKey*"}, "iam:DeleteUser", False),
        ({"Action": "s3:getobject"}, "s3:GetObject", True),
        ({"Action": "s3:GetObject"}, "s3:GetObjectVersion", False),
        ({"Action": "s3:Get?bject"}, "s3:GetObject", True),
        ({"Action": "*"}, "ec2:RunInstances", True),
        ({"NotAction": "s3:DeleteBucket"}, "s3:DeleteBucket", False),
        ({"NotAction": "s3:DeleteBucket"}, "s3:ListBucket", True),
        ({"NotAction": ["iam:*", "s3:*"]}, "iam:CreateUser", False),
    ],
)
def test_actions_have_wildcards_no_case_and_can_be_turned_round(
    element: dict[str, Any], action: str, met: bool
) -> None:
    assert decide(asks(action), identity(may(**element))).allowed is met


# IAM JSON policy elements: Resource, NotResource: reference_policies_elements_resource, …_notresource


@pytest.mark.parametrize(
    ("pattern", "about", "met"),
    [
        ("arn:aws:s3:::amzn-s3-demo-bucket/*/test/*", "arn:aws:s3:::amzn-s3-demo-bucket/1/2/test/3/object.jpg", True),
        ("arn:aws:s3:::amzn-s3-demo-bucket/*/test/*", "arn:aws:s3:::amzn-s3-demo-bucket//test/object.jpg", True),
        ("arn:aws:s3:::amzn-s3-demo-bucket/*/test/*", "arn:aws:s3:::amzn-s3-demo-bucket/1/test/", True),
        ("arn:aws:s3:::amzn-s3-demo-bucket/*/test/*", "arn:aws:s3:::amzn-s3-demo-bucket/1-test/object.jpg", False),
        ("arn:aws:s3:::amzn-s3-demo-bucket/*/test/*", "arn:aws:s3:::amzn-s3-demo-bucket/test/object.jpg", False),
        ("arn:aws:iam::123456789012:user/accounting/*", "arn:aws:iam::123456789012:user/accounting/bob", True),
        ("arn:aws:iam::123456789012:user/Bob", "arn:aws:iam::123456789012:user/bob", False),
        ("arn:aws:s3:::b/a*", "arn:aws:s3:::b/a:colon", True),
        ("arn:aws:logs:*:123456789012:log-group:/x", "arn:aws:logs:eu-central-1:123456789012:log-group:/x", True),
        ("arn:aws:logs:eu-*-1:123456789012:x", "arn:aws:logs:eu-central-1:123456789012:x", True),
        ("arn:aws:logs:*", "arn:aws:logs:eu-central-1:123456789012:log-group:/x", True),
        ("arn:aws:logs:*:log-group:/x", "arn:aws:logs:eu-central-1:123456789012:log-group:/x", True),
        ("arn:aws:logs:eu*1:2:x", "arn:aws:logs:eu:1:2:x", False),
        ("arn:aws:secretsmanager:e:1:secret:p/A-??????", "arn:aws:secretsmanager:e:1:secret:p/A-a1b2c3", True),
        ("arn:aws:secretsmanager:e:1:secret:p/A-??????", "arn:aws:secretsmanager:e:1:secret:p/A-a1b2c3d", False),
        ("arn:aws:secretsmanager:e:1:secret:p/A-??????", "arn:aws:secretsmanager:e:1:secret:p/A-a1b2c", False),
        ("*", "arn:aws:s3:::b", True),
    ],
)
def test_a_resource_is_a_pattern_part_by_part(pattern: str, about: str, met: bool) -> None:
    assert decide(asks("s3:GetObject", about), identity(may(Resource=pattern))).allowed is met


def test_notresource_denies_all_but_what_it_names() -> None:
    payroll = [f"arn:aws:s3:::HRBucket/Payroll{end}" for end in ("", "/*")]
    own = [*ALL, *identity(must_not(Action="s3:*", NotResource=payroll))]

    assert decide(asks("s3:GetObject", "arn:aws:s3:::HRBucket/Payroll/may"), own).allowed
    assert decide(asks("s3:GetObject", "arn:aws:s3:::HRBucket/Other"), own).answer == "denied"


# IAM JSON policy elements: Condition operators: reference_policies_elements_condition_operators
# Set operators for multivalued context keys: reference_policies_condition-single-vs-multi-valued-context-keys

PREFIX, ALIASES = "s3:prefix", "kms:ResourceAliases"


@pytest.mark.parametrize(
    ("operator", "key", "wanted", "has", "met"),
    [
        ("StringEquals", PREFIX, "a/", "a/", True),
        ("StringEquals", PREFIX, "a/*", "a/b", False),
        ("StringEquals", PREFIX, ["a/", "b/"], "b/", True),
        ("StringEquals", PREFIX, "a/", None, False),
        ("StringEquals", "S3:PREFIX", "a/", "a/", True),
        ("StringEqualsIfExists", PREFIX, "a/", None, True),
        ("StringEqualsIfExists", PREFIX, "a/", "b/", False),
        ("StringEqualsIgnoreCase", PREFIX, "A/", "a/", True),
        ("StringNotEqualsIgnoreCase", PREFIX, "A/", "a/", False),
        ("StringNotEquals", PREFIX, "a/", None, True),
        ("StringNotEquals", PREFIX, ["a/", "b/"], "b/", False),
        ("StringNotEquals", PREFIX, ["a/", "b/"], "c/", True),
        ("StringLike", PREFIX, ["a/*", "b/?"], "b/1", True),
        ("StringLike", PREFIX, "a/*", "A/1", False),
        ("StringLike", PREFIX, "a/*", "", False),
        ("StringNotLike", PREFIX, "a/*", "a/1", False),
        ("ArnEquals", "aws:PrincipalArn", "arn:aws:iam::*:user/carlos*", "given", True),
        ("ArnLike", "aws:PrincipalArn", "arn:aws:iam::123456789012:role/*", "given", False),
        ("ArnLike", "aws:PrincipalArn", "arn:aws:iam::1*", "given", False),
        ("ArnNotEquals", "aws:PrincipalArn", f"{CARLOS.arn}", "given", False),
        ("ArnNotLike", "aws:PrincipalArn", "arn:aws:iam::*:role/*", "given", True),
        ("Bool", "aws:SecureTransport", False, "given", False),
        ("Bool", "aws:SecureTransport", "True", "given", True),
        ("Null", PREFIX, "true", None, True),
        ("Null", PREFIX, "true", "a/", False),
        ("Null", PREFIX, False, "a/", True),
        ("Null", ALIASES, "true", None, True),
        ("ForAnyValue:StringEquals", ALIASES, ["a", "b"], ("b", "c"), True),
        ("ForAnyValue:StringEquals", ALIASES, ["a", "b"], ("c",), False),
        ("ForAnyValue:StringEquals", ALIASES, ["a"], None, False),
        ("ForAnyValue:StringNotEquals", ALIASES, ["a"], ("a", "b"), True),
        ("ForAllValues:StringEquals", ALIASES, ["a", "b"], ("a", "b"), True),
        ("ForAllValues:StringEquals", ALIASES, ["a", "b"], ("a", "c"), False),
        ("ForAllValues:StringEquals", ALIASES, ["a"], None, True),
    ],
)
def test_a_condition_is_met(operator: str, key: str, wanted: Any, has: Any, met: bool) -> None:
    context = {} if has in (None, "given") else {{"S3:PREFIX": PREFIX}.get(key, key): has}
    own = identity(may(Condition={operator: {key: wanted}}))

    assert decide(asks("s3:ListBucket", context=context), own).allowed is met


def test_all_keys_and_operators_of_a_statement_must_be_met() -> None:
    own = identity(
        may(Condition={"StringEquals": {PREFIX: "a", "kms:ViaService": "v"}, "Bool": {"aws:SecureTransport": "true"}})
    )
    whole = {PREFIX: "a", "kms:ViaService": "v"}

    assert decide(asks("s3:ListBucket", context=whole), own).allowed
    assert not decide(asks("s3:ListBucket", context={PREFIX: "a"}), own).allowed
    assert not decide(asks("s3:ListBucket", context=whole, secure=False), own).allowed


def test_a_service_and_a_stranger_have_no_principal_arn_so_that_a_negation_is_met() -> None:
    its = resource(
        may(Principal="*"), must_not(Principal="*", Condition={"ArnNotEquals": {"aws:PrincipalArn": CARLOS.arn}})
    )

    assert decide(asks("s3:GetObject"), [], its).allowed
    assert decide(asks("s3:GetObject", who=Principal()), [], its).answer == "denied"
    assert decide(asks("s3:GetObject", who=Principal(service="s3.amazonaws.com")), [], its).answer == "denied"
    assert decide(asks("s3:GetObject", who=ROLE), ALL, its).answer == "denied"


# IAM policy elements: Variables and tags: reference_policies_variables


def test_a_variable_is_the_requests_and_what_lacks_it_matches_nothing() -> None:
    own = identity(
        may(Action="s3:ListBucket", Resource="arn:aws:s3:::b", Condition={"StringLike": {PREFIX: "${aws:username}/*"}}),
        may(Action="s3:GetObject", Resource="arn:aws:s3:::b/${aws:username}/*"),
    )

    assert decide(asks("s3:GetObject", "arn:aws:s3:::b/carlossalazar/x"), own).allowed
    assert not decide(asks("s3:GetObject", "arn:aws:s3:::b/mary/x"), own).allowed
    assert not decide(asks("s3:GetObject", "arn:aws:s3:::b/${aws:username}/x", who=ROLE), own).allowed
    assert decide(asks("s3:ListBucket", "arn:aws:s3:::b", context={PREFIX: "carlossalazar/x"}), own).allowed
    assert not decide(asks("s3:ListBucket", "arn:aws:s3:::b", context={PREFIX: "mary/x"}), own).allowed


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
        (may(Resource="arn:aws:s3:::b/${aws:userid}/*"), "key aws:userid is not known"),
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
