"""What AWS publishes of rights, as cfn-lint brings it along: what CloudFormation asks for to look after a type, and the
service authorization reference, which has each action with what it can be bound to."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import cfnlint

from policy.iam.patterns import resource_like
from tests.unit.infra.configs import ACCOUNT, REGION

DATA = Path(str(cfnlint.__file__)).parent / "data"
VERBS = ("create", "read", "update", "delete")
IN_S3 = {"bucket": "arn:aws:s3:::[^/]*", "object": "arn:aws:s3:::[^/]*/.*"}
"""The reference as cfn-lint has it tells a bucket from an object by nothing."""


@cache
def handlers(kind: str) -> frozenset[str]:
    """The actions that CloudFormation's own handlers of a type ask for; a list of all there are is its own business."""
    places = json.loads((DATA / "schemas/providers" / f"{REGION}.json").read_text())
    schema = json.loads((DATA / "schemas/resources" / f"{places[kind]}.json").read_text())
    return frozenset(
        action.strip() for verb in VERBS for action in schema["handlers"].get(verb, {}).get("permissions", ())
    )


@cache
def _reference() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DATA / "AdditionalSpecs/Policies.json").read_text())
    return found


def exists(action: str) -> bool:
    """Whether there is such a right: some of CloudFormation's are operations, which other rights stand for."""
    service, _, name = action.partition(":")
    return name.lower() in _reference().get(service, {}).get("Actions", {})


@cache
def _forms(action: str) -> tuple[str, ...]:
    """The forms of the ARNs that an action can be bound to, with a pattern of theirs at the end."""
    service, _, name = action.partition(":")
    of_service = _reference()[service]
    named = of_service["Actions"][name.lower()].get("Resources", ())
    of_each = (
        [IN_S3[kind]] if kind in IN_S3 else of_service["Resources"][kind.lower()]["ARNFormats"] for kind in named
    )
    return tuple(form.replace("${Partition}", "aws") for forms in of_each for form in forms)


@cache
def binds_to(action: str) -> tuple[re.Pattern[str], ...]:
    """What such an ARN is like; nothing where AWS has no right for one resource."""
    return tuple(re.compile(re.sub(r"\$\{\w+\}", "[^:]*", form)) for form in _forms(action))


def fits(pattern: str, action: str) -> bool:
    """Whether a statement's resource is of a kind that an action can be bound to."""
    here = {"${Region}": REGION, "${Account}": ACCOUNT, "[^/]*": "x", ".*": "x"}
    some = (re.sub(r"\$\{\w+\}|\[\^/\]\*|\.\*", lambda one: here[one[0]], form) for form in _forms(action))
    return any(form.fullmatch(pattern) for form in binds_to(action)) or any(resource_like(pattern, one) for one in some)
