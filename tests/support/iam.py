"""Statements, policies and requests as AWS' documented cases have them."""

from __future__ import annotations

from typing import Any

from policy.iam import Policy, Principal, Request

ACCOUNT, OTHER = "123456789012", "444455556666"
CARLOS = Principal(arn=f"arn:aws:iam::{ACCOUNT}:user/carlossalazar")
ROLE = Principal(arn=f"arn:aws:iam::{ACCOUNT}:role/path/app", session="task")
PREFIX, ALIASES = "s3:prefix", "kms:ResourceAliases"
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
