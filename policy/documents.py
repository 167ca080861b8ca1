"""Policies of IAM as rules ask about them: by requests that must be refused, not by the words of a document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from policy.iam import Policy, Principal, Request, decide
from policy.resources import Stack

Document = Mapping[str, Any]
OWNER = "000000000000"
"""The account that has whatever a document is of: a document does not say, and no account has this number."""
STRANGER = Principal(arn="arn:aws:iam::999999999999:role/a-stranger")
NOBODY = Principal()
PROVIDER = "pulumi:providers:aws"
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


def actions(document: Document) -> set[str]:
    """The actions that a document's statements name, those of a pattern as one that is like it."""
    found = (one for statement in statements(document) for one in as_list(statement.get("Action")))
    return {one.replace("*", "Any").replace("?", "A") for one in found}


def named(document: Document) -> Iterator[Principal]:
    """The users, roles and accounts that a document names, as principals and in conditions; of a pattern, one that is
    like it."""
    for statement in statements(document):
        for element in ("Principal", "NotPrincipal"):
            who = statement.get(element)
            yield from map(_principal, as_list(who.get("AWS")) if isinstance(who, Mapping) else [])
        for keys in statement.get("Condition", {}).values():
            for key, values in keys.items():
                if key.lower() in ("aws:principalarn", "aws:principalaccount"):
                    yield from map(_principal, as_list(values))


def vouched(document: Document, kind: str) -> list[str]:
    """The principals of a kind that a document names: Service, or Federated, which are identity providers."""
    found = [one["Principal"] for one in statements(document) if isinstance(one.get("Principal"), Mapping)]
    return list(dict.fromkeys(name for who in found for name in as_list(who.get(kind))))


def _principal(name: str) -> Principal:
    """Whom a name is, be it an ARN, a session's too, or an account's number."""
    like = name.replace("*", "any").replace("?", "a")
    parts = like.split(":", 5)
    if len(parts) < len(("arn", "partition", "service", "region", "account", "who")):
        return Principal(arn=f"arn:aws:iam::{like}:root")
    role, _, session = parts[5].removeprefix("assumed-role/").rpartition("/")
    if parts[2] == "sts":
        return Principal(arn=f"arn:aws:iam::{parts[4]}:role/{role}", session=session)
    return Principal(arn=like)


def of_others(document: Document, stack: Stack) -> list[Principal]:
    """Those that a document names and that are of other accounts than the provider is allowed to work in; none where
    it is not told."""
    own = {account for one in stack.of(PROVIDER) for account in one.document("allowedAccountIds") or []}
    return [one for one in dict.fromkeys(named(document)) if own and one.account not in own]


def let_in(document: Document | None, stack: Stack, asked: Iterable[str], resource: str) -> Iterator[tuple[str, str]]:
    """Who from outside the account could do what with a resource that has this document: anybody, another account, or
    one that the document names. Every action that it names is asked too."""
    if document:
        who = [NOBODY, STRANGER, *of_others(document, stack)]
        yield from allowed(document, who, dict.fromkeys([*asked, *sorted(actions(document))]), resource, owner=OWNER)


def serves_others(document: Document, service: str, asked: Iterable[str], resource: str) -> bool:
    """Whether a service may do it for whoever has it do so: for another account, or without saying for whom."""
    stranger = {
        "aws:SourceAccount": str(STRANGER.account),
        "aws:SourceArn": f"arn:aws:any:any:{STRANGER.account}:any",
    }
    return any(grants(document, Principal(service=service), asked, resource, one) for one in ({}, stranger))


def grants(document: Document, who: Principal, asked: Iterable[str], resource: str, context: Mapping[str, str]) -> bool:
    """Whether a resource with this document grants one of the actions to a service, or to whoever has a token."""
    theirs = Policy.of_resource(document)
    return any(
        decide(Request(principal=who, action=one, resource=resource, owner=OWNER, context=context), (), theirs).allowed
        for one in asked
    )


def allowed(
    document: Document | None,
    who: Iterable[Principal],
    actions: Iterable[str],
    resource: str,
    *,
    secure: bool = True,
    owner: str | None = None,
) -> Iterator[tuple[str, str]]:
    """The principal and the action of each request that a resource with this document would grant to somebody whose own
    policies allow everything. The resource is the `owner`'s, or of each principal's own account. Raises PolicyError for
    a document that is not understood."""
    theirs = Policy.of_resource(document) if document else None
    for principal in who:
        own = [_EVERYTHING] if principal.arn else []
        for action in actions:
            whose = owner or str(principal.account)
            asked = Request(principal=principal, action=action, resource=resource, owner=whose, secure=secure)
            if decide(asked, own, theirs).allowed:
                yield principal.arn or "anybody", action
