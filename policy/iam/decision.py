"""The decision: explicit deny before everything, then what is allowed, then no.

After "Policy evaluation logic" of the IAM user guide, for identity and resource policies and permissions boundaries.
Session policies and policies of an organization can only take away more, and the project declares none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from policy.iam.document import Policy, Statement
from policy.iam.request import Request


def needs_the_resource(request: Request) -> bool:
    """Whether it is about a key or a role: a policy of a user or role counts only where the key's or the role's own
    policy says so."""
    return ":key/" in request.resource or request.action.lower().startswith("sts:assumerole")


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What AWS would answer, and the Sids of the statements that decided it."""

    answer: Literal["allowed", "denied", "not allowed"]
    because: frozenset[str] = frozenset()

    @property
    def allowed(self) -> bool:
        """Whether the request goes through."""
        return self.answer == "allowed"


def decide(
    request: Request,
    identity: Iterable[Policy] = (),
    resource: Policy | None = None,
    boundary: Policy | None = None,
) -> Decision:
    """The decision on a request of a principal with the policies `identity`, on what has the policy `resource`. With a
    `boundary` nothing is allowed that it does not allow too; but what a resource's policy gives a role's session by the
    session's own name, which no policy here does, AWS would let through."""
    decision = _decide(request, identity, resource)
    if boundary is None or not decision.allowed:
        return decision
    bounds = [one for one in boundary.statements if one.applies(request)]
    if against := [one for one in bounds if not one.allows]:
        return Decision(answer="denied", because=_sids(against))
    return decision if bounds else Decision(answer="not allowed")


def _decide(request: Request, identity: Iterable[Policy], resource: Policy | None) -> Decision:
    own = [one for policy in identity for one in policy.statements if one.applies(request)]
    theirs = [one for one in (resource.statements if resource else ()) if one.applies(request)]
    principal = request.principal
    if against := [one for one in own if not one.allows] + [
        one for one in theirs if not one.allows and one.denies(principal)
    ]:
        return Decision(answer="denied", because=_sids(against))
    own = [one for one in own if one.allows]
    named = [one for one in theirs if one.allows and one.names_itself(principal)]
    handed_on = [one for one in theirs if one.allows and one.names_account(principal)]
    if principal.account == request.owner and principal.account:
        counts = own if handed_on or named or not needs_the_resource(request) else []
        return _allowed([*named, *counts])
    if not principal.account:  # a service, or nobody: only the resource can say yes
        return _allowed(named)
    return _allowed([*own, *named, *handed_on]) if own and (named or handed_on) else Decision(answer="not allowed")


def _allowed(statements: list[Statement]) -> Decision:
    if not statements:
        return Decision(answer="not allowed")
    return Decision(answer="allowed", because=_sids(statements))


def _sids(statements: Iterable[Statement]) -> frozenset[str]:
    return frozenset(one.sid for one in statements)
