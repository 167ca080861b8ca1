"""The elements of a statement mean what AWS documents. The page of the IAM user guide is named above the tests of its
cases."""

from __future__ import annotations

from typing import Any

import pytest

from policy.iam import Principal, decide
from tests.support.iam import ALIASES, ALL, CARLOS, PREFIX, ROLE, asks, identity, may, must_not, resource

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
