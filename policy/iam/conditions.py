"""Conditions: operators, keys and policy variables, as far as the project's policies use them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import eq

from policy.iam.patterns import arn_like, like

Values = Mapping[str, str | tuple[str, ...]]
"""A request's context."""

SINGLE = (
    "application-autoscaling:service-namespace",
    "aws:PrincipalAccount",
    "aws:PrincipalArn",
    "aws:RequestTag/service",
    "aws:ResourceTag/service",
    "aws:SecureTransport",
    "aws:SourceAccount",
    "aws:SourceArn",
    "aws:userid",
    "aws:username",
    "ec2:CreateAction",
    "ec2:LaunchTemplate",
    "ecs:cluster",
    "iam:AWSServiceName",
    "iam:PassedToService",
    "iam:PermissionsBoundary",
    "iam:PolicyARN",
    "kms:EncryptionContext:SecretARN",
    "kms:GrantIsForAWSResource",
    "kms:ViaService",
    "s3:if-none-match",
    "s3:prefix",
    "ssm:SessionDocumentAccessCheck",
    "ssm:resourceTag/Name",
    "ssm:resourceTag/aws:ssmmessages:session-id",
    "token.actions.githubusercontent.com:aud",
    "token.actions.githubusercontent.com:sub",
)
MULTIVALUED = ("kms:ResourceAliases",)
_KEYS = {key.lower(): key for key in (*SINGLE, *MULTIVALUED)}
"""Keys do not tell upper from lower case."""


class PolicyError(ValueError):
    """A policy that IAM would refuse, or that has what is not known here."""


def known(key: str) -> str:
    """A condition key as it is written here. Raises PolicyError for one that is not known."""
    try:
        return _KEYS[key.lower()]
    except KeyError:
        raise PolicyError(
            f"condition key {key} is not known: add it to policy/iam/conditions.py with its kind"
        ) from None


def _same_letters(wanted: str, text: str) -> bool:
    return wanted.lower() == text.lower()


_MATCHES: dict[str, tuple[Callable[[str, str], bool], bool]] = {
    "StringEquals": (eq, False),
    "StringNotEquals": (eq, True),
    "StringEqualsIgnoreCase": (_same_letters, False),
    "StringNotEqualsIgnoreCase": (_same_letters, True),
    "StringLike": (like, False),
    "StringNotLike": (like, True),
    "ArnEquals": (arn_like, False),
    "ArnLike": (arn_like, False),
    "ArnNotEquals": (arn_like, True),
    "ArnNotLike": (arn_like, True),
    "Bool": (_same_letters, False),
}
"""How an operator compares, and whether it is a negation."""
_OPERATOR = re.compile(r"(?:(?P<set>ForAllValues|ForAnyValue):)?(?P<base>[A-Za-z]+?)(?P<if_exists>IfExists)?")


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One operator on one key. A statement applies where all of its conditions are met."""

    operator: str
    key: str
    wanted: Sequence[str]

    def __post_init__(self) -> None:
        parts = _OPERATOR.fullmatch(self.operator)
        if not parts or parts["base"] not in {*_MATCHES, "Null"} or (parts["set"] and parts["if_exists"]):
            raise PolicyError(f"condition operator {self.operator} is not known: add it to policy/iam/conditions.py")
        has_many = known(self.key) in MULTIVALUED
        if bool(parts["set"]) != (has_many and parts["base"] != "Null"):
            raise PolicyError(
                f"{self.operator} on {self.key}: a key of many values needs ForAllValues or ForAnyValue, and a key of "
                "one value must have neither"
            )
        negated = parts["base"] != "Null" and _MATCHES[parts["base"]][1]
        require_variables(self.wanted, negated=negated)

    def met(self, values: Values) -> bool:
        """Whether the request's context is as wanted."""
        parts = _OPERATOR.fullmatch(self.operator)
        assert parts
        has = values.get(known(self.key))
        if parts["base"] == "Null":
            return (has is None) == (list(self.wanted) == ["true"])
        compare, negated = _MATCHES[parts["base"]]
        if parts["set"]:
            one_by_one = [self._one(text, compare, negated, values) for text in has or ()]
            return all(one_by_one) if parts["set"] == "ForAllValues" else any(one_by_one)
        if has is None:
            return negated or bool(parts["if_exists"])
        assert isinstance(has, str)
        return self._one(has, compare, negated, values)

    def _one(self, text: str, compare: Callable[[str, str], bool], negated: bool, values: Values) -> bool:
        filled = (substituted(pattern, values) for pattern in self.wanted)
        return any(pattern is not None and compare(pattern, text) for pattern in filled) is not negated


_VARIABLE = re.compile(r"\$\{([^}]*)\}")


def require_variables(patterns: Iterable[str], *, negated: bool) -> None:
    """Raises PolicyError for a variable that is not known, that may have several values, or that stands in a negation:
    AWS does not document what a negation comes to where the request has not the value."""
    for pattern in patterns:
        for name in map(known, _VARIABLE.findall(pattern)):
            if negated or name in MULTIVALUED:
                what = "has many values" if name in MULTIVALUED else "stands in a negation"
                raise PolicyError(f"{pattern}: the variable {name} {what}; write the values")


def substituted(pattern: str, values: Values) -> str | None:
    """A pattern with its variables filled in; None where the request has not the value, so that nothing matches."""
    if any(known(name) not in values for name in _VARIABLE.findall(pattern)):
        return None
    return _VARIABLE.sub(partial(_value, values), pattern)


def _value(values: Values, variable: re.Match[str]) -> str:
    return str(values[known(variable[1])])
