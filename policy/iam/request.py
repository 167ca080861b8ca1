"""Who asks for what: the request that policies are judged for."""

from __future__ import annotations

from dataclasses import dataclass, field

from policy.iam.conditions import MULTIVALUED, PolicyError, Values, known


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Who asks: a user or role by its `arn`, a role's session by its name too, an AWS `service`, or with nothing given
    anybody without credentials. `federated` is the identity provider, an ARN, that vouches for who takes a role on."""

    arn: str | None = None
    session: str | None = None
    service: str | None = None
    federated: str | None = None

    @property
    def account(self) -> str | None:
        """The account of a user or role."""
        return self.arn.split(":")[4] if self.arn else None

    @property
    def root(self) -> str | None:
        """The ARN that stands for the whole account."""
        return f"arn:aws:iam::{self.account}:root" if self.arn else None

    @property
    def session_arn(self) -> str | None:
        """The ARN of a role's session, which has no path."""
        if not self.arn or not self.session:
            return None
        return f"arn:aws:sts::{self.account}:assumed-role/{self.arn.rpartition('/')[2]}/{self.session}"

    @property
    def itself(self) -> frozenset[str]:
        """The names by which a policy can mean this principal and nobody else."""
        return frozenset(name for name in (self.arn, self.session_arn) if name)

    @property
    def context(self) -> dict[str, str]:
        """What each of its requests says of it. Whoever has no credentials says nothing."""
        if not self.arn:
            return {}
        user = {"aws:username": self.arn.rpartition("/")[2]} if ":user/" in self.arn else {}
        return {"aws:PrincipalArn": self.arn, "aws:PrincipalAccount": str(self.account), **user}


@dataclass(frozen=True, kw_only=True)
class Request:
    """One action on one resource. `owner` is the account that has the resource: an ARN of S3 does not say it.

    `context` has what the service puts beside the request, by condition key; `secure` is whether it comes over TLS.
    Raises PolicyError for a key that is not known, and for one value where a key has many.
    """

    principal: Principal
    action: str
    resource: str
    owner: str
    context: Values = field(default_factory=dict)
    secure: bool = True

    def __post_init__(self) -> None:
        for key, value in self.context.items():
            if known(key) != key or isinstance(value, tuple) != (key in MULTIVALUED):
                raise PolicyError(
                    f"{known(key)} is given as {key}: {value!r}: spell it so, with a tuple where it has many"
                )

    def values(self) -> Values:
        """The whole context, by condition key."""
        secure = {"aws:SecureTransport": "true" if self.secure else "false"}
        return {**self.principal.context, **secure, **self.context}
