"""Who may do what in an account, beside the stacks' own roles: each takes its role on, with the rights of its task."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from bootstrap.place import Place, Statement
from bootstrap.rights.balancing import balancing
from bootstrap.rights.bounds import boundary, bounds
from bootstrap.rights.data import keeping_data
from bootstrap.rights.network import networking
from bootstrap.rights.operating import bringing_up, flipping, looking, pushing, signing, state, tunnelling
from bootstrap.rights.reading import reading_data, reading_network, reading_running
from bootstrap.rights.running import running

GITHUB = "token.actions.githubusercontent.com"
HOUR = 3600
Rights = Callable[[Place], Sequence[Statement]]


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a role is for. `runs` are the runs at GitHub that take it on, as the end of OIDC's subject; `people` is
    whether people of the account do, whose own rights let them. It has `own` rights, and the `shared` ones by the name
    of their policy. A session lasts `seconds` at most."""

    own: Sequence[Rights]
    shared: Sequence[str] = ()
    runs: Sequence[str] = ()
    people: bool = False
    seconds: int = HOUR


SHARED: Mapping[str, Rights] = {
    "reading-network": reading_network,
    "reading-data": reading_data,
    "reading-running": reading_running,
    "network": networking,
    "balancing": balancing,
    "data": keeping_data,
    "running": running,
}
"""Policies of their own, as AWS takes 6,144 characters in one."""
READING = [name for name in SHARED if name.startswith("reading-")]
ROLES: Mapping[str, Told] = {
    "preview": Told(own=[looking], runs=["pull_request"]),
    "drift": Told(own=[state, tunnelling], shared=READING, runs=["environment:drift"]),
    "release": Told(own=[pushing], runs=["environment:release"], people=True),
    "deploy": Told(
        own=[bringing_up, tunnelling],
        shared=[*SHARED, "bounds"],
        runs=["environment:canary", "environment:production"],
        people=True,
        seconds=2 * HOUR,
    ),
    "on-call": Told(own=[looking, flipping, signing], people=True),
    "rollback": Told(own=[looking, flipping], runs=["environment:rollback"]),
}
OPERATORS = ("deploy", "on-call", "drift", "rollback")
"""Who reads an entry of the vault, if only the channel's: `operatorRoles` names them."""


class Roles(pulumi.ComponentResource):
    """The roles of ROLES, and the boundary that each role of a stack gets. Runs are those of one `repository` at
    GitHub, as its tokens name it. `provider` is whether the account's identity provider for GitHub is made too: there
    is one at most."""

    arns: dict[str, pulumi.Output[str]]

    def __init__(
        self, name: str, place: Place, *, repository: str, provider: bool, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("web-next:security:Roles", name, None, opts)
        self._place, self._repository = place, repository
        self._child = pulumi.ResourceOptions(parent=self)
        self._after_github = pulumi.ResourceOptions(parent=self, depends_on=[self._github()] if provider else [])
        self._policy("boundary", boundary(place))
        self._policies = {shared: self._policy(shared, rights(place)) for shared, rights in SHARED.items()}
        self._policies["bounds"] = self._policy("bounds", bounds(place, [f"web-next-{role}" for role in ROLES]))
        self.arns = {role: self._role(role, told) for role, told in ROLES.items()}
        self.register_outputs({})

    def _github(self) -> aws.iam.OpenIdConnectProvider:
        return aws.iam.OpenIdConnectProvider(
            "github", url=f"https://{GITHUB}", client_id_lists=["sts.amazonaws.com"], opts=self._child
        )

    def _policy(self, name: str, statements: Sequence[Statement]) -> aws.iam.Policy:
        return aws.iam.Policy(name, name=f"web-next-{name}", policy=_document(statements), opts=self._child)

    def _role(self, name: str, told: Told) -> pulumi.Output[str]:
        role = aws.iam.Role(
            name,
            name=f"web-next-{name}",
            assume_role_policy=_document(self._trust(told)),
            max_session_duration=told.seconds,
            opts=self._after_github if told.runs else self._child,
        )
        own = [statement for rights in told.own for statement in rights(self._place)]
        aws.iam.RolePolicy(name, name=f"web-next-{name}", role=role.id, policy=_document(own), opts=self._child)
        for shared in told.shared:
            aws.iam.RolePolicyAttachment(
                f"{name}-{shared}", role=role.name, policy_arn=self._policies[shared].arn, opts=self._child
            )
        return role.arn

    def _trust(self, told: Told) -> list[Statement]:
        account = self._place.account
        runs = {
            "Effect": "Allow",
            "Principal": {"Federated": f"arn:aws:iam::{account}:oidc-provider/{GITHUB}"},
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Condition": {
                "StringEquals": {
                    f"{GITHUB}:aud": "sts.amazonaws.com",
                    f"{GITHUB}:sub": [f"repo:{self._repository}:{run}" for run in told.runs],
                }
            },
        }
        people = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "sts:AssumeRole"}
        return [*([runs] if told.runs else []), *([people] if told.people else [])]


def _document(statements: Sequence[Statement]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)}, separators=(",", ":"))
