"""A policy's document, read strictly: what is not understood is refused and never skipped."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policy.iam.conditions import Condition, PolicyError, Values, require_variables, substituted
from policy.iam.patterns import like, resource_like
from policy.iam.request import Principal, Request

VERSION = "2012-10-17"
_ELEMENTS = {
    "Sid",
    "Effect",
    "Principal",
    "NotPrincipal",
    "Action",
    "NotAction",
    "Resource",
    "NotResource",
    "Condition",
}
_EVERYBODY = "*"


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement. `principals` are pairs of type and name, None in an identity policy; a `not_` turns its element
    round. A trust policy's statement has no resources: it is about its role."""

    sid: str
    allows: bool
    principals: Collection[tuple[str, str]] | None
    not_principals: bool
    actions: Sequence[str]
    not_actions: bool
    resources: Sequence[str] | None
    not_resources: bool
    conditions: Sequence[Condition]

    @classmethod
    def of(cls, written: Mapping[str, Any]) -> Statement:
        """Raises PolicyError for what IAM would refuse or this does not know."""
        if unknown := written.keys() - _ELEMENTS:
            raise PolicyError(f"element {', '.join(sorted(unknown))} of a statement is not known")
        if written.get("Effect") not in ("Allow", "Deny"):
            raise PolicyError(f"Effect is {written.get('Effect')!r}: it is Allow or Deny")
        if "NotPrincipal" in written and written["Effect"] == "Allow":
            raise PolicyError("NotPrincipal with Allow lets in everybody else: IAM takes it with Deny only")
        principals = _either(written, "Principal")
        actions = _either(written, "Action")
        if actions is None:
            raise PolicyError("a statement needs Action or NotAction")
        resources = _either(written, "Resource")
        require_variables(_list(resources or ()), negated="NotResource" in written)
        return cls(
            sid=written.get("Sid", ""),
            allows=written["Effect"] == "Allow",
            principals=None if principals is None else _principals(principals),
            not_principals="NotPrincipal" in written,
            actions=_list(actions),
            not_actions="NotAction" in written,
            resources=None if resources is None else _list(resources),
            not_resources="NotResource" in written,
            conditions=[
                Condition(operator=operator, key=key, wanted=[_text(one) for one in _list(wanted)])
                for operator, keys in written.get("Condition", {}).items()
                for key, wanted in keys.items()
            ],
        )

    def applies(self, request: Request) -> bool:
        """Whether action, resource and conditions are the request's; who asks is not looked at."""
        values = request.values()
        return (
            any(like(one, request.action, ignore_case=True) for one in self.actions) is not self.not_actions
            and self._about(request.resource, values)
            and all(condition.met(values) for condition in self.conditions)
        )

    def names_itself(self, principal: Principal) -> bool:
        """Whether the principal is meant: by name, as its service, or as everybody."""
        vouched = {("Service", principal.service or ""), ("Federated", principal.federated or "")}
        return self._named({("AWS", name) for name in principal.itself} | vouched)

    def names_account(self, principal: Principal) -> bool:
        """Whether the principal's whole account is meant, which hands the decision to the account's own policies."""
        return self._named({("AWS", name) for name in (principal.root, principal.account) if name})

    def denies(self, principal: Principal) -> bool:
        """Whether a Deny is for this principal. NotPrincipal spares a user or role only where its account is named too:
        AWS may look at the account first."""
        if not self.not_principals:
            return self.names_itself(principal) or self.names_account(principal)
        every = {("AWS", name) for name in (principal.arn, principal.root) if name}
        every |= {("Service", principal.service)} if principal.service else set()
        return not every or not every <= set(self.principals or ())

    def _named(self, names: set[tuple[str, str]]) -> bool:
        assert self.principals is not None
        return (_EVERYBODY, _EVERYBODY) in self.principals or bool(names & set(self.principals))

    def _about(self, resource: str, values: Values) -> bool:
        if self.resources is None:
            return True
        filled = (substituted(pattern, values) for pattern in self.resources)
        return any(pattern is not None and resource_like(pattern, resource) for pattern in filled) is not (
            self.not_resources
        )


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The statements of one document."""

    statements: Sequence[Statement]

    @classmethod
    def of_identity(cls, document: str | Mapping[str, Any]) -> Policy:
        """A policy of a user or role, which is about its owner and names the resources."""
        made = cls._of(document)
        if any(one.principals is not None or one.resources is None for one in made.statements):
            raise PolicyError("a policy of a user or role names resources and no principal")
        return made

    @classmethod
    def of_resource(cls, document: str | Mapping[str, Any]) -> Policy:
        """A policy of a bucket, secret, topic or key, or who may take a role on: it names the principals."""
        made = cls._of(document)
        if any(one.principals is None for one in made.statements):
            raise PolicyError("a policy of a resource names principals")
        return made

    @classmethod
    def _of(cls, document: str | Mapping[str, Any]) -> Policy:
        written = json.loads(document) if isinstance(document, str) else document
        if written.get("Version") != VERSION or written.keys() - {"Version", "Id", "Statement"}:
            raise PolicyError(f"a policy has Version {VERSION} and Statement, and this one {sorted(written)}")
        return cls(statements=[Statement.of(one) for one in _list(written["Statement"])])


def _either(written: Mapping[str, Any], element: str) -> Any:
    if element in written and f"Not{element}" in written:
        raise PolicyError(f"a statement has {element} or Not{element}, not both")
    return written.get(element, written.get(f"Not{element}"))


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _principals(written: Any) -> frozenset[tuple[str, str]]:
    if written == _EVERYBODY:
        return frozenset({(_EVERYBODY, _EVERYBODY)})
    if unknown := written.keys() - {"AWS", "Federated", "Service"}:
        raise PolicyError(f"principals of type {', '.join(sorted(unknown))} are not known")
    found = frozenset((kind, name) for kind, names in written.items() for name in _list(names))
    if ("AWS", _EVERYBODY) in found:
        return found | {(_EVERYBODY, _EVERYBODY)}
    if partly := [name for _, name in found if "*" in name]:
        raise PolicyError(
            f"principal {partly[0]}: a part of a principal is no pattern; it is named whole, or everybody"
        )
    return found
