"""A question to the account of a captured stack, with the answer that it must get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from policy.iam import Principal, Request
from tests.unit.infra.account import Account
from tests.unit.infra.configs import ACCOUNT


@dataclass(frozen=True, kw_only=True)
class Question:
    """A request and the answer that it must get. `own` are the names of the asker's policies, by default its role's;
    without `its` the resource's policy may only deny."""

    who: Principal
    action: str
    resource: str
    allowed: bool
    context: Mapping[str, Any] = field(default_factory=dict)
    secure: bool = True
    own: tuple[str, ...] | None = None
    its: bool = True

    def holds(self, account: Account) -> bool:
        """Whether the account answers so."""
        request = Request(
            principal=self.who,
            action=self.action,
            resource=self.resource,
            owner=ACCOUNT,
            context=self.context,
            secure=self.secure,
        )
        return account.decide(request, self.own, its=self.its).allowed is self.allowed

    def __str__(self) -> str:
        given = "".join(f" {key}={value}" for key, value in self.context.items()) + (
            "" if self.secure else " without TLS"
        )
        by = "" if self.own is None else f" with {' and '.join(self.own) or 'no policy'}"
        asker = self.who.arn or self.who.service or "anybody"
        return f"{asker}{by} {'may' if self.allowed else 'may not'} {self.action} {self.resource}{given}"
