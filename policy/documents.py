"""Policies of IAM as rules ask about them: by requests that must be refused, not by the words of a document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from policy.iam import Policy, Principal, Request, decide

Document = Mapping[str, Any]
OWNER = "000000000000"
"""The account that has whatever a document is of: a document does not say, and no account has this number."""
STRANGER = Principal(arn="arn:aws:iam::999999999999:role/a-stranger")
NOBODY = Principal()
_EVERYTHING = Policy.of_identity(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
)


def statements(document: Document) -> list[Mapping[str, Any]]:
    """A document's statements."""
    return as_list(document["Statement"])


def as_list(value: Any) -> list[Any]:
    """What IAM lets stand alone or in a list."""
    return [] if value is None else list(value) if isinstance(value, list | tuple) else [value]


def resources(document: Document | None) -> set[str]:
    """The ARNs that a document's statements are about, patterns among them."""
    found = statements(document) if document else []
    return {one for statement in found for one in as_list(statement.get("Resource"))}


def named(document: Document) -> Iterator[Principal]:
    """The users and roles that a document names, as principals and in conditions."""
    for statement in statements(document):
        for element in ("Principal", "NotPrincipal"):
            who = statement.get(element)
            yield from _users_and_roles(as_list(who.get("AWS")) if isinstance(who, Mapping) else [])
        for keys in statement.get("Condition", {}).values():
            for key, values in keys.items():
                if key.lower() == "aws:principalarn":
                    yield from _users_and_roles(as_list(values))


def _users_and_roles(names: Iterable[str]) -> Iterator[Principal]:
    return (Principal(arn=name) for name in names if name.startswith("arn:") and ":iam::" in name and "*" not in name)


def allowed(
    document: Document | None, who: Iterable[Principal], actions: Iterable[str], resource: str, *, secure: bool = True
) -> Iterator[tuple[str, str]]:
    """The principal and the action of each request that a resource with this document would grant to somebody whose own
    policies allow everything. Raises PolicyError for a document that is not understood."""
    theirs = Policy.of_resource(document) if document else None
    for principal in who:
        own = [_EVERYTHING] if principal.arn else []
        for action in actions:
            owner = OWNER if principal in (STRANGER, NOBODY) else str(principal.account)
            asked = Request(principal=principal, action=action, resource=resource, owner=owner, secure=secure)
            if decide(asked, own, theirs).allowed:
                yield principal.arn or "anybody", action
