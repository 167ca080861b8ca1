"""Where the stacks of an account are, and what their names begin with: what every statement of a right is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Statement = dict[str, Any]
TAG = "service"
NAMED = "web-next-*"
"""A stack's own names begin so, whichever it is; what AWS itself names has the tag `service: web-next`."""
HAS_TAG: Statement = {"StringEquals": {f"aws:ResourceTag/{TAG}": "web-next"}}
GETS_TAG: Statement = {"StringEquals": {f"aws:RequestTag/{TAG}": "web-next"}}
NO_TAG: Statement = {"Null": {f"aws:ResourceTag/{TAG}": "true"}}
BUCKETS = ("evidence", "records", "access-logs")
"""What a stack's buckets are for, as `infra/` names them."""


def allow(
    sid: str, service: str, actions: str, on: str | Sequence[str], condition: Mapping[str, Any] | None = None
) -> Statement:
    """A statement that allows these actions of a service, whose names stand between spaces."""
    return _statement("Allow", sid, service, actions, on, condition)


def deny(
    sid: str, service: str, actions: str, on: str | Sequence[str], condition: Mapping[str, Any] | None = None
) -> Statement:
    """A statement that denies them, whatever else allows them."""
    return _statement("Deny", sid, service, actions, on, condition)


def _statement(
    effect: str, sid: str, service: str, actions: str, on: str | Sequence[str], condition: Mapping[str, Any] | None
) -> Statement:
    named = [f"{service}:{action}" for action in actions.split()]
    made = {
        "Sid": sid,
        "Effect": effect,
        "Action": named,
        "Resource": on if isinstance(on, str) else list(on),
    }
    return {**made, "Condition": dict(condition)} if condition else made


@dataclass(frozen=True, kw_only=True)
class Place:
    """An account and region, whose stacks' state is in `bucket`, with secrets under the key named `alias`. `zones` are
    the ids of the hosted zones that records of certificates and the console's name go into, `evidence` the buckets that
    stacks have for it by other names than the derived."""

    account: str
    region: str
    bucket: str
    alias: str
    zones: Sequence[str]
    evidence: Sequence[str] = ()

    def arn(self, service: str, *what: str) -> list[str]:
        """ARNs of a service in the region."""
        return [f"arn:aws:{service}:{self.region}:{self.account}:{each}" for each in what]

    def iam(self, *what: str) -> list[str]:
        """ARNs of IAM, which is in no region."""
        return [f"arn:aws:iam::{self.account}:{each}" for each in what]

    def buckets(self, *purposes: str, inside: str = "") -> list[str]:
        """ARNs of the stacks' buckets for these purposes, or of the objects in them."""
        named = [f"{NAMED}-{purpose}-{self.account}" for purpose in purposes]
        named += self.evidence if "evidence" in purposes else ()
        return [f"arn:aws:s3:::{name}{inside}" for name in named]

    @property
    def state(self) -> str:
        """The ARN of the state's bucket."""
        return f"arn:aws:s3:::{self.bucket}"

    @property
    def hosted_zones(self) -> list[str]:
        return [f"arn:aws:route53:::hostedzone/{zone}" for zone in self.zones]

    @property
    def boundary(self) -> str:
        """The ARN of the most that a role of a stack can do."""
        return self.iam("policy/web-next-boundary")[0]

    @property
    def entries(self) -> Statement:
        """The condition that a key is used for the stacks' entries of the vault, which Secrets Manager names to KMS. A
        key's alias would do too, but KMS may need five minutes to know a new one."""
        named = {"kms:EncryptionContext:SecretARN": self.arn("secretsmanager", f"secret:{NAMED}")}
        return {"StringLike": named, **self.by_way_of("secretsmanager")}

    @property
    def entries_by_alias(self) -> Statement:
        """The same for a key that a stack has named before."""
        return {
            "ForAnyValue:StringLike": {"kms:ResourceAliases": f"alias/{NAMED}"},
            **self.by_way_of("secretsmanager"),
        }

    def by_way_of(self, *services: str) -> Statement:
        """The condition that a key is used by these services, which ask for whoever asks them."""
        return {"StringEquals": {"kms:ViaService": [f"{each}.{self.region}.amazonaws.com" for each in services]}}
