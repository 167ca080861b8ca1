"""Names and ARNs of a stack's resources, known before anything exists, so that previews and policies show them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from infra.settings.keys import Settings
from outputs.flags import FlagsParameters

SERVICE = "web-next"
WORDING = ["description"]
"""Ignored when it changes, of a resource in use that AWS would have to replace for it, under a name that is taken."""

_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_RESERVED_STARTS = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_ENDS = ("-s3alias", "--ol-s3", "--x-s3", "--table-s3")
_STACK = re.compile(r"(?=.{1,24}\Z)[a-z](-?[a-z0-9])*")
"""24 characters leave room for the longest name made of it: a replication group's id has 40."""
ACCOUNTS = ("deploy", "drift", "on-call", "preview", "release", "rollback", "state")
"""After `web-next-` the names of the account's own roles, and of the state's bucket and key, by `bootstrap/`."""
ENDS = ("-bastion", "-candidate", "-edge", "-execution", "-watch", "-watch-schedule")
"""What a stack calls its own by, where the rest may be another stack's: roles, repositories, a candidate's tasks."""


def bucket_problem(name: str) -> str | None:
    """Why S3 would refuse a bucket of this name, or None. Dots are refused too: they break TLS by host name."""
    if not _BUCKET.fullmatch(name):
        return "a bucket's name has 3 to 63 lower-case letters, digits and hyphens, no hyphen at an end"
    if name.startswith(_RESERVED_STARTS) or name.endswith(_RESERVED_ENDS):
        return (
            f"S3 reserves names that start with {', '.join(_RESERVED_STARTS)} or end with {', '.join(_RESERVED_ENDS)}"
        )
    return None


def stack_problem(stack: str) -> str | None:
    """Why names made of this stack's name would be refused, or None."""
    if not _STACK.fullmatch(stack):
        return "a stack's name has up to 24 lower-case letters, digits and single hyphens, and begins with a letter"
    if stack in ACCOUNTS:
        return f"{SERVICE}-{stack} is the account's own, as are {', '.join(ACCOUNTS)}; choose another name"
    if other := next((stack.removesuffix(end) for end in ENDS if stack.endswith(end)), None):
        return (
            f"{SERVICE}-{stack} is what a stack {other} calls its own; choose a name without "
            f"{stack.removeprefix(other)}"
        )
    return None


@dataclass(frozen=True, kw_only=True)
class Names:
    """What this stack's resources are called, from the stack's name, account and region alone.

    `evidence` replaces the evidence bucket's name where the settings give one.
    """

    stack: str
    account: str
    region: str
    evidence: str | None = None

    @classmethod
    def of(cls, settings: Settings, stack: str) -> Names:
        return cls(stack=stack, account=settings.account, region=settings.region, evidence=settings.evidence_bucket)

    @property
    def prefix(self) -> str:
        """The start of every name: `web-next-<stack>`."""
        return f"{SERVICE}-{self.stack}"

    @property
    def app_role(self) -> str:
        """The IAM role the app runs as; the playbook calls it web-next-prod."""
        return self.prefix

    @property
    def app_role_arn(self) -> str:
        return f"arn:aws:iam::{self.account}:role/{self.app_role}"

    @property
    def watch_role_arn(self) -> str:
        """The role of what ticks on AWS."""
        return f"arn:aws:iam::{self.account}:role/{self.prefix}-watch"

    @property
    def boundary_arn(self) -> str:
        """The most that any role of a stack can do: `bootstrap/` makes it, and lets no role be made without it."""
        return f"arn:aws:iam::{self.account}:policy/{SERVICE}-boundary"

    @property
    def balancer(self) -> str:
        """The load balancer's name, at most the 32 characters that it may have."""
        return self.within(self.prefix, 32)

    def bucket(self, purpose: str) -> str:
        """A bucket's name; the account makes it unique among all of S3."""
        if purpose == "evidence" and self.evidence:
            return self.evidence
        return self._derived(purpose)

    def _derived(self, purpose: str) -> str:
        return f"{self.prefix}-{purpose}-{self.account}"

    def within(self, name: str, most: int) -> str:
        """The name, or where AWS takes fewer characters its start and six digits that tell it from others."""
        return name if len(name) <= most else f"{name[: most - 7]}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"

    def problems(self) -> Iterator[str]:
        """What AWS would refuse in these names, a clause each."""
        if problem := stack_problem(self.stack):
            yield f"the stack's name is {self.stack!r}: {problem}"
        if self.evidence and (problem := bucket_problem(self.evidence)):
            yield f"evidenceBucket is {self.evidence!r}: {problem}"
        for purpose in ("records", "access-logs"):
            if self.evidence == self.bucket(purpose):
                yield f"evidenceBucket is {self.evidence!r}: the bucket of {purpose}; choose another name"
                return
        derived = self._derived("evidence")
        if self.evidence and self.evidence.startswith(f"{SERVICE}-") and self.evidence != derived:
            yield (
                f"evidenceBucket is {self.evidence!r}: names that begin with {SERVICE}- are those of stacks and their "
                f"states; remove it for {derived}, or choose another beginning"
            )

    @property
    def vault_prefix(self) -> str:
        """What every secret's name starts with; the app gets it as VAULT_PREFIX."""
        return f"{self.prefix}/"

    def secret_arns(self, name: str) -> str:
        """Pattern for a secret's ARN: Secrets Manager adds six random characters."""
        return f"arn:aws:secretsmanager:{self.region}:{self.account}:secret:{self.vault_prefix}{name}-??????"

    @property
    def key_alias(self) -> str:
        """What the stack's key is called, known before the key has an id."""
        return f"alias/{self.prefix}"

    @property
    def alarms_topic_arn(self) -> str:
        return f"arn:aws:sns:{self.region}:{self.account}:{self.prefix}-alarms"

    @property
    def flags_parameters(self) -> FlagsParameters:
        """The SSM parameters that hold each track's flags in force."""
        return FlagsParameters(stable=f"/{self.prefix}/flags/stable", candidate=f"/{self.prefix}/flags/candidate")

    @property
    def metrics(self) -> str:
        """The namespace of the stack's own CloudWatch metrics."""
        return f"{SERVICE}/{self.stack}"
