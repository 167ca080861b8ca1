"""An exception of the policy, as a test needs it."""

from __future__ import annotations

from datetime import date

from policy.exceptions import Allowance

TODAY = date(2026, 11, 29)
RULE = "s3-public-access-blocked"
SEEN = "blockPublicAcls not true"


def allowance(**changes: object) -> Allowance:
    told = {"rule": RULE, "resource": "evidence", "stacks": "prod", "reason": "asked for", "owner": "platform"}
    return Allowance(**{**told, "excuses": [SEEN], "expires": TODAY, **changes})  # type: ignore[arg-type]
